"""Range tests on disk: one JSON object per line, so that a file is readable while it is written and after a crash.

The first line is the header (format version, settings, library versions), then one line per record, then one line
with the stop reason. JSON has no words for NaN and infinity: they are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from lrwidget.result import RangeTestResult, Recording, StepRecord, StopReason

FORMAT = 1
_LIBRARIES = ("lrwidget", "numpy", "torch", "keras")


class LogWriter:
    """Appends the records of a run to a file, each flushed before the next step begins.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    recording
        The run; its stop reason is written on leaving.
    """

    def __init__(self, path: str | PathLike[str], recording: Recording) -> None:
        self._path = Path(path)
        self._recording = recording
        self._file: IO[str] | None = None

    def __enter__(self) -> LogWriter:
        self._file = self._path.open("w", encoding="utf-8")
        self._line(_header(self._recording.settings))
        return self

    def write(self, record: StepRecord) -> None:
        """Append one record."""
        self._line(_record_line(record))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with self._file:
            if error is not None:
                self._recording.note_failure(error)
            self._line(_footer(self._recording.result()))

    def _line(self, content: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(content, allow_nan=False) + "\n")
        self._file.flush()


def write_result(result: RangeTestResult, path: str | PathLike[str]) -> None:
    """Write a finished result in the format of the log."""
    norms = [None] * len(result) if result.grad_norms is None else result.grad_norms.tolist()
    rows = zip(result.lrs.tolist(), result.losses.tolist(), norms, strict=True)
    lines = [
        _header(result.settings),
        *(_record_line(StepRecord(step, *row)) for step, row in enumerate(rows)),
        _footer(result),
    ]
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    Path(path).write_text(text, encoding="utf-8")


def read_result(path: str | PathLike[str]) -> RangeTestResult:
    """Read a log, finished or torn.

    A log without its last line counts as interrupted; a half-written last line is dropped with a warning.

    Raises
    ------
    ValueError
        If anything else is malformed; the message names the line.
    """
    recording: Recording | None = None
    for number, content in _lines(Path(path)):
        try:
            if recording is None:
                recording = _open(content)
            elif "stop_reason" in content:
                recording.stop_reason = StopReason(content["stop_reason"])
                recording.error, recording.seconds = content["error"], float(content["seconds"])
            else:
                norm = content.get("grad_norm")
                norm = None if norm is None else float(norm)
                recording.append(int(content["step"]), float(content["lr"]), float(content["loss"]), norm)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}, line {number}: need a line of a range test's log, got {content!r:.120}"
            ) from error
    if recording is None:
        raise ValueError(f"{path}: need the log of a range test, got a file without a header")
    if recording.stop_reason is None:
        recording.stop_reason = StopReason.INTERRUPTED
        recording.error = "the log ends before the run did"
    return recording.result()


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    torn = lines.pop()  # after the last newline: empty, or half a line
    for number, line in enumerate(lines, 1):
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: need JSON, got {line!r:.120}") from error
    if torn:
        warnings.warn(f"{path}: dropped the half-written last line {len(lines) + 1}", stacklevel=4)


def _open(header: dict[str, Any]) -> Recording:
    if header["format"] != FORMAT:
        raise ValueError(f"need format {FORMAT}, got {header['format']}")
    return Recording(settings=header["settings"])


def _header(settings: Any) -> dict[str, Any]:
    versions = {
        name: str(sys.modules[name].__version__) for name in _LIBRARIES if hasattr(sys.modules.get(name), "__version__")
    }
    return {"format": FORMAT, "settings": dict(settings), "versions": versions}


def _record_line(record: StepRecord) -> dict[str, Any]:
    line: dict[str, Any] = {"step": record.step, "lr": _number(record.lr), "loss": _number(record.loss)}
    if record.grad_norm is not None:
        line["grad_norm"] = _number(record.grad_norm)
    return line


def _footer(result: RangeTestResult) -> dict[str, Any]:
    return {"stop_reason": str(result.stop_reason), "error": result.error, "seconds": result.seconds}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
