"""The texts of the Verify tab."""

from __future__ import annotations

from lrwidget.axes import short_number
from lrwidget.live.words import DISPLACED, duration, with_error
from lrwidget.result import RangeTestResult, StopReason
from lrwidget.trials import Standing
from lrwidget.verify_plan import VerifyPlan, of_trainings
from lrwidget.verify_result import NO_EFFECT, VerifyResult

NOT_RESTORED = (
    "This train step does not restore what it changes: each training would go on where the one before it ended. "
    "Use TorchStep, KerasStep or RestoringStep."
)

OVERTAKEN = f"The verification was stopped, {DISPLACED}."


def budget(plan: VerifyPlan, result: RangeTestResult | None) -> str:
    """What a verification will cost: steps, and the time where a range test tells how long a step takes."""
    seconds = None if result is None else plan.seconds(result)
    time = "" if seconds is None else f", about {duration(seconds)}"
    return f"{of_trainings(plan.num_lrs, plan.num_steps)}: {plan.total_steps:,} steps{time}"


def progress(trial: int, num_trials: int, num_done: int, num_steps: int, rest: str) -> str:
    """How far a verification is, and what is said of the rest of it."""
    return f"training {trial + 1} of {num_trials} · {num_done:,}/{num_steps:,} steps{rest and f' · {rest}'}"


def standing(place: Standing, num_steps: int) -> tuple[str, str]:
    """What came out for one rate, trained for up to so many steps, and how that compares with the best."""
    if place.final_loss is None or place.excess is None or place.excess_error is None:
        if place.verdict == "clearly worse":
            return f"clearly worse at step {place.num_steps}", "ended early"
        is_early = place.verdict == "diverged" and place.num_steps < num_steps
        return f"{place.verdict} at step {place.num_steps}", "ended early" if is_early else ""
    loss = with_error(place.final_loss, place.final_error)
    if place.verdict == "diverged":
        return loss, "above its start"
    if place.rank == 1:
        return loss, "lowest loss"
    above = with_error(place.excess, place.excess_error, "+")
    return loss, f"{above}, {place.verdict}" if place.verdict in ("as good", "catching up") else above


def conclusion(result: VerifyResult, num_lrs: int, is_displaced: bool = False) -> str:
    """What a verification of so many rates has shown, and whether another run of the model has stopped it."""
    if result.stop_reason not in (StopReason.STOPPED, StopReason.INTERRUPTED):
        return _shown(result)
    num_told = sum(place.verdict != "not finished" for place in result.ranking)
    why = f", {DISPLACED}" if is_displaced else ""
    return f"Stopped after {num_told} of {num_lrs} trainings{why}. {_shown(result)}"


def _shown(result: VerifyResult) -> str:
    best, ranking = result.best_lr, result.ranking
    if best is None:
        if result.is_without_effect:
            return NO_EFFECT
        if not result.is_compared:
            return "There is nothing to compare."
        if all(place.verdict == "not finished" for place in ranking):
            return "No training came to its end, so there is nothing to compare."
        return "No training ended with a lower loss than it began with: try lower rates."
    if result.leading_lr is not None:
        leader = short_number(result.leading_lr)
        return f"{short_number(best)} is catching up with {leader}, so a longer training may go better with it."
    others = [short_number(lr) for lr in result.tied_lrs if lr != best]
    if others:
        words = (
            f"{short_number(best)} trains well; {_listed(others)} {'do' if len(others) > 1 else 'does'} about as well."
        )
    else:
        words = f"{short_number(best)} trains best."
    if result.edge is not None:
        beyond = "lower" if result.edge == "lowest" else "higher"
        words += f" It is the {result.edge} rate tried: a {beyond} one may be better still."
    return words


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
