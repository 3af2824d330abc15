"""What a thread does not inherit from the one that starts it, carried over.

A worker thread begins with PyTorch's defaults: gradients on, no autocast, no default device, CUDA device 0. A run in a
worker must train as the same lines in a cell would, so the caller's settings are noted and entered again there.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

T = TypeVar("T")
_Enter = Callable[[], AbstractContextManager[Any]]

_AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")


class CallerContext:
    """The context variables of the thread that makes it, and its PyTorch settings where PyTorch is loaded.

    PyTorch is never imported for this: who has not imported it has set nothing in it.
    """

    def __init__(self) -> None:
        self._variables = contextvars.copy_context()
        torch = sys.modules.get("torch")
        self._settings = _torch_settings(torch) if hasattr(torch, "get_default_device") else []

    def run(self, function: Callable[[], T]) -> T:
        """Call the function in this thread under the noted context."""
        return self._variables.copy().run(self._enter_and_call, function)

    def _enter_and_call(self, function: Callable[[], T]) -> T:
        with ExitStack() as stack:
            for enter in self._settings:
                stack.enter_context(enter())
            return function()


def _torch_settings(torch: Any) -> list[_Enter]:
    """Functions that enter again what this thread has set; nothing for what stands at its default."""
    settings: list[_Enter] = []
    device = torch.empty(0).device  # get_default_device() sees no `with torch.device(...)` in PyTorch 2.6
    if device != torch.device("cpu"):
        # As a function of the device: entering it slows every call a little, so only where it was asked for.
        settings.append(lambda: torch.device(device))
    if torch.cuda.is_initialized():
        index = torch.cuda.current_device()
        settings.append(lambda: torch.cuda.device(index))
    settings += [_autocast(torch, kind) for kind in _AUTOCAST_DEVICES if torch.is_autocast_enabled(kind)]
    if torch.is_inference_mode_enabled():
        settings.append(torch.inference_mode)
    elif not torch.is_grad_enabled():
        settings.append(torch.no_grad)
    return settings


def _autocast(torch: Any, kind: str) -> _Enter:
    dtype, cache = torch.get_autocast_dtype(kind), torch.is_autocast_cache_enabled()
    return lambda: torch.autocast(kind, dtype=dtype, cache_enabled=cache)
