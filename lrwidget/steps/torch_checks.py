"""What a PyTorch train step refuses, before anything is trained: wanted, got, remedy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrwidget.checks import checked_count
from lrwidget.steps.batches import describe

_FORWARD_HINT = "or pass forward=function(batch) -> loss"


def check_setup(modules: Sequence[nn.Module], optimizers: Sequence[Any]) -> None:
    """Whether these optimizers can train these modules.

    Raises
    ------
    ValueError
        If there is nothing to train, or it has no memory, or the optimizers hold other parameters than the modules',
        or no learning rate.
    RuntimeError
        If gradients are off for good (inference mode).
    """
    own = {id(p) for module in modules for p in module.parameters()}
    held = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    if not held:
        raise ValueError(
            "need an optimizer with parameters, got one whose groups are empty; build it from model.parameters()"
        )
    num_foreign = sum(id(p) not in own for p in held)
    if num_foreign:
        raise ValueError(
            f"need an optimizer over the model's own parameters, got {num_foreign} of {len(held)} that belong to "
            "something else; build it from model.parameters(), or pass nn.ModuleList([...]) of all that is trained"
        )
    if any(p.is_meta for module in modules for p in module.parameters()):
        raise ValueError("need a model with memory, got one on meta; load its weights, or model.to_empty(device=...)")
    if any(p.is_inference() for p in held if not is_lazy(p)):
        raise RuntimeError(
            "need parameters that can have gradients, got some made under torch.inference_mode(); "
            "build or load the model outside of it"
        )
    check_frozen(optimizers)
    _check_rates(optimizers)


def check_frozen(optimizers: Sequence[Any]) -> None:
    """Whether there is a parameter to train.

    Raises
    ------
    ValueError
        If all are frozen.
    """
    if not any(
        p.requires_grad for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]
    ):
        raise ValueError(
            "need at least one parameter to train, got only frozen ones (requires_grad=False); "
            "unfreeze some: model.requires_grad_(True)"
        )


def _check_rates(optimizers: Iterable[Any]) -> None:
    for optimizer in optimizers:
        name = type(optimizer).__name__
        for index, group in enumerate(optimizer.param_groups):
            lr = group.get("lr")
            if isinstance(optimizer, torch.optim.Rprop):
                got = f"{name}, which takes it for its first step and finds its own from there"
            elif {"d", "growth_rate"} <= group.keys():
                got = f"{name}, which finds its own"
            elif not isinstance(lr, Tensor | Real):
                got = f"{name} with lr={lr!r} in group {index}"
            else:
                continue
            raise ValueError(
                f"need an optimizer with a learning rate to test, got {got}; such an optimizer needs no range "
                "test: use one with a numeric lr, e.g. torch.optim.AdamW(model.parameters(), lr=1e-3)"
            )


def check_grad_mode() -> None:
    """Whether gradients can be had here.

    Raises
    ------
    RuntimeError
        Under ``torch.inference_mode`` or ``torch.no_grad``.
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("need gradients, got torch.inference_mode(); run the range test outside of it")
    if not torch.is_grad_enabled():
        raise RuntimeError("need gradients, got torch.no_grad(); run the range test outside of it")


def check_batch(batch: object, *, has_loss_fn: bool) -> None:
    """Whether a batch has the form that the loss is computed from.

    Raises
    ------
    ValueError
        If it has not; the message shows the form.
    """
    if has_loss_fn:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise ValueError(
                f"need batches (inputs, targets) for loss_fn(model(inputs), targets), got {describe(batch)}; "
                f"let the loader yield pairs, {_FORWARD_HINT}"
            )
    elif not isinstance(batch, Mapping):
        raise ValueError(
            f"need dict batches for model(**batch).loss where loss_fn is None, got {describe(batch)}; "
            f"pass a loss_fn, {_FORWARD_HINT}"
        )


def hint_at_form(batch: object, *, has_loss_fn: bool) -> str | None:
    """What may be wrong with a batch that a function does not take what was made of; None if nothing stands out."""
    parts = tuple(batch.values()) if isinstance(batch, Mapping) else batch
    items = parts if isinstance(parts, tuple | list) else (parts,)
    if any(isinstance(item, np.ndarray) for item in items):
        return "NumPy arrays go to the model as they are; pass tensors: torch.from_numpy(array)"
    if has_loss_fn and len(items) > 2:
        return (
            "all but the last of a batch are inputs, each an argument of the model, and the last are the targets; "
            "pass a list of batches as a list of pairs, [(inputs, targets), ...]"
        )
    return None


def check_loss(loss: object) -> Tensor:
    """Whether this can be trained on: a real tensor of one element with a gradient.

    Raises
    ------
    TypeError
        If it is no real tensor of one element.
    ValueError
        If no gradient leads from it to the parameters.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"need a tensor as the loss, got {describe(loss)}; "
            + (
                "return the loss itself, without .item() or float()"
                if hasattr(loss, "__float__")
                else "no loss was returned: does the batch have `labels`, which a model's own loss needs?"
            )
        )
    if loss.numel() != 1:
        raise TypeError(f"need a loss of one element, got {describe(loss)}; take its mean, e.g. reduction='mean'")
    if not loss.dtype.is_floating_point:
        raise TypeError(f"need a real loss, got {describe(loss)}; take its real part or magnitude, or cast it to float")
    if not loss.requires_grad:
        raise ValueError(
            f"need a loss with a gradient, got {describe(loss)} without one; compute it from the model's output "
            "with no detach(), no no_grad() and no numpy in between"
        )
    return loss


def needs_closure(optimizer: Any) -> bool:
    """Whether ``optimizer.step`` must be given a closure, as LBFGS's."""
    return _has_closure_to_fill(type(optimizer).step)


@cache
def _has_closure_to_fill(step: Callable[..., Any]) -> bool:
    parameters = inspect.signature(step).parameters.values()
    return any(p.name == "closure" and p.default is p.empty for p in parameters)


def check_options(
    *,
    model: object,
    optimizers: Sequence[Any],
    sources: Mapping[str, object],
    ways: Mapping[str, object],
    extras: Mapping[str, object],
    counts: Mapping[str, object],
    also: object,
    snapshot: str,
) -> None:
    """Whether the arguments of a train step fit together.

    Raises
    ------
    TypeError
        If one has the wrong type, or some exclude each other.
    ValueError
        If a number lies outside its range.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"need a torch.nn.Module as the model, got {describe(model)}; wrap several in nn.ModuleList")
    for optimizer in optimizers:
        if not hasattr(optimizer, "param_groups") or not hasattr(optimizer, "step"):
            raise TypeError(
                f"need a torch optimizer, or a list of them, got {describe(optimizer)}; pass torch.optim.SGD(...)"
            )
    _check_sources(sources, ways["loss_fn"])
    for name, way in ways.items():
        _check_function(name, way)
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise TypeError(f"need one way to the loss, got {' and '.join(given)}; pass one of {', '.join(ways)}")
    idle = [name for name, value in extras.items() if value is not None and value is not False]
    if idle and ways["train_step"] is not None:
        raise TypeError(
            f"need no more than a train_step that does the whole step, got {' and '.join(idle)} too; do it in the "
            "function, and name what it changes (a scaler, a scheduler) in also=[...]"
        )
    _check_numbers(counts, extras["max_grad_norm"])
    _check_precision(extras["autocast"], extras["scaler"])
    if extras["record_grad_norm"] not in (True, False):
        raise TypeError(f"need record_grad_norm True or False, got record_grad_norm={extras['record_grad_norm']!r}")
    if not isinstance(also, Iterable) or isinstance(also, str | Mapping | Tensor | nn.Module | DataLoader):
        raise TypeError(f"need a list as also, got {type(also).__name__}; pass also=[scheduler]")
    if snapshot not in ("auto", "device", "host"):
        raise ValueError(f'need snapshot "auto", "device" or "host", got snapshot={snapshot!r}')
    closures = [type(optimizer).__name__ for optimizer in optimizers if needs_closure(optimizer)]
    if closures and (extras["scaler"] is not None or len(optimizers) > 1) and ways["train_step"] is None:
        raise TypeError(
            f"need an optimizer that steps without a closure beside a scaler or other optimizers, got {closures[0]}; "
            "pass train_step=function(batch) -> loss that does the whole step"
        )


def _check_precision(autocast: object, scaler: object) -> None:
    """Whether these can be what a forward pass and its gradients are computed with."""
    if autocast is not None and not (isinstance(autocast, torch.dtype) and autocast.is_floating_point):
        raise TypeError(f"need a float dtype, e.g. torch.bfloat16, or None as autocast, got autocast={autocast!r}")
    if scaler is not None and (isinstance(scaler, type) or not hasattr(scaler, "unscale_")):
        raise TypeError(f"need a gradient scaler or None, got {scaler!r}; pass scaler=torch.amp.GradScaler()")


def _check_sources(sources: Mapping[str, object], loss_fn: object) -> None:
    """Whether there are batches, and none of the sources is a dataset of single samples."""
    if sources["batches"] is None:
        is_misplaced = isinstance(loss_fn, Iterable) and not isinstance(loss_fn, str) and not callable(loss_fn)
        raise TypeError(
            f"need batches, got none, and a {type(loss_fn).__name__} as loss_fn; pass loss_fn=None, batches=loader"
            if is_misplaced
            else "need batches, got none; pass a DataLoader or a list of batches"
        )
    for name, source in sources.items():
        if isinstance(source, Dataset) and not isinstance(source, IterableDataset):
            raise TypeError(f"need {name}, got a Dataset; wrap it in DataLoader(dataset, batch_size=...)")


def _check_function(name: str, value: object) -> None:
    """Whether this is a function or None; a class makes objects, no losses."""
    if isinstance(value, type):
        raise TypeError(f"need a callable {name} or None, got the class {value.__name__}; pass {value.__name__}()")
    if value is not None and not callable(value):
        raise TypeError(f"need a callable {name} or None, got {describe(value)}; pass a function")


def _check_numbers(counts: Mapping[str, object], max_grad_norm: object) -> None:
    """Whether the numbers are numbers, and in their range."""
    for name, least, remedy in (
        ("accumulation_steps", 1, "1 does not accumulate"),
        ("num_validation_batches", 1, "without validation the training loss is recorded"),
        ("lag", 0, "0 reads each loss at once"),
    ):
        checked_count(name, counts[name], least, remedy)
    if max_grad_norm is None:
        return
    if isinstance(max_grad_norm, bool) or not isinstance(max_grad_norm, Real):
        raise TypeError(f"need a number max_grad_norm, got max_grad_norm={max_grad_norm!r}; pass a float")
    if not float(max_grad_norm) > 0:
        raise ValueError(f"need max_grad_norm > 0, got max_grad_norm={max_grad_norm}; None does not clip")
