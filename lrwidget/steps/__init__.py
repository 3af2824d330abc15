"""What the engine knows of training: a train step is a callable ``lr -> loss``.

It trains on one batch at that learning rate and returns the batch's loss. If it is a context manager too, entering
it saves the state of the training and leaving it restores it. The frameworks live in files of their own beside this
one; nothing else in the package imports them.

A map of them:

- What they share: `batches` in all their forms, `claims` on what is trained, `parts` of a saved state, those of plain
  objects (`object_parts`) and of `generators`, the `sources` behind the batches, random states of runs that `overlap`,
  `interrupts` that must wait, and `closures`: what functions work with.
- `keras` is whole in one file.
- `torch` is the step itself, and `torch_checks` what it refuses. What is saved: `torch_state` walks through it,
  `torch_parts` and `torch_random` put its pieces back.
- How a PyTorch step is made: `torch_recipe` goes from `torch_batches` by `torch_forward` to a loss, by `torch_update`
  to a step, by `torch_readback` to a number, and by `torch_distributed` keeps several processes in step. `torch_code`
  writes the line that makes the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Generic, Literal, NamedTuple, Protocol, SupportsFloat, TypeAlias, TypeVar

from lrwidget.steps.interrupts import InterruptShield, shielded


class StepOutput(NamedTuple):
    """What a train step may return instead of the bare loss, when it knows more.

    Parameters
    ----------
    loss
        The loss of the batch, before its update.
    grad_norm
        The total norm of the gradients of the step, before clipping.
    """

    loss: SupportsFloat
    grad_norm: SupportsFloat | None = None


class _Skipped(Enum):
    SKIPPED = "skipped"


SKIPPED: Final = _Skipped.SKIPPED
"""Returned by a train step that changed nothing (a gradient scaler found an overflow): no record, same rate again."""

StepReturn: TypeAlias = SupportsFloat | StepOutput | Literal[_Skipped.SKIPPED]


class TrainStep(Protocol):
    """One optimizer step at a given learning rate.

    Raises `StopIteration` when its data are used up. The engine also looks at four optional attributes:
    ``lag`` (how many steps later a loss may be read, for devices that run ahead; 0 if absent), ``reseed(seed)`` (draw
    other batches and other noise from here on; undone by leaving), ``reads_once`` (whether there are data for one run
    only; False if absent) and ``rank`` (which of several processes that train together this one is; 0 alone draws and
    writes; 0 if absent).

    The widget looks at five more: ``model`` (what is trained: one run at a time), ``steps_per_epoch`` (steps in one
    pass over the data; None or absent if not known), ``set_momentum`` (a function that sets the momentum of the steps
    to come, undone by leaving; None or absent if nothing can), ``set_lr(lr)`` (sets the rate of the training to come,
    outside of a run) and ``code(lr)`` (a line of Python that uses a rate, given as text).
    """

    def __call__(self, lr: float, /) -> StepReturn: ...


State = TypeVar("State")


class RestoringStep(Generic[State]):
    """A train step for any framework: a function that trains, and two hooks that save and restore.

    Parameters
    ----------
    train_fn
        Called with the learning rate; trains one step and returns the loss.
    save
        Called once when a run begins; returns whatever ``restore`` needs. It must be a copy: what training changes
        in place is no snapshot.
    restore
        Called once with what ``save`` returned when the run ends, however it ends; Ctrl-C waits for it.

    Raises
    ------
    TypeError
        If one of the three cannot be called.
    RuntimeError
        If entered while a run is already under way.

    Examples
    --------
    >>> weights = {"w": 4.0}
    >>> def train_fn(lr):
    ...     loss = weights["w"] ** 2
    ...     weights["w"] -= lr * 2 * weights["w"]
    ...     return loss
    >>> step = RestoringStep(train_fn, save=weights.copy, restore=weights.update)
    >>> with step:
    ...     _ = step(0.5)
    >>> weights
    {'w': 4.0}
    """

    def __init__(
        self,
        train_fn: Callable[[float], StepReturn],
        *,
        save: Callable[[], State],
        restore: Callable[[State], object],
    ) -> None:
        for name, function in {"train_fn": train_fn, "save": save, "restore": restore}.items():
            if not callable(function):
                raise TypeError(f"need a callable {name}, got {function!r}; pass a function")
        self._train_fn = train_fn
        self._save = save
        self._restore = restore
        self._saved: list[State] = []
        self._shield = InterruptShield()
        self.model = getattr(train_fn, "__self__", train_fn)

    def __call__(self, lr: float, /) -> StepReturn:
        return self._train_fn(lr)

    def __enter__(self) -> RestoringStep[State]:
        if self._saved:
            raise RuntimeError("this step is already in a run; end that one first (leave its with block, or stop it)")
        self._shield = InterruptShield()
        try:  # with the shield and the return in it: an interrupt there must not leave either behind
            self._shield.raise_()
            self._saved.append(self._save())
            return self
        except BaseException:
            self._saved.clear()  # nothing has been trained
            self._shield.lower()
            raise

    @shielded
    def __exit__(self, *exc_info: object) -> None:
        try:
            self._restore(self._saved.pop())
        finally:
            self._shield.lower()
