"""Schedules and PyTorch: a schedule as an `LRScheduler`, and any scheduler's curve as a schedule.

The only file here that imports PyTorch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from .schedule import Schedule
from .warmups import from_values


class ScheduledLR(LRScheduler):
    """A PyTorch scheduler that sets what a schedule says, made by `Schedule.to_torch`.

    The state holds the step; the schedule itself is given again when the scheduler is made, as with `LambdaLR`.

    Parameters
    ----------
    optimizer
        Its learning rate is set to the schedule's at once.
    schedule
        The schedule to follow.
    first_step
        The step at which training goes on, 0 for a new one.
    group_factors
        One factor on the learning rate per parameter group; all 1 when not given.

    Raises
    ------
    ValueError
        If the schedule has a momentum and the optimizer has none to set, the factors do not match the groups, or
        `first_step` is negative.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule,
        first_step: int = 0,
        group_factors: Iterable[float] | None = None,
    ) -> None:
        if index(first_step) < 0:
            raise ValueError(f"need first_step >= 0, got {first_step}; give the number of steps already trained")
        num_groups = len(optimizer.param_groups)
        self.group_factors = [1.0] * num_groups if group_factors is None else [float(f) for f in group_factors]
        if len(self.group_factors) != num_groups:
            raise ValueError(
                f"need one group factor per parameter group, got {len(self.group_factors)} for {num_groups}; "
                "give them in the order of optimizer.param_groups"
            )
        if schedule.has_momentum and not all({"betas", "momentum"} & group.keys() for group in optimizer.param_groups):
            raise ValueError(
                f"need an optimizer with momentum or betas, got {type(optimizer).__name__}; "
                "make the schedule with cycle_momentum=False"
            )
        self.schedule = schedule
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        super().__init__(optimizer, index(first_step) - 1)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Give the learning rate of each parameter group at the present step, and set the momentum."""
        if self.schedule.has_momentum:
            momentum = self.schedule.momentum(self.last_epoch)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        lr = self.schedule(self.last_epoch)
        return [lr * factor for factor in self.group_factors]

    def state_dict(self) -> dict[str, Any]:
        """Give the state: the step, the rates, plain numbers only."""
        return {key: value for key, value in super().state_dict().items() if key != "schedule"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a saved scheduler of the same schedule was, and set the optimizer accordingly.

        Raises
        ------
        ValueError
            If the saved rates are not those of this schedule at the saved step; nothing is changed then.
        """
        step, saved = state_dict["last_epoch"], [float(lr) for lr in state_dict["_last_lr"]]
        factors = state_dict["group_factors"]
        wanted = [self.schedule(step) * factor for factor in factors]
        if len(factors) != len(self.group_factors) or not all(
            math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6 * self.schedule.peak)
            for a, b in zip(saved, wanted, strict=True)
        ):
            raise ValueError(
                f"need the state of a scheduler of the same schedule and groups, got rates {saved} at step {step} "
                f"where this one has {wanted}; make it from the schedule that was saved, or go on with another by "
                f"to_torch(optimizer, first_step={step})"
            )
        super().load_state_dict(state_dict)
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr


def simulate(
    factory: Callable[[Optimizer], Any],
    total_steps: int,
    lr: float = 1.0,
    optimizer: Optimizer | None = None,
    metrics: Sequence[float] | None = None,
) -> Schedule:
    """Run any scheduler on a stand-in optimizer and give its curve as a schedule.

    Parameters
    ----------
    factory
        Takes an optimizer, gives a scheduler with a `step()`, for example
        `lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 30)`.
    total_steps
        The number of steps to run.
    lr
        The learning rate with which the stand-in is made.
    optimizer
        An optimizer whose kind, parameter groups and rates the stand-in takes over in place of `lr`. It is not touched.
        The first group's rates are given back.
    metrics
        For a scheduler that follows a measured value (ReduceLROnPlateau): that value after each step.

    Returns
    -------
    Schedule
        Its momentum is given where the scheduler moves it.

    Raises
    ------
    ValueError
        If `total_steps` is not positive, the metrics are missing or too few, or a rate is negative or not finite.
    """
    if index(total_steps) < 1:
        raise ValueError(f"need total_steps >= 1, got {total_steps}; give the number of steps to run")
    stand_in = _stand_in(lr, optimizer)
    scheduler = factory(stand_in)
    if metrics is None and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError(
            "need metrics for ReduceLROnPlateau, which follows a measured value, got none; "
            "pass metrics=, one value per step"
        )
    if metrics is not None and len(metrics) < total_steps:
        raise ValueError(f"need {total_steps} metrics, one per step, got {len(metrics)}; give more or run fewer steps")
    group = stand_in.param_groups[0]
    lrs, momenta = [], []
    with warnings.catch_warnings():
        # Old schedulers warn about their own ways of counting; the curve is all that is wanted here.
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.optim.lr_scheduler")
        for step in range(total_steps):
            lrs.append(float(group["lr"]))
            momenta.append(_momentum(group))
            stand_in.step()
            if metrics is None:
                scheduler.step()
            else:
                scheduler.step(metrics[step])
    return from_values(lrs, momenta if len(set(momenta)) > 1 else None)


def _stand_in(lr: float, like: Optimizer | None) -> Optimizer:
    """Give an optimizer of weights that nobody needs, with the groups and rates of another where there is one."""
    groups: list[dict[str, Any]] = [{"params": [torch.zeros(1)], "lr": lr}]
    if like is not None:
        kept = ("lr", "betas", "momentum")
        groups = [
            {"params": [torch.zeros(1)], **{key: _plain(group[key]) for key in kept if key in group}}
            for group in like.param_groups
        ]
    if like is not None and "betas" in like.defaults:
        return torch.optim.Adam(groups, lr=float(like.defaults["lr"]))
    return torch.optim.SGD(groups, lr=lr if like is None else float(like.defaults["lr"]), momentum=0.9)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, torch.Tensor) else value


def _momentum(group: dict[str, Any]) -> float:
    return float(group["betas"][0] if "betas" in group else group["momentum"])
