"""One optimizer step as a function with everything looked up beforehand, so that a step costs what it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lrwidget.steps import SKIPPED, StepReturn
from lrwidget.steps.torch_checks import needs_closure
from lrwidget.steps.torch_forward import Compute
from lrwidget.steps.torch_readback import Reader


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
        rates = [float(group["lr"]) for group in groups]
        if not any(rates):
            rates = [float(group.get("initial_lr", 1.0)) for group in groups]
        highest = max(rates, key=abs) or 1.0
        tensors = [isinstance(group["lr"], Tensor) for group in groups]
        self._filled = [(g["lr"], r / highest) for g, r, tensor in zip(groups, rates, tensors, strict=True) if tensor]
        self._written = [(g, r / highest) for g, r, tensor in zip(groups, rates, tensors, strict=True) if not tensor]

    def set(self, lr: float) -> None:
        """Write the rate into every group."""
        for group, ratio in self._written:
            group["lr"] = lr * ratio
        for tensor, ratio in self._filled:
            tensor.fill_(lr * ratio)


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

    def build(self, compute: Compute, batches: Iterator[Any]) -> Callable[[], Any]:
        """A function that takes one optimizer step and returns (loss, norm or None), or SKIPPED."""
        if needs_closure(self.optimizers[0]):
            return self._with_closure(compute, batches)
        simple = self.accumulation_steps == 1 and self.scaler is None and not self._wants_norm
        if simple and len(self.optimizers) == 1:
            return _plain(self.optimizers[0], compute, batches)
        return self._general(compute, batches)

    @property
    def _wants_norm(self) -> bool:
        return self.record_grad_norm or self.max_grad_norm is not None

    def _general(self, compute: Compute, batches: Iterator[Any]) -> Callable[[], Any]:
        parameters = [p for o in self.optimizers for group in o.param_groups for p in group["params"]]
        gradients = self._gradients(compute)
        num_batches = self.accumulation_steps

        def step() -> Any:
            loss = gradients([next(batches) for _ in range(num_batches)])
            norm = self._norm(parameters)
            return (loss, norm) if self._step() else SKIPPED

        return step

    def _with_closure(self, compute: Compute, batches: Iterator[Any]) -> Callable[[], Any]:
        optimizer = self.optimizers[0]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = self._gradients(compute)

        def step() -> Any:
            micro = [next(batches) for _ in range(self.accumulation_steps)]
            outputs: list[tuple[Tensor, Tensor | None]] = []

            def closure() -> Tensor:
                with torch.enable_grad():
                    loss = gradients(micro)
                outputs.append((loss, self._norm(parameters)))
                return loss

            optimizer.step(closure)
            return outputs[0]  # evaluated where the step began

        return step

    def _gradients(self, compute: Compute) -> Callable[[Sequence[Any]], Tensor]:
        """A function that leaves the mean gradient of some batches in the parameters and returns their mean loss."""
        scale: Callable[[Any], Any] = self.scaler.scale if self.scaler is not None else _unscaled

        def gradients(micro: Sequence[Any]) -> Tensor:
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            losses = []
            for batch in micro:
                loss = compute(batch)
                losses.append(loss.detach())
                share: Any = loss if len(micro) == 1 else loss / len(micro)
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


def _plain(optimizer: Any, compute: Compute, batches: Iterator[Any]) -> Callable[[], Any]:
    def step() -> Any:
        optimizer.zero_grad()
        loss: Any = compute(next(batches))
        loss.backward()
        optimizer.step()
        return loss, None

    return step


def _unscaled(loss: Tensor) -> Tensor:
    return loss


def total_norm(grads: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together; of a sparse one, its stored values count."""
    dense = [grad.coalesce().values() if grad.is_sparse else grad for grad in grads]
    if not dense:
        return torch.zeros(())
    norms = torch._foreach_norm(dense)
    same = [norm.to(norms[0].device, norms[0].dtype) for norm in norms]
    total: Tensor = torch.linalg.vector_norm(torch.stack(same))
    return total


def clip(parameters: Sequence[Tensor], max_norm: float, norm: Tensor) -> None:
    """Scale the gradients down to a total norm of ``max_norm``, as ``torch.nn.utils.clip_grad_norm_`` does."""
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor.to(parameter.grad.device))


def whole_step(
    set_lr: Callable[[float], None],
    update: Callable[[], Any],
    measure: Callable[[], Tensor] | None,
    read: Reader,
) -> Callable[[float], StepReturn]:
    """One step: set the rates, update, hand out what is recorded."""

    def step(lr: float) -> StepReturn:
        set_lr(lr)
        output = update()
        if output is SKIPPED:
            return SKIPPED
        loss, norm = output
        return read(loss if measure is None else measure(), norm)

    return step


def own_step(
    set_lr: Callable[[float], None],
    train_step: Callable[[Any], Any],
    batches: Iterator[Any],
    read: Reader | None,
) -> Callable[[float], StepReturn]:
    """One step that the user's own function does, whatever it returns."""

    def step(lr: float) -> StepReturn:
        set_lr(lr)
        output: StepReturn = train_step(next(batches))
        if read is not None and isinstance(output, Tensor):
            return read(output, None)
        return output

    return step
