"""Short trainings side by side: how each went, and how they rank with the uncertainty that a short training leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from lrwidget.result import FloatArray, StopReason
from lrwidget.robust import HUGE
from lrwidget.scatter import deviation, scatter, standard_error
from lrwidget.smoothing import centred_mean

Verdict: TypeAlias = Literal["best", "as good", "catching up", "worse", "clearly worse", "diverged", "not finished"]
TIED: tuple[Verdict, ...] = ("best", "as good")

WINDOW = 20  # steps over which a training under way is compared with the best one
_EARLY_FRACTION, _LATE_FRACTION = 0.2, 0.4  # of the steps: when it may first be judged, and judged harder
_LATE_EXCESS = 0.4  # of the fall of the best one
_CERTAIN_SHARE = 0.9  # of those steps, in which it lies above the best one: by chance 2 of 10,000 times

_TAIL_FRACTION = 0.25  # the last steps whose mean is the final loss: enough to outweigh the noise, and still the end
_MIN_TAIL = 5
_SIGNIFICANT = 2.0  # standard errors
_MOST_OF_FALL = 0.5  # of the best one: a larger excess is noise only where single steps scatter as far
_RISEN = 4.0  # times the scatter of single losses, above the first one: not by chance
_RISING_SHARE = 0.8  # of the last steps on which the loss rises: not by chance either
_NEGLIGIBLE_FRACTION = 0.005

_FINISHED = (StopReason.COMPLETED, StopReason.DATA_EXHAUSTED)
_EXPLODED = (StopReason.DIVERGED, StopReason.NOT_FINITE)


@dataclass(frozen=True, eq=False)
class Trial:
    """One short training.

    Parameters
    ----------
    lr
        Its learning rate; the highest of its steps, where they differ.
    lrs, losses
        Shape (n,): the rate and the raw loss of each step.
    stop_reason
        Why it ended.
    is_hopeless
        Whether it was stopped early, because it was clearly worse than another one at the same step.
    seconds
        Wall time, saving and restoring included.
    """

    lr: float
    lrs: FloatArray
    losses: FloatArray
    stop_reason: StopReason
    is_hopeless: bool = False
    seconds: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether it trained for as long as it could, and its losses stayed within reason."""
        return self.stop_reason in _FINISHED and not (self.is_hopeless or self.has_exploded) and len(self.losses) > 0

    @property
    def has_exploded(self) -> bool:
        """Whether it ended because of its losses, or would have if numbers had an end."""
        return self.stop_reason in _EXPLODED or bool((np.abs(self.losses) > HUGE).any())

    def smoothed(self, smooth_factor: float = 0.1) -> FloatArray:
        """The smoothed losses, shape (n,): see `centred_mean`."""
        return centred_mean(self.losses, smooth_factor)


@dataclass(frozen=True)
class Standing:
    """The place of one trial among the others.

    Parameters
    ----------
    rank
        1 for the lowest final loss; None where the training came to no end.
    lr
        Its learning rate.
    final_loss, final_error
        Mean loss of the last quarter of the steps, and its standard error; None where it came to no end.
    excess, excess_error
        How far the final loss lies above the lowest one, and the standard error of that. It is taken from the
        differences step by step, so where all trainings see the same batches their common noise drops out.
    excess_fraction
        The excess as a share of what the best one has fallen: the regret of this rate, as far as a short training
        shows it. Infinite if the best one has not fallen.
    verdict
        "best", "as good" (as the best, within noise or 0.5 % of its fall), "catching up" (a lower rate that will be as
        good after another quarter of the steps, if the excess goes on to shrink as it did over the last half),
        "worse", "clearly worse" (stopped early), "diverged" or "not finished". All "as good", and none the best, where
        the rate changes nothing.
    num_steps
        How many steps it trained.
    trial
        Its index among the trials.
    is_within_noise
        Whether noise alone may have put it behind the best one: an excess up to twice its standard error, and up to
        half of the best one's fall or to the usual scatter of the differences. A few spikes raise the error as much
        as the excess, but neither of these.
    """

    rank: int | None
    lr: float
    final_loss: float | None
    final_error: float | None
    excess: float | None
    excess_error: float | None
    excess_fraction: float | None
    verdict: Verdict
    num_steps: int
    trial: int
    is_within_noise: bool = False

    @property
    def is_negligible(self) -> bool:
        """Whether the best one gains next to nothing over it: a lead that a longer training may turn around."""
        return self.excess_fraction is not None and self.excess_fraction <= _NEGLIGIBLE_FRACTION


def rank(trials: Sequence[Trial]) -> list[Standing]:
    """Order trainings by their final loss; those that came to no end last.

    Trainings are compared over as many steps as the shortest finished one has. One that ends above its start by more
    than chance is ranked, but counts as diverged.

    Notes
    -----
    Early on the higher of two good rates is ahead; in the end it is often the lower one, as it comes closer to the
    minimum. So a lead over a lower rate says little where it melts away under the eyes: that one is catching up.
    """
    finished = {i: t for i, t in enumerate(trials) if t.is_finished}
    num_steps = min((len(t.losses) for t in finished.values()), default=0)
    compared = {i: t.losses[:num_steps] for i, t in finished.items()}
    order = sorted(compared, key=lambda i: float(_tail(compared[i]).mean()))
    standings = [_standing(place, i, trials[i], compared[i], compared[order[0]]) for place, i in enumerate(order, 1)]
    standings = [replace(s, verdict=_verdict(s, standings[0], compared)) for s in standings]
    if is_without_effect(trials):
        standings = [replace(s, verdict="as good") for s in standings]
    return standings + [_unranked(i, t) for i, t in enumerate(trials) if i not in finished]


def is_without_effect(trials: Sequence[Trial]) -> bool:
    """Whether the learning rate changes nothing: finished trainings at different rates, all losses exactly the same.

    Those that came to no end must have the same losses too, as far as they came beyond the first one, which is
    measured before any update.
    """
    begun = [trial for trial in trials if len(trial.losses) > 1]
    if sum(trial.is_finished for trial in begun) < 2:
        return False
    num_steps = min(len(trial.losses) for trial in begun)
    first, *others = ((trial.lrs[:num_steps], trial.losses[:num_steps]) for trial in begun)
    have_same_rates = all(np.allclose(lrs, first[0], rtol=1e-6, atol=0.0) for lrs, _ in others)
    return not have_same_rates and all(np.array_equal(losses, first[1]) for _, losses in others)


def tail_length(num_steps: int) -> int:
    """How many of the last steps make the final loss."""
    return min(num_steps, max(_MIN_TAIL, round(_TAIL_FRACTION * num_steps)))


def is_hopeless(recent: FloatArray, leader: FloatArray, num_done: int, num_steps: int) -> bool:
    """Whether a training is so far behind the best one that the rest of its steps can be saved.

    Parameters
    ----------
    recent
        Its last losses, shape (n,), n up to twice `WINDOW`.
    leader
        Shape (m,): the losses of the best finished one, on the same batches.
    num_done, num_steps
        How many steps it has done, and how many it was to take.

    Returns
    -------
    bool
        Over the last twenty steps it lies above the best one in at least 18 of them, and by the median at least as
        far as the best one falls in all; from two fifths of the steps on, four tenths of that are enough. Never in
        the first fifth: some trainings jump at first and come back. Nor while its excess shrinks so fast that it
        would be gone in the end: a low rate that falls steadily may pass one that cannot fall any further. Nor after
        the last step, its own or the best one's: then nothing is saved. The same for ``c * loss + d``, c > 0.
    """
    if num_done < max(WINDOW, _EARLY_FRACTION * num_steps) or num_done >= min(len(leader), num_steps):
        return False
    excess = recent - leader[num_done - len(recent) : num_done]
    latest = excess[-WINDOW:]
    fall = float(leader[0] - leader[-tail_length(len(leader)) :].mean())
    allowed = _LATE_EXCESS if num_done >= _LATE_FRACTION * num_steps else 1.0
    is_far_above = fall > 0 and float(np.median(latest)) >= allowed * fall
    is_above = float(np.mean(latest > 0)) >= _CERTAIN_SHARE
    return is_far_above and is_above and not _melts(excess, num_steps - num_done)


def _melts(excess: FloatArray, num_left: int) -> bool:
    """Whether an excess, shape (n,), that goes on to shrink as it does is gone after so many more steps."""
    length = len(excess) // 2
    before, now = (float(np.median(half)) for half in (excess[:length], excess[-length:]))
    return now <= (before - now) * ((num_left + length / 2) / length)  # they stand for the middles of the halves


def _tail(losses: FloatArray) -> FloatArray:
    return losses[len(losses) - tail_length(len(losses)) :]


def _standing(place: int, index: int, trial: Trial, losses: FloatArray, best: FloatArray) -> Standing:
    """The place of a finished training, its verdict still open; losses and those of the best one, shape (n,)."""
    tail, best_tail = _tail(losses), _tail(best)
    final, error = float(tail.mean()), standard_error(tail)
    excess = final - float(best_tail.mean())
    excess_error = 0.0 if place == 1 else standard_error(tail - best_tail)
    fall = float(losses[0] - best_tail.mean())
    share = 0.0 if place == 1 else excess / fall if fall > 0 else math.inf
    is_usual = share <= _MOST_OF_FALL or excess <= scatter(tail - best_tail)
    return Standing(
        rank=place,
        lr=trial.lr,
        final_loss=final,
        final_error=error,
        excess=excess,
        excess_error=excess_error,
        excess_fraction=share,
        verdict="worse",
        num_steps=len(trial.losses),
        trial=index,
        is_within_noise=excess <= _SIGNIFICANT * excess_error and is_usual,
    )


def _verdict(standing: Standing, first: Standing, compared: Mapping[int, FloatArray]) -> Verdict:
    """How a finished training stands to the first one; their losses by trial."""
    losses, best = compared[standing.trial], compared[first.trial]
    # What ends above the start and above a training that has surely risen has risen as well, however wild it is.
    if _has_risen(losses) or (_has_risen(best) and _tail(losses).mean() > losses[0]):
        return "diverged"
    if standing.rank == 1:
        return "best"
    if standing.is_within_noise or standing.is_negligible:
        return "as good"
    return "catching up" if standing.lr < first.lr and _catches_up(losses, best) else "worse"


def _catches_up(losses: FloatArray, best: FloatArray) -> bool:
    """Whether what is worse will not be after as many steps again as the final loss is taken from."""
    length = tail_length(len(losses))
    if len(losses) < 2 * length:
        return False
    before, now = np.split((losses - best)[-2 * length :], 2)
    allowed = _NEGLIGIBLE_FRACTION * float(best[0] - _tail(best).mean())
    # The means go with the final losses, but one spike that passes lowers them; it does not lower the medians.
    return all(2 * float(centre(now)) - float(centre(before)) <= allowed for centre in (np.mean, np.median))


def _has_risen(losses: FloatArray) -> bool:
    """Whether a training ends above its first loss by more than chance.

    All of its end lies above, and the median by far, or it is still rising, or no loss was ever lower than the first
    (by chance in one of n cases); or the mean of its end lies above by far, as spikes make it. What is far is told by
    the scatter of single losses, in a long training by that before the end too, as the end may be chaos.
    """
    tail, start = _tail(losses), float(losses[0])
    before, is_long = losses[: len(losses) - len(tail)], len(losses) >= WINDOW
    if len(tail) < 4:
        return False
    least = start + 1e-9 * abs(start)
    if is_long and float(tail.mean()) > max(start + _RISEN * deviation(before), least):
        return True
    if tail.min() <= start:
        return False
    noise = min(scatter(tail), scatter(before)) if is_long else deviation(tail)
    is_high = float(np.median(tail)) > max(start + _RISEN * noise, least)
    is_rising = float(np.mean(np.diff(tail) > 0)) >= _RISING_SHARE
    return is_high or is_rising or (is_long and float(losses[1:].min()) > least)


def _unranked(index: int, trial: Trial) -> Standing:
    verdict: Verdict = "clearly worse" if trial.is_hopeless else "not finished"
    if trial.has_exploded:
        verdict = "diverged"
    return Standing(None, trial.lr, None, None, None, None, None, verdict, len(trial.losses), index)
