"""What is known of short trainings that a user plans and watches, whatever they are compared for."""

from __future__ import annotations

import threading

from lrwidget.checks import typed_count
from lrwidget.finder import LearningRateFinder
from lrwidget.live.frames import Frame
from lrwidget.live.live_trials import LiveTrials
from lrwidget.result import RangeTestResult
from lrwidget.verify_plan import FEWEST_STEPS

MOST_STEPS = 1_000_000  # of one training: more is no short one


class TrialsModel:
    """What the states behind the Verify tab and behind "Try it" have in common.

    Parameters
    ----------
    settings
        The finder's, until a frame tells other ones.
    name
        What a run of these trainings is called where a second one is refused.
    """

    def __init__(self, settings: LearningRateFinder, name: str) -> None:
        self._lock = threading.RLock()
        self._settings = settings
        self._num_steps: int | None = None
        self._refusal = ""
        self._range_test: RangeTestResult | None = None
        self._is_range_test_busy = False
        self._trials = LiveTrials(name)

    # --- intents: any thread, no waiting ---

    def set_num_steps(self, text: str) -> None:
        """Take the number of steps that was typed; nothing for that of the range test."""
        with self._lock:
            try:
                num_steps = typed_count(text) if text.strip() else None
            except ValueError:
                num_steps = 0
            if num_steps is not None and not FEWEST_STEPS <= num_steps <= MOST_STEPS:
                self._refusal = f"need a whole number of steps from {FEWEST_STEPS} to {MOST_STEPS:,}, got {text!r}"
            else:
                self._num_steps, self._refusal = num_steps, ""

    def show_log(self, log: bool) -> None:
        """Draw logarithms of the losses, or the losses again."""
        with self._lock:
            self._trials.lines.show_log(log)

    def dismiss_failure(self) -> None:
        """Show the exception no longer."""
        with self._lock:
            self._trials.failure = None

    # --- what there is to know ---

    @property
    def is_under_way(self) -> bool:
        """Whether there is a run whose end no frame has shown."""
        return self._trials.is_under_way

    @property
    def has_result(self) -> bool:
        """Whether there is something that came out."""
        return self._trials.result is not None

    # --- inside: the lock is held ---

    @property
    def _steps_of_each(self) -> int:
        return max(FEWEST_STEPS, self._settings.num_steps) if self._num_steps is None else self._num_steps

    def _heed(self, frame: Frame) -> None:
        """Take in the settings of the widget and what its range test does."""
        self._settings = frame.settings
        self._range_test = frame.result or self._range_test
        self._is_range_test_busy = frame.state.is_active
