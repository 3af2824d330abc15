"""One optimizer step as a function with everything looked up beforehand, so that a step costs what it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lrwidget.steps.torch_checks import needs_closure
from lrwidget.steps.torch_forward import Compute

Outcome: TypeAlias = tuple[Tensor, Tensor | None] | None
"""The loss and the gradient norm of a step, where it is wanted; None for a step that the scaler skipped."""

Updater: TypeAlias = Callable[[], Outcome]


class LearningRates:
    """The learning rates of all groups as one number: the highest is it, the others keep their ratio to it.

    A tensor is filled in place, as compiled optimizers need it. Where every rate is 0 (the foot of a warm-up) the
    ratios are those of ``initial_lr``.

    Parameters
    ----------
    optimizers
        Those whose groups are set.
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        rates = [_number(group["lr"]) for group in groups]
        if not any(rates):
            rates = [_number(group.get("initial_lr", 1.0)) for group in groups]
        if not any(rates):
            rates = [1.0] * len(groups)
        highest = max(rates, key=abs)
        ratios = iter([rate / highest for rate in rates])
        # The groups themselves are looked up anew each time: load_state_dict, in a step of the user's, makes others.
        self._ratios = [(optimizer, [next(ratios) for _ in optimizer.param_groups]) for optimizer in optimizers]

    @property
    def is_single(self) -> bool:
        """Whether the rate is written as it is to one group, where it is no tensor."""
        (optimizer, ratios), *others = self._ratios
        return not others and len(ratios) == 1 and not isinstance(optimizer.param_groups[0]["lr"], Tensor)

    def set(self, lr: float) -> None:
        """Write the rate into every group."""
        for optimizer, ratios in self._ratios:
            for group, ratio in zip(optimizer.param_groups, ratios, strict=False):  # a step may have added a group
                if isinstance(group["lr"], Tensor):
                    group["lr"].detach().fill_(lr * ratio)  # it may require a gradient of its own
                else:
                    group["lr"] = lr * ratio


def _number(rate: Any) -> float:
    return float(rate.detach() if isinstance(rate, Tensor) else rate)  # one that has a gradient is not lightly a number


def grad_clearer(optimizer: Any) -> Callable[[], object]:
    """What ``optimizer.zero_grad()`` does, without its entry for the profiler, which costs more than the work itself.

    Parameters
    ----------
    optimizer
        One that has a ``zero_grad`` of its own, or has had it replaced, keeps it.
    """
    if getattr(optimizer.zero_grad, "__func__", None) is not torch.optim.Optimizer.zero_grad:
        own: Callable[[], object] = optimizer.zero_grad
        return own

    def clear() -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    return clear


def momentum_setter(optimizers: Sequence[Any]) -> Callable[[float], None] | None:
    """What writes a momentum into every group (Adam's family: the first beta); None where a group has none.

    Parameters
    ----------
    optimizers
        Those whose groups are set.
    """

    def groups() -> Iterator[dict[str, Any]]:
        return (group for optimizer in optimizers for group in optimizer.param_groups)

    if not all({"betas", "momentum"} & group.keys() for group in groups()):
        return None

    def set_momentum(momentum: float) -> None:
        for group in groups():
            if "betas" not in group:
                group["momentum"] = momentum
            elif isinstance(group["betas"][0], Tensor):
                group["betas"][0].fill_(momentum)
            else:
                group["betas"] = (momentum, *group["betas"][1:])

    return set_momentum


@dataclass(frozen=True)
class Update:
    """How gradients become an optimizer step.

    Parameters
    ----------
    optimizers
        All are stepped after each backward pass.
    accumulation_steps
        Batches whose gradients are averaged into one step.
    max_grad_norm
        Gradients are scaled down to this total norm, if it is higher.
    record_grad_norm
        Whether to return the total norm, before clipping.
    scaler
        A gradient scaler for half precision.
    """

    optimizers: Sequence[Any]
    accumulation_steps: int = 1
    max_grad_norm: float | None = None
    record_grad_norm: bool = False
    scaler: Any = None

    @property
    def needs_closure(self) -> bool:
        """Whether an optimizer evaluates the loss itself, as LBFGS does."""
        return any(needs_closure(optimizer) for optimizer in self.optimizers)

    @property
    def is_plain(self) -> bool:
        """Whether this is nothing but zero_grad, backward and one optimizer's step."""
        special = self.needs_closure or self.accumulation_steps > 1 or self.scaler is not None or self._wants_norm
        return not special and len(self.optimizers) == 1

    def build(self, compute: Compute, batches: Iterator[Any]) -> Updater:
        """A function that takes one optimizer step and returns (loss, norm or None)."""
        if self.needs_closure:
            return self._with_closure(compute, batches)
        return self._general(compute, batches)

    @property
    def _wants_norm(self) -> bool:
        return self.record_grad_norm or self.max_grad_norm is not None

    def _general(self, compute: Compute, batches: Iterator[Any]) -> Updater:
        # each once: several optimizers may share one
        parameters = list({id(p): p for o in self.optimizers for g in o.param_groups for p in g["params"]}.values())
        gradients = self._gradients(compute)

        def step() -> Outcome:
            loss = gradients(batches)
            norm = self._norm(parameters)
            if self._step() or not loss.isfinite():  # no loss scale mends a loss that is not finite itself
                return loss, norm
            return None

        return step

    def _with_closure(self, compute: Compute, batches: Iterator[Any]) -> Updater:
        optimizer = self.optimizers[0]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = self._gradients(compute)

        def step() -> Outcome:
            micro = [next(batches) for _ in range(self.accumulation_steps)]
            outputs: list[tuple[Tensor, Tensor | None]] = []

            def closure() -> Tensor:
                with torch.enable_grad():
                    loss = gradients(iter(micro))
                outputs.append((loss, self._norm(parameters)))
                return loss

            optimizer.step(closure)
            return outputs[0]  # evaluated where the step began

        return step

    def _gradients(self, compute: Compute) -> Callable[[Iterator[Any]], Tensor]:
        """A function that leaves the mean gradient of the next batches in the parameters and returns their mean loss.

        Each batch is drawn when it is needed, so that one at a time is held and noise falls as in a loop by hand.
        """
        num_batches = self.accumulation_steps
        scale: Callable[[Any], Any] = self.scaler.scale if self.scaler is not None else _unscaled
        clearers = [grad_clearer(optimizer) for optimizer in self.optimizers]

        def gradients(batches: Iterator[Any]) -> Tensor:
            for clear in clearers:
                clear()
            losses = []
            for _ in range(num_batches):
                loss = compute(next(batches))
                losses.append(loss.detach())
                share: Any = loss if num_batches == 1 else loss / num_batches
                scale(share).backward()
            return losses[0] if len(losses) == 1 else torch.stack(losses).mean()

        return gradients

    def _norm(self, parameters: Sequence[Tensor]) -> Tensor | None:
        if not self._wants_norm:
            return None
        if self.scaler is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        norm = total_norm([p.grad for p in parameters if p.grad is not None])
        if self.max_grad_norm is not None:
            clip(parameters, self.max_grad_norm, norm)
        return norm

    def _step(self) -> bool:
        """Step every optimizer; False if the scaler skipped the step."""
        if self.scaler is None:
            for optimizer in self.optimizers:
                optimizer.step()
            return True
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        scale = self.scaler.get_scale()
        self.scaler.update()
        return bool(self.scaler.get_scale() >= scale)


def _unscaled(loss: Tensor) -> Tensor:
    return loss


def total_norm(grads: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together; of a sparse one, its stored values count."""
    dense = [grad.coalesce().values() if grad.is_sparse else grad for grad in grads]
    if not dense:
        return torch.zeros(())
    norms = torch._foreach_norm(dense)
    # Stacked, norms of several dtypes come in one that holds them all, as in `clip_grad_norm_`.
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return total


def clip(parameters: Sequence[Tensor], max_norm: float, norm: Tensor) -> None:
    """Scale the gradients down to a total norm of ``max_norm``, as ``torch.nn.utils.clip_grad_norm_`` does."""
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor.to(parameter.grad.device))
