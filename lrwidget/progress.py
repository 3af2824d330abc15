"""A progress bar for range tests in scripts and cells."""

from __future__ import annotations

from types import TracebackType

from lrwidget.result import Recording, StepRecord


class ProgressBar:
    """A tqdm bar with the newest rate and loss.

    Parameters
    ----------
    recording
        The run it shows.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """

    def __init__(self, recording: Recording) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress=True needs tqdm: pip install lrwidget[progress]") from error
        self._bar = tqdm(total=recording.settings["num_steps"], desc="range test", unit="step")
        self._recording = recording

    def __enter__(self) -> ProgressBar:
        return self

    def update(self, record: StepRecord) -> None:
        """Count one step; tqdm itself limits how often it draws."""
        self._bar.set_postfix_str(f"lr {record.lr:.1e}, loss {record.loss:.4g}", refresh=False)
        self._bar.update()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._bar.total = self._bar.n  # a range test is meant to end early; a notebook paints the rest red
        self._bar.set_postfix_str(str(self._recording.stop_reason), refresh=True)
        self._bar.close()
