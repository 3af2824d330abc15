"""A train step for Keras 3, on any of its backends, that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

from lrwidget.steps import StepReturn
from lrwidget.steps.batches import Batches, describe, note_batch
from lrwidget.steps.claims import claim, release
from lrwidget.steps.interrupts import InterruptShield, shielded
from lrwidget.steps.overlap import STREAM, RandomStates, global_states, seed_globals
from lrwidget.steps.parts import Part, restore_parts
from lrwidget.steps.sources import found_behind, source_parts

_SHARED_GENERATOR = "global_seed_generator"


class KerasStep:
    """Trains a compiled Keras model on one batch at a given learning rate; as a context manager it leaves no trace.

    Entering saves, and leaving puts back, on every way out: weights, the state of batch norm, dropout and metrics, the
    optimizer's variables (its learning rate and step count among them), the random states of Python, NumPy and, on that
    backend, PyTorch, and of what gives the batches the generators and what it counts, caches or shuffles. An optimizer
    that has no variables yet is built first and stays built.

    Parameters
    ----------
    model
        A ``keras.Model`` that is built and compiled.
    batches
        An iterable of ``(inputs, targets)`` or ``(inputs, targets, sample_weight)``: a list, a ``PyDataset``, a
        DataLoader, a generator (read once); or one batch, used for every step.

    Raises
    ------
    TypeError
        If the model is no Keras model, or the batches cannot be iterated.
    ValueError
        If the model is not built or compiled, has nothing to train, or holds other optimizers than the compiled one, or
        this follows a schedule; when entered, if the batches are none or have another form; when called, if the
        model's own training returns no ``"loss"``.
    RuntimeError
        When entered while another run trains the same model; when called without having been entered.
    RestoreError
        When left, if some part of the state could not be put back; it names the part, and all the rest was.

    Examples
    --------
    >>> step = KerasStep(model, batches)  # doctest: +SKIP
    >>> LearningRateFinder().range_test(step).suggested_lr  # doctest: +SKIP
    """

    def __init__(self, model: Any, batches: Iterable[Any]) -> None:
        _check_model(model)
        self.model = model
        self._batches = Batches(batches)
        self._saved: list[Part] = []
        self._random: RandomStates | None = None
        self._claimed: set[int] = set()
        self._shield = InterruptShield()
        self._is_entered = False

    def __call__(self, lr: float, /) -> StepReturn:
        if not self._is_entered:
            raise RuntimeError("need an entered train step, got one whose state is not saved; use it in a with block")
        model = self.model
        batch = next(self._batches.stream)
        model.optimizer.learning_rate = lr
        model.reset_metrics()  # the loss that train_on_batch returns is a running mean in some versions
        try:
            loss = _loss_in(model.train_on_batch(*batch, return_dict=True))
        except Exception as error:
            note_batch(error, batch)
            raise
        return loss

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps in one pass over the batches; None where that is not known."""
        return self._batches.num_batches

    @property
    def reads_once(self) -> bool:
        """Whether the batches can be read once only."""
        return self._batches.one_shot

    def set_lr(self, lr: float) -> None:
        """Set the optimizer's learning rate for the training to come."""
        self.model.optimizer.learning_rate = lr

    def code(self, lr: str) -> str:
        """A line of Python that sets the learning rate in a script."""
        return f"model.optimizer.learning_rate = {lr}"

    def __enter__(self) -> KerasStep:
        _check_model(self.model)
        self._claimed = claim([self.model, *self.model.layers, *self.model.variables], type(self.model).__name__)
        self._shield = InterruptShield()
        try:  # with the shield and the return in it: an interrupt there must not leave either behind
            self._shield.raise_()
            self._saved = list(_saved_parts(self.model))
            for path, value in found_behind("batches", self._batches.source):
                self._saved += source_parts(path, value)
            self._random = RandomStates(_random_parts())
            self._saved += self._random.parts
            _check_batch(self._batches.start())
            self._is_entered = True
            return self
        except BaseException:
            self.__exit__()
            raise

    @shielded
    def __exit__(self, *exc_info: object) -> None:
        saved, self._saved, self._is_entered = self._saved, [], False
        try:
            self._batches.end()
            restore_parts(saved)
        finally:
            if self._random is not None:
                self._random.end()
            release(self._claimed)
            self._shield.lower()

    def reseed(self, seed: int) -> None:
        """Draw other batches and other noise from here on; leaving the step undoes it.

        Raises
        ------
        RuntimeError
            If the step has not been entered.
        ValueError
            If the batches can be read once only.
        """
        if not self._is_entered:
            raise RuntimeError(
                "need an entered train step to reseed, got one whose state is not saved; use it in a with block"
            )
        rng = np.random.default_rng((STREAM, seed))
        number = int(rng.integers(2**31))
        seed_globals(number)
        if keras.backend.backend() == "torch":
            import torch

            torch.manual_seed(number)
        for variable in _seed_states(self.model):
            variable.assign(rng.integers(2**31, size=variable.shape))
        self._batches.reseed(seed)


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"need a keras.Model, got {describe(model)}; pass the model itself, built and compiled")
    if not model.built:
        raise ValueError("need a built model, got one without weights; call it on a batch, or model.build(input_shape)")
    if not model.compiled:
        raise ValueError("need a compiled model, got one without optimizer; call model.compile(optimizer, loss)")
    if not model.trainable_variables:
        raise ValueError("need at least one weight to train, got a frozen model; set model.trainable = True")
    if isinstance(_rate_of(model.optimizer), keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "need an optimizer whose learning rate can be set, got one that follows a schedule; "
            "compile the model with a number, e.g. keras.optimizers.Adam(1e-3)"
        )
    others = _other_optimizers(model)
    if others:
        raise ValueError(
            f"need a model that trains with the optimizer it is compiled with, got a {type(model).__name__} with "
            f"others, {', '.join(others)}, whose rates would stay as they are; compile it with one, or set all in a "
            "function of yours: RestoringStep(train_fn, save=..., restore=...)"
        )


def _other_optimizers(model: Any) -> list[str]:
    """The attributes that hold an optimizer besides the compiled one, as those of a GAN do."""
    known = (model.optimizer, getattr(model.optimizer, "inner_optimizer", None))
    return [
        name
        for name, value in vars(model).items()
        for held in (value if isinstance(value, list | tuple) else [value])
        if isinstance(held, keras.optimizers.Optimizer) and not any(held is optimizer for optimizer in known)
    ]


def _rate_of(optimizer: Any) -> Any:
    """The rate as the optimizer holds it: its public property gives a schedule's present value."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(optimizer, "_learning_rate", None)


def _loss_in(logs: dict[str, float]) -> float:
    if "loss" not in logs:
        raise ValueError(
            f'need a "loss" among what the model\'s training returns, got {", ".join(logs) or "nothing"}; '
            'return {"loss": ...} from its train_step'
        )
    return logs["loss"]


def _check_batch(batch: object) -> None:
    if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 3:
        raise ValueError(
            f"need batches (inputs, targets) or (inputs, targets, sample_weight), got {describe(batch)}; "
            "let the source yield tuples"
        )


def _seed_states(model: Any) -> list[Any]:
    """The states of the random layers, and of what functions without a seed of their own draw from."""
    weights = {id(variable) for variable in model.weights}
    own = [v for v in model.variables if id(v) not in weights and v.path.endswith("seed_generator_state")]
    shared = global_state.get_global_attribute(_SHARED_GENERATOR)
    return own if shared is None else [*own, shared.state]


def _saved_parts(model: Any) -> Iterable[Part]:
    """Everything that training changes."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for variable in (*model.variables, *model.metrics_variables, *model.optimizer.variables):
        yield _variable_part(variable)
    if keras.backend.backend() == "torch":
        import torch

        from lrwidget.steps.torch_random import switch_parts

        yield from map(_gradient_part, model.trainable_variables)
        yield from switch_parts(torch.device("cpu"))
    # What Keras functions without a seed of their own draw from: made by the first of them.
    shared = global_state.get_global_attribute(_SHARED_GENERATOR)
    if shared is not None:
        yield _variable_part(shared.state)
    yield Part((_SHARED_GENERATOR,), lambda: global_state.set_global_attribute(_SHARED_GENERATOR, shared))


def _variable_part(variable: Any) -> Part:
    value = keras.ops.copy(variable.value)
    return Part((variable.path,), lambda: variable.assign(value))


def _gradient_part(variable: Any) -> Part:
    tensor, grad = variable.value, variable.value.grad
    return Part((variable.path, "grad"), lambda: setattr(tensor, "grad", grad))


def _random_parts() -> Iterator[Part]:
    if keras.backend.backend() == "torch":
        import torch

        from lrwidget.steps.torch_random import random_parts

        yield from random_parts(torch.device("cpu"))
    else:
        yield from global_states()
