"""The texts of the widget."""

from __future__ import annotations

import math
from typing import Literal

from lrwidget.axes import short_number, unpadded
from lrwidget.finder import LearningRateFinder
from lrwidget.live.frames import CurveVerdict, Progress
from lrwidget.live.reading import Reading
from lrwidget.live.run_state import RunState
from lrwidget.result import RangeTestResult, StopReason

LABELS = {"min_lr": "min LR", "max_lr": "max LR", "num_steps": "steps", "smooth_factor": "smooth"}
"""What the settings are called in the widget."""

DISPLACED = "because another run of this model began"
_UNSEEN = 1e-4  # relative errors below it say nothing beside four digits
STOPPING = "stopping after this step"
_ENDINGS = {
    StopReason.COMPLETED: "completed",
    StopReason.DIVERGED: "the loss exploded",
    StopReason.NOT_FINITE: "the loss is no longer finite",
    StopReason.DATA_EXHAUSTED: "the data are used up",
    StopReason.STOPPED: "stopped",
    StopReason.INTERRUPTED: "interrupted",
    StopReason.FAILED: "failed",
}


def in_labels(text: str) -> str:
    """A text for those who write code, with the settings called as in the widget."""
    for name, label in LABELS.items():
        text = text.replace(name, label)
    return text


def duration(seconds: float) -> str:
    """A time as people say it: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def progress_text(progress: Progress) -> str:
    """One line on how far the run is."""
    count = f"{progress.num_done}/{progress.num_steps}"
    if progress.state is RunState.IDLE:
        return ""
    if progress.stop_reason is not None:
        why = f", {DISPLACED}" if progress.is_displaced else ""
        return f"{count} · {_ENDINGS[progress.stop_reason]}{why} · {duration(progress.elapsed_seconds)}"
    if progress.is_stopping:
        return f"{count} · {STOPPING}"
    if progress.state is RunState.PAUSED:
        return f"{count} · paused"
    if progress.num_done == 0:
        return f"{count} · starting"
    left = "" if progress.left_seconds is None else f" · {duration(progress.left_seconds)} left"
    return f"{count}{left}"


def step_text(progress: Progress) -> str:
    """The newest step: its rate and its loss."""
    if progress.lr is None or progress.loss is None:
        return ""
    newest = f"LR {short_number(progress.lr)} · loss {loss_text(progress.loss)}"
    return newest if progress.stop_reason else f"{newest} · {duration(progress.elapsed_seconds)}"


def loss_text(loss: float) -> str:
    """A loss with four digits."""
    return unpadded(f"{loss:.4g}")


def with_error(value: float, error: float | None, sign: Literal["", "+"] = "") -> str:
    """A number and its standard error, to the first digit of the error; that alone where it is too small to be seen.

    Parameters
    ----------
    value, error
        Of a tiny or huge error both are written with two digits and one.
    sign
        ``"+"`` writes that of positive numbers too.
    """
    assert error is not None  # what was reached has one
    if error <= _UNSEEN * abs(value):
        return unpadded(f"{value:{sign}.4g}")
    if not 1e-4 <= error < 1e6:
        return unpadded(f"{value:{sign}.2g} ± {error:.1g}")
    digits = -math.floor(math.log10(error))
    places = max(0, digits)
    return f"{round(value, digits):{sign}.{places}f} ± {round(error, digits):.{places}f}"


def run_summary(settings: LearningRateFinder, result: RangeTestResult | None) -> str:
    """What tells a run from others: its sweep, and how it ended."""
    sweep = f"{short_number(settings.min_lr)} … {short_number(settings.max_lr)}, {settings.num_steps} steps"
    return sweep if result is None else f"{sweep}, {_ENDINGS[result.stop_reason]}"


def verdict_on(progress: Progress, reading: Reading | None, remark: str) -> CurveVerdict:
    """The curve in words.

    Parameters
    ----------
    progress
        How far the run is.
    reading
        What its curve says, if anything yet.
    remark
        Added to the advice.
    """
    if progress.state is RunState.IDLE:
        return CurveVerdict("neutral", "Press Run to measure the loss at each learning rate.", remark)
    if reading is None:
        if progress.stop_reason is None:
            return CurveVerdict("neutral", "Measuring …", remark)
        return CurveVerdict("bad", "No step was recorded.", remark)
    diagnosis, suggestion = reading.diagnosis, reading.suggestion
    is_good = diagnosis.kind == "ok" and suggestion.lr is not None
    texts = [diagnosis.message]
    if suggestion.lr is not None and suggestion.reason not in texts:
        texts.append(suggestion.reason)
    advice = " ".join(text for text in (in_labels(diagnosis.advice), remark) if text)
    mood = "good" if is_good else "bad"
    return CurveVerdict(mood, " ".join(texts), advice, diagnosis.extend_to, diagnosis.needs_repeats)


def typical_remark(selected_lr: float | None, typical: tuple[float, float] | None, architecture: str) -> str:
    """A remark where the selected rate lies outside what is usual for the architecture; else empty."""
    if typical is None or selected_lr is None or typical[0] <= selected_lr <= typical[1]:
        return ""
    side = "below" if selected_lr < typical[0] else "above"
    usual = f"{short_number(typical[0])} … {short_number(typical[1])}"
    return f"{short_number(selected_lr)} lies {side} the usual {usual} ({architecture})."
