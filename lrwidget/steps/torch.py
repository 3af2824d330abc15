"""A train step for PyTorch that leaves no trace."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from lrwidget.steps import StepReturn
from lrwidget.steps.claims import claim, release
from lrwidget.steps.closures import held_by
from lrwidget.steps.interrupts import InterruptShield, shielded
from lrwidget.steps.torch_batches import TorchBatches
from lrwidget.steps.torch_checks import check_frozen, check_grad_mode, check_options, check_setup
from lrwidget.steps.torch_code import optimizer_code
from lrwidget.steps.torch_distributed import Alone, current_rank, join_ranks, reshard
from lrwidget.steps.torch_random import reseed_all
from lrwidget.steps.torch_recipe import Recipe, Step
from lrwidget.steps.torch_state import TorchSnapshot, is_stateful
from lrwidget.steps.torch_update import LearningRates, Update, momentum_setter

Snapshot: TypeAlias = Literal["auto", "device", "host"]

_log = logging.getLogger("lrwidget")

_CPU = torch.device("cpu")
_CUDA_LAG = 4  # steps: enough for the device never to wait, few enough to stop soon


class TorchStep:
    """Trains a PyTorch model one step at a given learning rate; as a context manager it leaves no trace.

    Entering saves, and leaving puts back bit for bit, on every way out: parameters, buffers, what the optimizers,
    the scaler and attached schedulers hold, gradients (None stays None), train/eval mode of every submodule,
    ``requires_grad``, hooks, attributes of modules, default dtype, grad and autocast mode, the random states of
    Python, NumPy, torch and the loader, and what loader, sampler and data set count, cache or shuffle; of their data
    nothing is copied.

    Parameters
    ----------
    model
        What is trained. Several models (a GAN): ``nn.ModuleList([...])``. A model that stands in eval mode as a whole
        is trained in train mode; one in train mode keeps submodules that are in eval mode as they are.
    optimizer
        One, or several. The group with the highest learning rate gets the tested one; the others keep their ratio
        to it. Tensor learning rates are filled in place.
    loss_fn
        ``loss_fn(model(inputs), targets)``. None: the model computes its loss, ``model(**batch).loss``.
    batches
        A DataLoader or another iterable, begun again when it ends; a generator is read once (the run then ends as
        "data exhausted"). ``(inputs, targets)``, where inputs may be one tensor, a tuple (``model(*inputs)``) or a
        dict (``model(**inputs)``); ``(a, b, targets)``; or dicts, where ``loss_fn`` is None. Tensors are moved to the
        model's device. One batch by itself is used for every step.
    forward
        ``forward(batch) -> loss`` in place of ``loss_fn``, for batches of any other form; it may also return a dict
        or object with ``loss``.
    train_step
        ``train_step(batch) -> loss`` in place of ``loss_fn``: does everything, backward and optimizer steps too.
    accumulation_steps
        Batches per optimizer step; one record each, with the mean loss.
    max_grad_norm
        Clip gradients to this total norm; the norm before clipping is recorded.
    record_grad_norm
        Record the total gradient norm without clipping.
    autocast
        A dtype: run the forward pass under ``torch.autocast``.
    scaler
        A ``torch.amp.GradScaler``. A step that it skips makes no record.
    validation
        Batches: record their mean loss after each update, in eval mode, instead of the training loss.
    num_validation_batches
        How many of them; the same ones at each step.
    also
        Other objects that training changes and that must be put back: averaged weights, meters, an ``Accelerator`` that
        accumulates, generators that are not to be found from the batches on. Of a plain object, here or in a module,
        its own attributes are put back, not those of plain objects inside it: name these too. Modules, optimizers,
        schedulers, generators and callable objects that ``loss_fn``, ``forward`` or ``train_step`` refers to are found
        without.
    lag
        How many steps later a loss is read. ``"auto"``: at once on a CPU, 4 on a CUDA device, which then never waits;
        a stop comes that much later and the extra steps are dropped.
    snapshot
        Where the copy of the state lives: on the ``"device"``, in ``"host"`` memory, or ``"auto"``: on the device if
        it has room for it. ``snapshot_place`` says which it was.

    Raises
    ------
    ValueError
        If this cannot be trained: no parameters, all frozen, those of another model, no learning rate; if a number
        lies outside its range; when entered, if the batches are none or have another form.
    TypeError
        If an argument has the wrong type, or some exclude each other; when entered, if the model is sharded by a
        wrapper.
    RuntimeError
        If the parameters cannot have gradients (inference mode); when entered where gradients are off, or while another
        run trains the same model; when called without having been entered.
    RestoreError
        When left, if some part of the state could not be put back; it names the part, and all the rest was.

    Notes
    -----
    A loss that was computed before a run cannot be backpropagated after it: the parameters have been written to.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(1, 1)
    >>> batch = (torch.ones(4, 1), torch.zeros(4, 1))
    >>> step = TorchStep(model, torch.optim.SGD(model.parameters(), 0.1), torch.nn.functional.mse_loss, batch)
    >>> before = model.weight.item()
    >>> with step:
    ...     first, second = step(0.1), step(0.1)
    >>> second < first, model.weight.item() == before
    (True, True)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        loss_fn: Callable[[Any, Any], Tensor] | None = None,
        batches: Iterable[Any] | None = None,
        *,
        forward: Callable[[Any], Any] | None = None,
        train_step: Callable[[Any], StepReturn] | None = None,
        accumulation_steps: int = 1,
        max_grad_norm: float | None = None,
        record_grad_norm: bool = False,
        autocast: torch.dtype | None = None,
        scaler: Any = None,
        validation: Iterable[Any] | None = None,
        num_validation_batches: int = 1,
        also: Iterable[object] = (),
        lag: int | Literal["auto"] = "auto",
        snapshot: Snapshot = "auto",
    ) -> None:
        optimizers: list[Any] = list(optimizer) if isinstance(optimizer, Sequence) else [optimizer]
        device = next((p.device for p in model.parameters()), _CPU) if isinstance(model, nn.Module) else _CPU
        self.lag = lag if lag != "auto" else _CUDA_LAG if device.type == "cuda" else 0
        check_options(
            model=model,
            optimizers=optimizers,
            sources={"batches": batches, "validation": validation},
            ways={"loss_fn": loss_fn, "forward": forward, "train_step": train_step},
            extras={
                "accumulation_steps": bool(accumulation_steps != 1),
                "max_grad_norm": max_grad_norm,
                "record_grad_norm": record_grad_norm,
                "autocast": autocast,
                "scaler": scaler,
                "validation": validation,
            },
            counts={
                "accumulation_steps": accumulation_steps,
                "num_validation_batches": num_validation_batches,
                "lag": self.lag,
            },
            also=also,
            snapshot=snapshot,
        )
        self.model = model
        self.snapshot_place: str | None = None
        self._device = device
        self._optimizers = optimizers
        has_form = forward is None and train_step is None
        self._batches = TorchBatches(batches, single_allowed=has_form)
        validated = None if validation is None else TorchBatches(validation, single_allowed=has_form, name="validation")
        self._recipe = Recipe(
            model=model,
            device=device,
            lag=self.lag,
            update=Update(optimizers, int(accumulation_steps), max_grad_norm, record_grad_norm, scaler),
            loss_fn=loss_fn,
            forward=forward,
            train_step=train_step,
            autocast=autocast,
            validation=validated,
            num_validation_batches=num_validation_batches,
        )
        self._also = list(also)
        self._snapshot = snapshot
        self._functions = (loss_fn, forward, train_step)
        self._modules = [root for root in (model, *self._functions) if isinstance(root, nn.Module)]
        self._held: list[object] = []
        self._state: TorchSnapshot | None = None
        self._ranks = Alone()
        self._claimed: set[int] = set()
        self._shield = InterruptShield()
        self._step: Step = _not_entered
        check_setup(self._modules, optimizers)

    @property
    def rank(self) -> int:
        """Which of the processes that train together this one is: 0 alone draws and writes."""
        return current_rank()

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in one pass over the batches; None where that is not known."""
        num_batches = self._batches.num_batches
        return None if num_batches is None else max(1, num_batches // self._recipe.update.accumulation_steps)

    @property
    def reads_once(self) -> bool:
        """Whether the batches can be read once only."""
        return self._batches.one_shot

    @property
    def set_momentum(self) -> Callable[[float], None] | None:
        """Sets the optimizers' momentum from the next step on, undone by leaving; None where one has no momentum."""
        return momentum_setter(self._optimizers)

    def __call__(self, lr: float, /) -> StepReturn:
        return self._step(lr)

    def __enter__(self) -> TorchStep:
        if self._state is not None:  # before anything that leaving would undo: the run under way goes on
            raise RuntimeError("this step is already in a run; end that one first (leave its with block, or stop it)")
        check_grad_mode()
        self._held = [held for function in self._functions for held in held_by(function) if is_stateful(held)]
        self._reshard()
        check_frozen(self._optimizers)  # the only one of the checks whose answer users change
        self._shield = InterruptShield()  # a former run's may still lie below that of another
        try:  # with the shield and the return in it: an interrupt there must not leave either behind
            self._shield.raise_()
            parts = (module for root in self._modules for module in root.modules())
            self._claimed = claim(parts, type(self.model).__name__)
            self._ranks = join_ranks()
            self._state = TorchSnapshot(
                self._roots(), sources=self._sources(), device=self._device, place=self._snapshot
            )
            self._prepare(self._state)
            return self
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    @shielded
    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        state, self._state = self._state, None
        ranks, self._ranks = self._ranks, Alone()
        claimed, self._claimed = self._claimed, set()
        self._step = _not_entered
        with ExitStack() as stack:  # from the bottom up, each whatever becomes of those before it
            stack.callback(self._shield.lower)
            stack.callback(ranks.leave, error, lambda: self._shield.is_waiting)
            stack.callback(release, claimed)
            # Of a run that a script left half-way nobody sees the state, and PyTorch would abort.
            if state is not None and not sys.is_finalizing():
                stack.callback(state.restore)
                stack.callback(self._reshard)
            self._batches.end()

    def set_lr(self, lr: float) -> None:
        """Set the optimizer's learning rate for the training to come; several groups keep their ratios.

        A scheduler keeps the rate it was made with: make it after this.
        """
        LearningRates(self._optimizers).set(lr)
        for group in (group for optimizer in self._optimizers for group in optimizer.param_groups):
            if "initial_lr" in group:  # noted by a scheduler, and taken over by all that are made later
                group["initial_lr"] = float(group["lr"])

    def code(self, lr: str) -> str:
        """A line of Python that makes the optimizer with this learning rate; see `optimizer_code`."""
        return optimizer_code(self._optimizers, lr)

    def reseed(self, seed: int) -> None:
        """Draw other batches and other noise from here on; leaving the step undoes it.

        Raises
        ------
        RuntimeError
            If the step has not been entered.
        ValueError
            If the batches can be read once only.
        """
        if self._state is None:
            raise RuntimeError(
                "need an entered train step to reseed, got one whose state is not saved; use it in a with block"
            )
        reseed_all(seed, self._state.generators)
        self._batches.reseed(seed)
        self._begin()

    def _reshard(self) -> None:
        reshard(root for root in (self.model, *self._held) if isinstance(root, nn.Module))

    def _roots(self) -> Iterable[tuple[str, object]]:
        yield "model", self.model
        for index, optimizer in enumerate(self._optimizers):
            yield "optimizer" if len(self._optimizers) == 1 else f"optimizer[{index}]", optimizer
        if self._recipe.update.scaler is not None:
            yield "scaler", self._recipe.update.scaler
        for index, extra in enumerate(self._also):
            yield f"also[{index}]", extra
        for held in self._held:  # what has a name of its own goes by that
            yield "loss", held

    def _sources(self) -> Iterable[tuple[str, object]]:
        yield "batches", self._batches.source
        if self._recipe.validation is not None:
            yield "validation", self._recipe.validation.source

    def _prepare(self, state: TorchSnapshot) -> None:
        """Make ready to train, once all is saved: gradients, modes, the first batch, and the step itself."""
        self.snapshot_place = state.place
        if self._device.type != "cpu":
            _log.info("training state of %.2f GB kept on the %s", state.num_bytes / 1e9, state.place)
        state.set_grads_aside()
        state.set_passes_aside()
        if not self.model.training:
            self.model.train()
        for optimizer in self._optimizers:
            switch = getattr(optimizer, "train", None)
            if callable(switch):  # schedule-free optimizers
                switch()
        self._recipe.look_at(self._batches.start(), is_kept=isinstance(self._batches.source, list | tuple))
        self._begin()

    def _begin(self) -> None:
        """Make the step function for the batches as they stand now."""
        make = self._recipe.build(self._batches.stream, self._ranks)
        first = make(True)

        def take_first(lr: float) -> StepReturn:
            output = first(lr)
            self._step = make(False)
            return output

        self._step = take_first


def _not_entered(lr: float) -> StepReturn:
    raise RuntimeError("need an entered train step, got one whose state is not saved; use it in a with block, or a run")
