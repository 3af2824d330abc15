"""What a schedule is: a learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import index
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrwidget.result import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from torch.optim import Optimizer

    from .torch import ScheduledLR

Trend = Literal["rising", "falling", "flat", "mixed"]
Framework = Literal["torch", "transformers", "keras", "optax"]


class Phase(NamedTuple):
    """A named stretch of a schedule, from step `start` to step `end`.

    `trend` says where the learning rate is monotone (on the closed stretch for a continuous phase, else without its
    end); `continuous` says that the phase takes over at the value at which the one before it ended.
    """

    name: str
    start: float
    end: float
    trend: Trend
    continuous: bool = True


@dataclass(frozen=True)
class Formula:
    """A function of the step with its numbers filled in, and the last step on which it is defined.

    `function` takes the steps, array (n,), and then `arguments` by name. It is written with NumPy functions that
    `jax.numpy` and `keras.ops` have too and calls nothing else, so that its very source can be handed to frameworks.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    last_step: float = math.inf

    def __call__(self, step: FloatArray) -> FloatArray:
        """Evaluate at steps, array (n,), each moved into the range from 0 to `last_step` first."""
        values = self.function(np.clip(step, 0.0, self.last_step), **self.arguments)
        return np.asarray(values, dtype=np.float64)


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """A learning rate, and a momentum where there is one, as a pure function of the step.

    Steps count from 0: `schedule(0)` is the rate of the first optimizer step. A step before 0 has the value of step 0,
    a step past `last_step` the value of `last_step`, in every schedule: a training that runs longer than planned stays
    where the plan ended. Schedules are made by the functions of `lrwidget.schedules`, such as `one_cycle`.

    Attributes
    ----------
    name
        The function that makes this schedule.
    arguments
        Its arguments, by name, defaults included.
    formula
        The learning rate, from steps, array (n,), to rates, array (n,).
    peak, floor
        The learning rate never leaves the range from `floor` to `peak` (bounds, not always reached).
    phase_rule
        Phases in order, the last one ending at `last_step` or never.
    last_step
        The step at which the schedule ends; infinite for one that goes on for ever.
    total_steps
        The number of steps of a training that follows it, None where it has no end of its own.
    momentum_formula
        The momentum (beta1 for Adam's family) as a function of the step, or None.
    """

    formula: Callable[[FloatArray], FloatArray]
    peak: float
    floor: float
    phase_rule: Callable[[], Iterable[Phase]]
    last_step: float = math.inf
    total_steps: int | None = None
    momentum_formula: Callable[[FloatArray], FloatArray] | None = None
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @overload
    def __call__(self, step: float) -> float: ...
    @overload
    def __call__(self, step: ArrayLike) -> float | FloatArray: ...
    def __call__(self, step: ArrayLike) -> float | FloatArray:
        """Give the learning rate at a step (a float back) or at an array of steps (an array of its shape back)."""
        return _evaluate(self.formula, step)

    @property
    def has_momentum(self) -> bool:
        """Whether the schedule moves the momentum as well."""
        return self.momentum_formula is not None

    @overload
    def momentum(self, step: float) -> float: ...
    @overload
    def momentum(self, step: ArrayLike) -> float | FloatArray: ...
    def momentum(self, step: ArrayLike) -> float | FloatArray:
        """Give the momentum (beta1 for Adam's family) at a step or at an array of steps.

        Raises
        ------
        ValueError
            If the schedule has none; `has_momentum` tells.
        """
        if self.momentum_formula is None:
            raise ValueError(f"need a schedule with momentum, got {self.name}; one_cycle and cyclic have one")
        return _evaluate(self.momentum_formula, step)

    def values(self, total_steps: int | None = None) -> FloatArray:
        """Give the learning rates of the steps 0 to `total_steps` - 1, array (total_steps,).

        Raises
        ------
        ValueError
            If `total_steps` is not given and the schedule has no end of its own.
        """
        return self.formula(np.arange(self.steps_or_total(total_steps), dtype=np.float64))

    def momenta(self, total_steps: int | None = None) -> FloatArray:
        """Give the momenta of the steps 0 to `total_steps` - 1, array (total_steps,); see `momentum` and `values`."""
        return np.atleast_1d(self.momentum(np.arange(self.steps_or_total(total_steps), dtype=np.float64)))

    def phases(self, total_steps: int | None = None, limit: int | None = None) -> tuple[Phase, ...]:
        """Give the phases of the first `total_steps` steps, the last one cut there, at most `limit` of them.

        Raises
        ------
        ValueError
            If `total_steps` is not given and the schedule has no end of its own.
        """
        end = float(self.steps_or_total(total_steps))
        return tuple(islice(_cut(self.phase_rule(), end), limit))

    def to_dataframe(self, total_steps: int | None = None, steps_per_epoch: int | None = None) -> pd.DataFrame:
        """Give one row per step: `step`, `epoch` where `steps_per_epoch` is given, `lr`, `momentum` where there is one.

        `epoch` is `step / steps_per_epoch`, a float, so that one axis serves steps and epochs.

        Raises
        ------
        ValueError
            If `total_steps` is not given and the schedule has no end of its own, or a number is not positive.
        """
        import pandas as pd

        steps = np.arange(self.steps_or_total(total_steps))
        columns: dict[str, NDArray[Any]] = {"step": steps}
        if steps_per_epoch is not None:
            if index(steps_per_epoch) < 1:
                raise ValueError(
                    f"need steps_per_epoch >= 1, got {steps_per_epoch}; give the number of batches in one epoch"
                )
            columns["epoch"] = steps / index(steps_per_epoch)
        columns["lr"] = self.values(len(steps))
        if self.has_momentum:
            columns["momentum"] = self.momenta(len(steps))
        return pd.DataFrame(columns)

    def to_torch(
        self, optimizer: Optimizer, first_step: int = 0, group_factors: Iterable[float] | None = None
    ) -> ScheduledLR:
        """Give a PyTorch `LRScheduler` that sets the optimizer's learning rate, and momentum where there is one.

        Call its `step()` after each `optimizer.step()`. `state_dict` and `load_state_dict` work as for any other.

        Parameters
        ----------
        optimizer
            Its learning rate is set to the schedule's at once, whatever it was.
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
        from .torch import ScheduledLR

        return ScheduledLR(optimizer, self, first_step, group_factors)

    def code(self, framework: Framework) -> str:
        """Give source text that makes this schedule in a framework, without lrwidget.

        Where the framework has the schedule, its own class or function is called; where it has none, the formula is
        written out and a comment says so. The same values come out at all steps from 0 to the end (Keras and optax
        compute in single precision by default). The text defines

        - "torch", "transformers": `scheduler`, from a variable `optimizer`;
        - "keras": `learning_rate`, to be passed to an optimizer;
        - "optax": `schedule`, and `momentum_schedule` where there is a momentum.

        Raises
        ------
        ValueError
            If the framework is another one, or the schedule is a recorded one (`simulate`, `from_values`).
        """
        from .code import write_code

        return write_code(self, framework)

    def steps_or_total(self, total_steps: int | None) -> int:
        """Give the number of steps asked for, or the schedule's own where None; ValueError where there is neither."""
        if total_steps is None:
            if self.total_steps is None:
                raise ValueError(
                    f"need total_steps for {self.name}, which has no end of its own, got None; pass it here"
                )
            return self.total_steps
        if index(total_steps) < 1:
            raise ValueError(f"need total_steps >= 1, got {total_steps}; give the number of optimizer steps")
        return index(total_steps)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={_short(value)}' for name, value in self.arguments.items())})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.name, dict(self.arguments)) == (other.name, dict(other.arguments))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.arguments.items())))

    def __reduce__(self) -> tuple[Callable[..., Schedule], tuple[str, dict[str, Any]]]:
        # The formulas hold functions made on the fly, so a copy is made as the original was: by its maker.
        from .registry import make

        return make, (self.name, dict(self.arguments))


def _evaluate(formula: Callable[[FloatArray], FloatArray], step: ArrayLike) -> float | FloatArray:
    """Give a float for a number, an array of the same shape for an array."""
    steps = np.asarray(step, dtype=np.float64)
    if steps.ndim == 0:
        # Through an array all the same: NumPy's power of a single number may differ from that of a row in the last bit.
        return float(formula(steps[np.newaxis])[0])
    return formula(steps)


def _cut(phases: Iterable[Phase], end: float) -> Iterable[Phase]:
    """Give the phases that begin before `end`, none reaching past it."""
    for phase in phases:
        if phase.start >= end:
            return
        yield phase._replace(end=min(phase.end, end))


def _short(value: object) -> str:
    """Write a value, a long sequence by its beginning and its length."""
    if isinstance(value, tuple) and len(value) > 8:
        return f"<{len(value)} values, {value[0]!r} first>"
    return repr(value)
