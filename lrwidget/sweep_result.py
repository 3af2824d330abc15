"""What a sweep leaves behind: the range test of each point of the grid, and tables of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lrwidget.result import RangeTestResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepRun:
    """One point of the grid and its range test.

    Parameters
    ----------
    index
        Which point, counted from 0 in the order of the grid.
    settings
        The point: what `make_train_step` was called with.
    result
        Its range test, as far as it came; None where there is no record of it.
    error
        Why there is no whole range test, in one line; None where there is one.
    details
        The traceback of the error, where there was an exception.
    """

    index: int
    settings: Mapping[str, Any]
    result: RangeTestResult | None = None
    error: str | None = None
    details: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """The point in one line: ``optimizer=Adam, seed=0``."""
        return ", ".join(f"{name}={label(value)}" for name, value in self.settings.items())

    @property
    def end(self) -> str:
        """How it ended, or failed."""
        if self.error is not None:
            return self.error
        return "not ended" if self.result is None else str(self.result.stop_reason)

    @property
    def suggested_lr(self) -> float | None:
        """The learning rate its curve suggests."""
        return None if self.result is None else self.result.suggested_lr

    @property
    def best_loss(self) -> float:
        """The lowest loss of its smoothed curve; NaN where there is none."""
        losses = np.array([]) if self.result is None else self.result.smoothed()
        losses = losses[np.isfinite(losses)]
        return float(losses.min()) if losses.size else np.nan


@dataclass(frozen=True)
class SweepResult:
    """The range tests of a whole grid.

    Parameters
    ----------
    runs
        One for each point, in the order of the grid.
    """

    runs: tuple[SweepRun, ...]

    @property
    def results(self) -> list[RangeTestResult | None]:
        """The range test of each point; None where there is no record of it."""
        return [run.result for run in self.runs]

    @property
    def failed(self) -> list[SweepRun]:
        """The runs that have no whole range test."""
        return [run for run in self.runs if run.error is not None]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per step: run, the grid's columns, step, lr, loss, smoothed_loss, and grad_norm where recorded."""
        import pandas as pd

        frames = [
            run.result.to_dataframe().assign(run=run.index, **_columns(run.settings, len(run.result)))
            for run in self.runs
            if run.result is not None and len(run.result)
        ]
        first = ["run", *self._names()]
        if not frames:
            return pd.DataFrame(columns=[*first, "step", "lr", "loss", "smoothed_loss"])
        table = pd.concat(frames, ignore_index=True)
        return table[[*first, *(column for column in table.columns if column not in first)]]

    def summary(self) -> pd.DataFrame:
        """One row per point: the grid's columns, suggested_lr, best_loss (of the smoothed curve), steps and its end."""
        import pandas as pd

        rows = [
            dict(run.settings)
            | {
                "suggested_lr": run.suggested_lr,
                "best_loss": run.best_loss,
                "num_steps": 0 if run.result is None else len(run.result),
                "stop_reason": None if run.result is None else str(run.result.stop_reason),
                "error": run.error,
            }
            for run in self.runs
        ]
        table = pd.DataFrame(rows, index=pd.Index([run.index for run in self.runs], name="run"))
        return table.astype({"suggested_lr": float, "best_loss": float})

    def __len__(self) -> int:
        return len(self.runs)

    def __str__(self) -> str:
        ends = Counter(run.end for run in self.runs)
        lines = [f"Sweep: {len(self)} range tests"] + [f"{count} x {end}" for end, count in ends.most_common()]
        return "\n".join([*lines, self.summary().drop(columns=["error", "num_steps"]).to_string()])

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for run in self.runs for name in run.settings))


def label(value: object) -> str:
    """A setting's value as a few characters: classes and functions by name."""
    return str(getattr(value, "__name__", value))


def _columns(settings: Mapping[str, Any], num_rows: int) -> dict[str, list[Any]]:
    return {name: [value] * num_rows for name, value in settings.items()}
