"""What a train step trains, and how: from the arguments and the form of a batch to the function that takes one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lrwidget.steps import SKIPPED, StepReturn
from lrwidget.steps.batches import note_batch
from lrwidget.steps.torch_batches import TorchBatches, is_elsewhere
from lrwidget.steps.torch_checks import check_batch
from lrwidget.steps.torch_distributed import Alone
from lrwidget.steps.torch_forward import (
    Compute,
    LossFn,
    autocasting,
    checked,
    forgetting_casts,
    make_compute,
    make_validation,
    moved,
    on_copies,
    sparing,
    told,
    tried,
)
from lrwidget.steps.torch_readback import ReadBack, make_reader
from lrwidget.steps.torch_state import TorchSnapshot
from lrwidget.steps.torch_update import LearningRates, Update, Updater, grad_clearer

Step: TypeAlias = Callable[[float], StepReturn]


@dataclass
class Recipe:
    """How one step is trained. Its parts are those arguments of `TorchStep` that say so."""

    model: nn.Module
    device: torch.device
    lag: int
    update: Update
    loss_fn: LossFn | None = None
    forward: Callable[[Any], Any] | None = None
    train_step: Callable[[Any], StepReturn] | None = None
    autocast: torch.dtype | None = None
    validation: TorchBatches | None = None
    num_validation_batches: int = 1
    _validation_batches: list[Any] = field(default_factory=list)
    # found out from the first batch of a run
    _must_move: bool = False
    _is_pair: bool = False
    _is_kept: bool = False
    _changes_batches: bool = False  # found out in its first step
    _is_inside_autocast: bool = False

    def look_at(self, batch: Any, *, is_kept: bool = False) -> None:
        """Check the form of a run's first batch and remember what the step must do for it.

        Parameters
        ----------
        batch
            The first batch.
        is_kept
            Whether the batches are objects of the user's, which come again and must be as they were after the run.

        Raises
        ------
        ValueError
            If no loss can be computed from it.
        """
        if self.forward is None and self.train_step is None:
            check_batch(batch, has_loss_fn=self.loss_fn is not None)
        self._must_move = is_elsewhere(batch, self.device)
        self._is_pair = isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[0], Tensor)
        self._is_kept = is_kept and not self._must_move  # what is moved is a copy
        self._changes_batches = False
        self._is_inside_autocast = torch.is_autocast_enabled(self.device.type)

    def build(self, batches: Iterator[Any], ranks: Alone) -> Callable[[bool], Step]:
        """What makes the function that takes a step: for the first one (True) a function that looks closely.

        Raises
        ------
        ValueError
            If the optimizer cannot be trained by several processes.
        """
        if self.update.needs_closure and not ranks.is_alone:
            raise ValueError(
                "need an optimizer without a closure where several processes train together, got one whose line search "
                "would go other ways on each rank (LBFGS); take another optimizer, or one process"
            )
        batches = ranks.batches(batches)
        read = make_reader(self.lag, self.device)
        set_lr = LearningRates(self.update.optimizers).set
        if self.train_step is not None:
            own = sparing(moved(self.train_step, self.device) if self._must_move else self.train_step)

            def make_own(is_first: bool) -> Step:
                train_step = told(self._on_kept(own, is_first))
                return ranks.losses(_own_step(set_lr, train_step, batches, read if self.lag else None))

            return make_own
        compute = self._compute()
        measure = self._measure(told(compute))
        has_loss_fn = self.loss_fn is not None

        def make(is_first: bool) -> Step:
            is_simple = self._is_simple and measure is None and ranks.is_alone
            if self.loss_fn is not None and is_simple and not is_first:
                return _plain_step(self.update.optimizers[0], self.model, self.loss_fn, batches)
            loss = checked(compute, has_loss_fn=has_loss_fn) if is_first else compute
            update = self.update.build(ranks.forward(told(self._on_kept(loss, is_first))), batches)
            return ranks.losses(_whole_step(set_lr, update, measure, read))

        return make

    def _on_kept(self, compute: Callable[[Any], Any], is_first: bool) -> Callable[[Any], Any]:
        """The same, and the user's batches stay as they are: the first step finds out whether it takes copies."""

        def note(is_changed: bool) -> None:
            self._changes_batches = is_changed

        if is_first:
            return tried(compute, note) if self._is_kept else compute
        return on_copies(compute) if self._changes_batches else compute

    @property
    def _is_simple(self) -> bool:
        """Whether the step needs nothing besides forward, backward and update of a pair of tensors."""
        wrapped = self._must_move or self.autocast is not None or self._is_inside_autocast or self._changes_batches
        return self.update.is_plain and self._is_pair and not wrapped and self.lag == 0

    def _compute(self) -> Compute:
        compute = make_compute(self.model, self.loss_fn, self.forward)
        if self._must_move:
            compute = moved(compute, self.device)
        if self.loss_fn is None or not self._is_pair:
            compute = sparing(compute)
        if self.autocast is not None:
            compute = autocasting(compute, self.device, self.autocast)
        return forgetting_casts(compute) if self._is_inside_autocast else compute

    def _measure(self, compute: Compute) -> Callable[[], Tensor] | None:
        """The function that measures the validation loss, where it is wanted."""
        if self.validation is None:
            return None
        if not self._validation_batches:
            self._validation_batches = self._take(self.validation)
        batches, is_moved = self._validation_batches, self._must_move
        return make_validation(self.model, self.update.optimizers, compute, batches, is_moved=is_moved)

    def _take(self, source: TorchBatches) -> list[Any]:
        """The validation batches. The first run alone takes them: it must train on the same batches as the others."""
        state = TorchSnapshot((), sources=[("validation", source.source)], device=self.device)
        try:
            state.set_passes_aside()
            return source.take(self.num_validation_batches)
        finally:
            state.restore()


def _whole_step(
    set_lr: Callable[[float], None],
    update: Updater,
    measure: Callable[[], Tensor] | None,
    read: ReadBack,
) -> Step:
    """One step: set the rates, update, hand out what is recorded."""

    def step(lr: float) -> StepReturn:
        set_lr(lr)
        output = update()
        if output is None:
            return SKIPPED
        loss, norm = output
        return read(loss if measure is None else measure(), norm)

    return step


def _own_step(
    set_lr: Callable[[float], None],
    train_step: Callable[[Any], Any],
    batches: Iterator[Any],
    read: ReadBack | None,
) -> Step:
    """One step that the user's own function does, whatever it returns."""

    def step(lr: float) -> StepReturn:
        set_lr(lr)
        output: StepReturn = train_step(next(batches))
        if isinstance(output, Tensor):
            return output.detach() if read is None else read(output, None)
        return output

    return step


def _plain_step(optimizer: Any, model: nn.Module, loss_fn: LossFn, batches: Iterator[Any]) -> Step:
    """The common step, a pair of tensors through one optimizer, with nothing in between that costs time."""
    rates = LearningRates([optimizer])
    is_single = rates.is_single
    set_lr, clear_grads, update = rates.set, grad_clearer(optimizer), optimizer.step

    def step(lr: float) -> StepReturn:
        if is_single:
            optimizer.param_groups[0]["lr"] = lr
        else:
            set_lr(lr)
        batch = next(batches)
        clear_grads()
        try:
            inputs, targets = batch
            loss: Any = loss_fn(model(inputs), targets)
        except Exception as error:
            note_batch(error, batch)
            raise
        loss.backward()
        update()
        number: float = loss.item()
        return number

    return step
