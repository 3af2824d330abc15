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


class Reader:
    """Keeps the reading of the newest curve: of one that grows with patience, of a finished one at once.

    Parameters
    ----------
    clock
        Seconds, rising.

    Attributes
    ----------
    rule
        Which rule suggests.
    reading
        What the curve says; None while it says nothing.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._result: RangeTestResult | None = None
        self.rule = "default"
        self.reading: Reading | None = None

    def begin(self) -> None:
        """Begin to read another curve."""
        self._next, self._result, self.reading = float("-inf"), None, None

    def follow_rule(self, rule: str) -> None:
        """Suggest by that rule from now on.

        Raises
        ------
        ValueError
            If there is no such rule.
        """
        if rule not in RULES:
            raise ValueError(f"need a rule of {', '.join(RULES)}, got {rule!r}")
        self.rule, self._next = rule, float("-inf")
        if self._result is not None:
            self.finish(self._result)

    def look(self, lrs: FloatArray, losses: FloatArray) -> None:
        """Read a curve that grows: at most once a second, and less often the longer it takes.

        Nothing is read from it while it has not turned up: what still falls would suggest its own end, on and on.
        """
        started = self._clock()
        if started < self._next:
            return
        diagnosis = diagnose(lrs, losses)
        is_good = diagnosis.kind == "ok"
        self.reading = Reading(suggest(lrs, losses, self.rule), diagnosis) if is_good else None
        now = self._clock()
        self._next = now + max(_PERIOD_SECONDS, _COST_FACTOR * (now - started))

    def finish(self, result: RangeTestResult) -> None:
        """Read a finished curve, without the other rules: the end of a run does not wait for those."""
        self._result = result
        self.reading = Reading(result.suggest(self.rule), result.diagnosis) if len(result) else None

    @property
    def is_incomplete(self) -> bool:
        """Whether the other rules have not been asked yet."""
        return self._result is not None and self.reading is not None and self.reading.ticks is None

    def completed(self) -> tuple[Reading, Reading] | None:
        """The reading and the same with what each rule suggests, for `complete`; None where nothing is missing."""
        reading, result = self.reading, self._result
        if reading is None or result is None or reading.ticks is not None:
            return None
        known = reading.suggestion
        found = [known if name == known.rule else result.suggest(name) for name in RULES]
        ticks = tuple(Tick(s.rule, s.lr) for s in found if s.lr is not None)
        return reading, replace(reading, ticks=ticks)

    def complete(self, reading: Reading, completed: Reading) -> None:
        """Take what `completed` has found, unless the reading is another one by now."""
        if self.reading is reading:
            self.reading = completed
