"""Reading losses off a device without waiting for it: they are copied behind the work and read some steps later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lrwidget.steps import StepOutput, StepReturn

ReadBack: TypeAlias = Callable[[Tensor, Tensor | None], StepReturn]
"""From the loss and the gradient norm of a step to what the step returns."""


class PendingNumber:
    """A number on its way from the device; ``float()`` waits for it if it must."""

    __slots__ = ("_event", "_slot", "_value")

    def __init__(self, slot: Tensor, event: Any) -> None:
        self._slot: Tensor | None = slot
        self._event = event
        self._value = 0.0

    def __float__(self) -> float:
        if self._slot is not None:
            if self._event is not None:
                self._event.synchronize()
            self._value = float(self._slot)
            self._slot = None
        return self._value


class Readback:
    """A ring of host slots that device numbers are copied into, in the order of the device's work.

    Parameters
    ----------
    num_pending
        How many numbers may be on their way at once; one more makes the oldest wait to be read.
    device
        Where the numbers come from. On a CUDA device the slots are pinned and nothing waits.
    """

    def __init__(self, num_pending: int, device: torch.device) -> None:
        self._is_cuda = device.type == "cuda"
        self._slots = torch.empty(num_pending, dtype=torch.float64, device="cpu", pin_memory=self._is_cuda).unbind()
        self._numbers: list[PendingNumber | None] = [None] * num_pending
        self._next = 0

    def send(self, value: Tensor) -> PendingNumber:
        """Start the copy of a number of one element."""
        index, self._next = self._next, (self._next + 1) % len(self._slots)
        oldest = self._numbers[index]
        if oldest is not None:
            float(oldest)  # its slot is about to be used again
        slot = self._slots[index]
        slot.copy_(value.detach().reshape(()), non_blocking=True)
        event = torch.cuda.Event() if self._is_cuda else None  # type: ignore[no-untyped-call]
        if event is not None:
            event.record()
        number = self._numbers[index] = PendingNumber(slot, event)
        return number


def make_reader(lag: int, device: torch.device) -> ReadBack:
    """The function that hands a step's loss and norm to the engine: read now, or on their way."""
    if lag == 0:
        return _read_now
    losses, norms = Readback(lag + 1, device), Readback(lag + 1, device)

    def send(loss: Tensor, norm: Tensor | None) -> StepReturn:
        number = losses.send(loss)
        return number if norm is None else StepOutput(number, norms.send(norm))

    return send


def _read_now(loss: Tensor, norm: Tensor | None) -> StepReturn:
    return loss.item() if norm is None else StepOutput(loss.item(), norm.item())
