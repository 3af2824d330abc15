"""Short trainings side by side: how each went, and how they rank with the uncertainty that a short training leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from lrwidget.result import FloatArray, StopReason
from lrwidget.smoothing import HUGE, check_smooth_factor

Verdict: TypeAlias = Literal["best", "as good", "catching up", "worse", "clearly worse", "diverged", "not finished"]
TIED: tuple[Verdict, ...] = ("best", "as good")

WINDOW = 20  # steps over which a training under way is compared with the best one
_EARLY_FRACTION, _LATE_FRACTION = 0.2, 0.4  # of the steps: when it may first be judged, and judged harder
_LATE_EXCESS = 0.4  # of the fall of the best one
_CERTAIN_SHARE = 0.9  # of those steps, in which it lies above the best one: by chance 2 of 10,000 times

_TAIL_FRACTION = 0.25  # the last steps whose mean is the final loss: enough to outweigh the noise, and still the end
_MIN_TAIL = 5
_SIGNIFICANT = 2.0  # standard errors
_RISEN = 4.0  # standard deviations of the last losses above the first one: not by chance
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
        "best", "as good" (as the best, within twice the standard error or 0.5 % of its fall), "catching up" (a lower
        rate that will be as good after another quarter of the steps, if the excess goes on to shrink as it did over
        the last half), "worse", "clearly worse" (stopped early), "diverged" or "not finished".
    num_steps
        How many steps it trained.
    trial
        Its index among the trials.
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

    @property
    def is_within_noise(self) -> bool:
        """Whether noise alone may have put it behind the best one."""
        if self.excess is None or self.excess_error is None:
            return False
        return self.excess <= _SIGNIFICANT * self.excess_error

    @property
    def is_negligible(self) -> bool:
        """Whether the best one gains next to nothing over it: a lead that a longer training may turn around."""
        return self.excess_fraction is not None and self.excess_fraction <= _NEGLIGIBLE_FRACTION


def rank(trials: Sequence[Trial]) -> list[Standing]:
    """Order trainings by their final loss; those that came to no end last.

    Trainings are compared over as many steps as the shortest finished one has. One that ends far above its start is
    ranked, but counts as diverged.

    Notes
    -----
    Early on the higher of two good rates is ahead; in the end it is often the lower one, as it comes closer to the
    minimum. So a lead over a lower rate says little where it melts away under the eyes: that one is catching up.
    """
    finished = {i: t for i, t in enumerate(trials) if t.is_finished}
    num_steps = min((len(t.losses) for t in finished.values()), default=0)
    tail = slice(num_steps - tail_length(num_steps), num_steps)
    tails = {i: t.losses[tail] for i, t in finished.items()}
    order = sorted(tails, key=lambda i: float(tails[i].mean()))
    standings = [_standing(place, i, trials[i], tails, order[0]) for place, i in enumerate(order, 1)]
    standings = [
        replace(s, verdict="catching up") if _catches_up(s, trials, trials[order[0]], num_steps) else s
        for s in standings
    ]
    return standings + [_unranked(i, t) for i, t in enumerate(trials) if i not in finished]


def centred_mean(losses: FloatArray, smooth_factor: float = 0.1) -> FloatArray:
    """A mean over the steps around each step: without lag, and calm where a training jumps.

    Parameters
    ----------
    losses
        Shape (n,). What is not finite is returned as it came and does not enter the means.
    smooth_factor
        In (0, 1]: the mean is taken over ``(2 - f) / f`` steps, as quiet as a running mean that gives the newest loss
        the weight f. Fewer at both ends; at the beginning, where losses fall fast, as many before as after.

    Returns
    -------
    ndarray
        Shape (n,).
    """
    check_smooth_factor(smooth_factor)
    n, reach = len(losses), round((1 - smooth_factor) / smooth_factor)
    steps = np.arange(n)
    finite = np.isfinite(losses)
    sums, counts = (np.concatenate([[0.0], np.cumsum(v)]) for v in (np.where(finite, losses, 0.0), finite))
    before = np.minimum(steps, reach)
    start, end = steps - before, np.minimum(steps + before, n - 1) + 1
    means = (sums[end] - sums[start]) / np.maximum(counts[end] - counts[start], 1.0)
    return np.where(finite, means, losses)


def tail_length(num_steps: int) -> int:
    """How many of the last steps make the final loss."""
    return min(num_steps, max(_MIN_TAIL, round(_TAIL_FRACTION * num_steps)))


def is_hopeless(recent: FloatArray, leader: FloatArray, num_done: int, num_steps: int) -> bool:
    """Whether a training is so far behind the best one that the rest of its steps can be saved.

    Parameters
    ----------
    recent
        Its last losses, shape (n,), n up to `WINDOW`.
    leader
        Shape (m,): the losses of the best finished one, on the same batches.
    num_done, num_steps
        How many steps it has done, and how many it was to take.

    Returns
    -------
    bool
        Over the last twenty steps it lies above the best one in at least 18 of them, and by the median at least as
        far as the best one falls in all; from two fifths of the steps on, four tenths of that are enough. Never in
        the first fifth: some trainings jump at first and come back. Nor after the last step, its own or the best
        one's: then nothing is saved. The same for ``c * loss + d``, c > 0.
    """
    if num_done < max(WINDOW, _EARLY_FRACTION * num_steps) or num_done >= min(len(leader), num_steps):
        return False
    excess = recent - leader[num_done - WINDOW : num_done]
    fall = float(leader[0] - leader[-tail_length(len(leader)) :].mean())
    allowed = _LATE_EXCESS if num_done >= _LATE_FRACTION * num_steps else 1.0
    return fall > 0 and float(np.median(excess)) >= allowed * fall and float(np.mean(excess > 0)) >= _CERTAIN_SHARE


def standard_error(values: FloatArray) -> float:
    """Standard error of the mean of a stretch of a training's losses, shape (n,).

    The trend is taken out, and neighbouring steps may depend on each other: the long-run variance is estimated with
    Bartlett weights up to a lag of n^(1/3). Infinite for fewer than four values.

    References
    ----------
    W. K. Newey, K. D. West, "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
    covariance matrix", Econometrica 55 (1987).
    """
    n = len(values)
    if n < 4:
        return math.inf
    rest = _without_trend(values)
    variance = float(rest @ rest) / (n - 2)
    max_lag = round(n ** (1 / 3))
    covariances = [float(rest[lag:] @ rest[:-lag]) / (n - 2) for lag in range(1, max_lag + 1)]
    long_run = variance + sum(2 * (1 - lag / (max_lag + 1)) * c for lag, c in enumerate(covariances, 1))
    # Noise that alternates would make the mean look better than independent noise does; do not rely on it.
    return math.sqrt(max(long_run, variance) / n)


def _without_trend(values: FloatArray) -> FloatArray:
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    rest: FloatArray = values - values.mean()
    return rest - steps * ((steps @ rest) / (steps @ steps))


def _standing(place: int, index: int, trial: Trial, tails: Mapping[int, FloatArray], best: int) -> Standing:
    losses = tails[index]
    final, error = float(losses.mean()), standard_error(losses)
    excess = final - float(tails[best].mean())
    excess_error = 0.0 if index == best else standard_error(losses - tails[best])
    fall = float(trial.losses[0] - tails[best].mean())
    share = 0.0 if index == best else excess / fall if fall > 0 else math.inf
    standing = Standing(place, trial.lr, final, error, excess, excess_error, share, "worse", len(trial.losses), index)
    if _has_risen(trial, losses):
        return replace(standing, verdict="diverged")
    if index == best:
        return replace(standing, verdict="best")
    is_as_good = standing.is_within_noise or standing.is_negligible
    return replace(standing, verdict="as good") if is_as_good else standing


def _catches_up(standing: Standing, trials: Sequence[Trial], best: Trial, num_steps: int) -> bool:
    """Whether a lower rate that is worse will not be after as many steps again as the final loss is taken from."""
    length = tail_length(num_steps)
    if standing.verdict != "worse" or standing.lr >= best.lr or num_steps < 2 * length:
        return False
    compared = slice(num_steps - 2 * length, num_steps)
    excess = trials[standing.trial].losses[compared] - best.losses[compared]
    before, now = float(excess[:length].mean()), float(excess[length:].mean())
    fall = float(best.losses[0] - best.losses[num_steps - length : num_steps].mean())
    return now + (now - before) <= _NEGLIGIBLE_FRACTION * fall


def _has_risen(trial: Trial, tail: FloatArray) -> bool:
    """Whether it ends above its first loss by more than chance: far beyond the scatter of its end, or still rising."""
    start = float(trial.losses[0])
    if len(tail) < 4 or tail.min() <= start:
        return False
    scatter = math.sqrt(float(np.square(_without_trend(tail)).sum()) / (len(tail) - 2))
    is_high = float(tail.mean()) - start > max(_RISEN * scatter, 1e-9 * abs(start))
    return is_high or float(np.mean(np.diff(tail) > 0)) >= _RISING_SHARE


def _unranked(index: int, trial: Trial) -> Standing:
    verdict: Verdict = "clearly worse" if trial.is_hopeless else "not finished"
    if trial.has_exploded:
        verdict = "diverged"
    return Standing(None, trial.lr, None, None, None, None, None, verdict, len(trial.losses), index)
