"""What a curve says: its suggestion, its diagnosis, what the other rules suggest. Looked at anew only now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lrwidget.diagnosis import Diagnosis, diagnose
from lrwidget.live.frames import Tick
from lrwidget.result import FloatArray, RangeTestResult
from lrwidget.suggestions import RULES, Suggestion, suggest

_PERIOD_SECONDS = 1.0
_COST_FACTOR = 50  # reading may take this part of the time: it holds up the training thread


@dataclass(frozen=True)
class Reading:
    """What a curve says at one moment."""

    suggestion: Suggestion
    diagnosis: Diagnosis
    ticks: tuple[Tick, ...] | None = None  # None: not looked at yet


def read_result(result: RangeTestResult, rule: str) -> Reading:
    """What a finished curve says, but for the other rules: some of them take their time."""
    return Reading(result.suggest(rule), result.diagnosis)


def with_ticks(reading: Reading, result: RangeTestResult) -> Reading:
    """The same with what each rule suggests."""
    found = [result.suggest(name) for name in RULES]
    return replace(reading, ticks=tuple(Tick(s.rule, s.lr, s.reason) for s in found if s.lr is not None))


class LiveReader:
    """Reads a curve that grows, at most once a second and less often the longer it takes.

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
