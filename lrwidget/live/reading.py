"""What a curve says: its suggestion, its diagnosis, what the other rules suggest. Looked at anew only now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lrwidget.diagnosis import Diagnosis, diagnose
from lrwidget.live.frames import Tick
from lrwidget.result import FloatArray, RangeTestResult
from lrwidget.suggestions import RULES, Suggestion, suggest

_PERIOD_SECONDS = 0.5
_COST_FACTOR = 30  # reading may take this part of the time: it holds up the training thread


@dataclass(frozen=True)
class Reading:
    """What a curve says at one moment."""

    suggestion: Suggestion
    diagnosis: Diagnosis
    ticks: tuple[Tick, ...] = ()


def read_result(result: RangeTestResult, rule: str) -> Reading:
    """Everything that a finished curve says."""
    found = [result.suggest(name) for name in RULES]
    ticks = tuple(Tick(s.rule, s.lr, s.reason) for s in found if s.lr is not None)
    return Reading(result.suggest(rule), result.diagnosis, ticks)


class LiveReader:
    """Reads a curve that grows, at most twice a second and less often the longer it takes.

    Parameters
    ----------
    clock
        Seconds, rising.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._reading: Reading | None = None

    def read(self, lrs: FloatArray, losses: FloatArray, rule: str) -> Reading | None:
        """The reading of the last look, or of a new one where it is time.

        None while the curve has not turned up: what still falls would suggest its own end, on and on.
        """
        started = self._clock()
        if started < self._next:
            return self._reading
        diagnosis = diagnose(lrs, losses)
        self._reading = None
        if diagnosis.kind == "ok":
            self._reading = Reading(suggest(lrs, losses, rule), diagnosis)
        now = self._clock()
        self._next = now + max(_PERIOD_SECONDS, _COST_FACTOR * (now - started))
        return self._reading
