"""The texts of a schedule that is tried."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lrwidget.axes import short_number
from lrwidget.live.schedule_trial import TriedSchedule
from lrwidget.live.schedule_trial_frames import CONSTANT, SCHEDULE
from lrwidget.live.words import DISPLACED, loss_text, with_error
from lrwidget.result import StopReason
from lrwidget.trials import Standing, tail_length
from lrwidget.verify_result import VerifyResult

NO_TRAINING = "This widget watches a run of another process: there is nothing here that could be trained."
NOT_RESTORED = (
    "This train step does not restore what it changes, so a trial would leave its mark, and the two trainings could "
    "not start from the same state. Use TorchStep, KerasStep or RestoringStep."
)
NO_SCHEDULE = "There is no schedule to try: its values make no sense together, for the reason above."
RANGE_TEST_RUNS = "A range test of this model is running: wait for its end, or stop it."
VERIFICATION_RUNS = "A verification of this model is running: wait for its end, or stop it."

_NAMES = {SCHEDULE: "schedule", CONSTANT: "constant LR"}
_FEW_STEPS = 2.0  # of a phase: what is shorter is hardly tried
_CAUTION = "One short training of each: on other batches, or in a longer training, it may turn out otherwise."
_CHANGED = "The schedule has been changed since."


@dataclass(frozen=True)
class Ending:
    """What a trial has shown: the sentence, what it does not say, how to show it, and which training is ahead."""

    conclusion: str = ""
    caution: str = ""
    mood: str = "neutral"
    best_place: int | None = None

    def of_another_schedule(self) -> Ending:
        """The same, where the schedule that is shown is no longer the one that was tried."""
        return replace(self, caution=f"{self.caution} {_CHANGED}") if self.caution else self


def plan(tried: TriedSchedule, num_steps: int, can_set_momentum: bool) -> str:
    """How a schedule is fitted to so many steps, and what becomes of its momentum."""
    words = [_fitted(tried, num_steps)]
    phases = tried.schedule.phases(tried.total_steps, limit=100)
    shortest = min(phases, key=lambda phase: phase.end - phase.start)
    steps = (shortest.end - shortest.start) * num_steps / tried.total_steps
    if steps < _FEW_STEPS and num_steps < tried.total_steps:
        words.append(f"Its phase “{shortest.name}” takes less than {_FEW_STEPS:.0f} of them: try it with more steps.")
    if tried.schedule.has_momentum and can_set_momentum:
        words.append("It moves the momentum too; the constant LR trains with the optimizer's own.")
    elif tried.schedule.has_momentum:
        words.append("Its momentum cannot be set on this train step: both train with the optimizer's own.")
    return " ".join(words)


def _fitted(tried: TriedSchedule, num_steps: int) -> str:
    whole = f"The {tried.total_steps:,} steps of the schedule are"
    if num_steps < tried.total_steps:
        return f"{whole} compressed to {num_steps:,}: the same shape, run through {_times(tried, num_steps)} as fast."
    if num_steps > tried.total_steps:
        return f"{whole} stretched to {num_steps:,}: the same shape, run through more slowly."
    return f"{whole} run as they are."


def _times(tried: TriedSchedule, num_steps: int) -> str:
    ratio = tried.total_steps / num_steps
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def ending(result: VerifyResult, is_displaced: bool = False) -> Ending:
    """What the trial has shown.

    Parameters
    ----------
    result
        Its trainings: the schedule's, then the one at the constant rate; those that never began are missing.
    is_displaced
        Whether another run of the model has stopped it.
    """
    if result.stop_reason in (StopReason.STOPPED, StopReason.INTERRUPTED):
        return Ending(_stopped(result, is_displaced))
    if result.stop_reason is StopReason.FAILED:
        return Ending()
    if not all(len(trial.losses) for trial in result.trials):
        return Ending(
            "The data were used up before both had trained. Give batches that can be read again, as a DataLoader's.",
            mood="bad",
        )
    places = {standing.trial: standing for standing in result.ranking}
    ranked = [standing for standing in result.ranking if standing.rank is not None]
    if len(ranked) < len(places):
        return _exploded(ranked, places)
    return _compared(*ranked)


def _stopped(result: VerifyResult, is_displaced: bool) -> str:
    why = f", {DISPLACED}" if is_displaced else ""
    place = len(result.trials) - 1
    if place < 0 or not len(result.trials[place].losses):
        return f"Stopped before the first step{why}: there is nothing to compare."
    num_steps = len(result.trials[place].losses)
    where = f"in the training with the {_NAMES[place]}, at step {num_steps:,} of {result.num_steps:,}"
    return f"Stopped{why}, {where}: there is nothing to compare. The model is put back."


def _exploded(ranked: list[Standing], places: dict[int, Standing]) -> Ending:
    """At least one of them came to no end."""
    if not ranked or ranked[0].verdict == "diverged":
        return Ending("The loss explodes with the schedule and with the constant LR: the peak is too high.", mood="bad")
    [lost] = set(places) - {ranked[0].trial}
    survivor = ranked[0].trial
    words = (
        f"The {_NAMES[survivor]} trains, to a loss of {_value(ranked[0])}; with the {_NAMES[lost]} it explodes at step "
        f"{places[lost].num_steps:,}."
    )
    return Ending(words, _CAUTION, "good" if survivor == SCHEDULE else "bad", survivor)


def _compared(first: Standing, second: Standing) -> Ending:
    """Both came to their ends; the better one first."""
    num_steps = min(first.num_steps, second.num_steps)
    tail = tail_length(num_steps)
    ahead, behind = _NAMES[first.trial], _NAMES[second.trial]
    assert second.excess is not None
    mood = "good" if first.trial == SCHEDULE else "bad"
    if first.verdict == "diverged":
        return Ending(
            "Both end above the loss at which they began: the peak is too high, or nothing can be learned.", mood="bad"
        )
    if second.verdict == "diverged":
        words = f"The {ahead} trains, to a loss of {_value(first)}; the {behind} ends above its start."
        return Ending(words, _CAUTION, mood, first.trial)
    if second.excess == 0:
        return Ending("Both end exactly alike.", _CAUTION, "even")
    by = f"by {with_error(second.excess, second.excess_error)}"
    means = f"{_value(first)} against {_value(second)}, means of the last {tail:,} of {num_steps:,} steps"
    if second.is_within_noise:
        words = f"They cannot be told apart: the {ahead} ends lower {by}, which may be chance ({means})."
        return Ending(words, _CAUTION, "even")
    if second.is_negligible:
        words = f"The {ahead} ends lower {by}, less than 1 % of what the loss has fallen: as good as equal ({means})."
        return Ending(words, _CAUTION, "even")
    return Ending(f"The {ahead} ends lower, {by}: {means}.", _CAUTION, mood, first.trial)


def _value(standing: Standing) -> str:
    assert standing.final_loss is not None
    return loss_text(standing.final_loss)


def row(num_done: int | None, lr: float | None, standing: Standing | None) -> str:
    """What is known of one training: how far it is, or how it ended."""
    if standing is not None and standing.final_loss is not None:
        return with_error(standing.final_loss, standing.final_error)
    if standing is not None:
        return f"{standing.verdict} at step {standing.num_steps:,}"
    if num_done is None or lr is None:
        return "waiting"
    return f"step {num_done:,}, LR {short_number(lr)}"
