"""From a batch to its loss: the forms that batches and models come in, told apart once and not at every step."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from operator import is_
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lrwidget.steps.batches import note_batch
from lrwidget.steps.torch_batches import to_device
from lrwidget.steps.torch_checks import check_loss, hint_at_form

Compute: TypeAlias = Callable[[Any], Tensor]
"""From a batch to its loss."""

LossFn: TypeAlias = Callable[[Any, Any], Tensor]


def make_compute(model: nn.Module, loss_fn: LossFn | None, forward: Callable[[Any], Any] | None) -> Compute:
    """The function that computes a batch's loss.

    Parameters
    ----------
    model
        What is trained.
    loss_fn
        ``loss_fn(model(inputs), targets)``; None where the model computes its own loss.
    forward
        The user's own ``forward(batch) -> loss``; it takes the place of both.
    """
    if forward is not None:
        return lambda batch: take_loss(forward(batch))
    if loss_fn is None:
        return lambda batch: take_loss(model(**batch))
    return _pairs(model, loss_fn)


def _pairs(model: nn.Module, loss_fn: LossFn) -> Compute:
    """For batches of inputs and targets, the targets last."""

    def compute(batch: Any) -> Tensor:
        if len(batch) == 2:
            inputs, targets = batch
            if isinstance(inputs, Tensor):
                return loss_fn(model(inputs), targets)
        else:
            *inputs, targets = batch
        if isinstance(inputs, Mapping):
            return loss_fn(model(**inputs), targets)
        if isinstance(inputs, tuple | list):
            return loss_fn(model(*inputs), targets)
        return loss_fn(model(inputs), targets)

    return compute


def take_loss(output: Any) -> Any:
    """The loss in what a model or a training step returned: the tensor itself, or its ``loss``."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping) and "loss" in output:
        return output["loss"]
    return getattr(output, "loss", output)


def rebuilt(value: Any, of_tensor: Callable[[Tensor], Tensor]) -> Any:
    """The same batch in dicts and lists of its own, so that what is taken out of one is there when it comes again.

    Parameters
    ----------
    value
        A batch, or a part of one. What is neither dict, list, tuple nor tensor stays as it is.
    of_tensor
        What becomes of each tensor.
    """
    if isinstance(value, Tensor):
        return of_tensor(value)
    if type(value) in (str, int, float):  # of which there may be many, and the questions below take long
        return value
    if isinstance(value, tuple):
        parts = [rebuilt(part, of_tensor) for part in value]
        if all(map(is_, parts, value)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, list):
        return [rebuilt(part, of_tensor) for part in value]
    if isinstance(value, dict | UserDict):
        copied = copy(value)
        for key, part in value.items():
            copied[key] = rebuilt(part, of_tensor)
        return copied
    return value


def sparing(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same; what it takes out of its batch, as ``batch.pop("labels")`` does, is there when that comes again."""
    return lambda batch: compute(rebuilt(batch, _same))


def on_copies(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same on a copy of each batch, whose tensors it may change in place."""
    return lambda batch: compute(rebuilt(batch, torch.clone))


def tried(compute: Callable[[Any], Any], note: Callable[[bool], object]) -> Callable[[Any], Any]:
    """The same on a copy, and note whether it changed a tensor of the batch in place."""

    def attempt(batch: Any) -> Any:
        clones: list[Tensor] = []

        def clone(tensor: Tensor) -> Tensor:
            clones.append(tensor.clone())
            return clones[-1]

        output = compute(rebuilt(batch, clone))
        note(any(tensor._version for tensor in clones))
        return output

    return attempt


def _same(tensor: Tensor) -> Tensor:
    return tensor


def moved(compute: Callable[[Any], Any], device: torch.device) -> Callable[[Any], Any]:
    """The same, for batches that must be brought to the model's device first."""
    return lambda batch: compute(to_device(batch, device))


def autocasting(compute: Compute, device: torch.device, dtype: torch.dtype) -> Compute:
    """The same under ``torch.autocast``."""

    def cast(batch: Any) -> Tensor:
        with torch.autocast(device.type, dtype):
            return compute(batch)

    return cast


def forgetting_casts(compute: Compute) -> Compute:
    """The same inside an autocast region of the caller's: it caches casts of weights that training has changed."""

    def fresh(batch: Any) -> Tensor:
        torch.clear_autocast_cache()
        return compute(batch)

    return fresh


def checked(compute: Compute, *, has_loss_fn: bool) -> Compute:
    """The same with a look at what comes out, for the first step; an error over types says what they may come from."""

    def look(batch: Any) -> Tensor:
        try:
            return check_loss(compute(batch))
        except TypeError as error:
            hint = hint_at_form(batch, has_loss_fn=has_loss_fn)
            if hint is not None:
                error.add_note(f"lrwidget: {hint}")
            raise

    return look


def told(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same; an error says what the batch was: a later one may be of another form than the first."""

    def tell(batch: Any) -> Any:
        try:
            return compute(batch)
        except Exception as error:
            note_batch(error, batch)
            raise

    return tell


def make_validation(
    model: nn.Module, optimizers: Sequence[Any], compute: Compute, batches: Sequence[Any], *, is_moved: bool
) -> Callable[[], Tensor]:
    """The function that measures the mean loss of some batches in eval mode, without gradients.

    Every submodule's mode is put back after it, and schedule-free optimizers are switched to the weights that they
    evaluate with and back. The batches are the same each time, whatever a model does to them: unless `is_moved`, so
    that what it gets are copies already, it is given copies.
    """
    of_tensor = _same if is_moved else torch.clone
    is_training, modes = model.training, [(module, module.training) for module in model.modules()]
    switching = [optimizer for optimizer in optimizers if callable(getattr(optimizer, "eval", None))]

    def measure() -> Tensor:
        for optimizer in switching:
            optimizer.eval()
        model.eval()
        try:
            with torch.no_grad():
                return torch.stack([compute(rebuilt(batch, of_tensor)).reshape(()) for batch in batches]).mean()
        finally:
            model.train(is_training)  # what a module's own eval() has done, its own train() undoes
            for module, mode in modes:
                module.training = mode
            for optimizer in switching:
                optimizer.train()

    return measure
