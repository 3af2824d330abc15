"""The pieces of a PyTorch training state that are made of tensors, each knowing how to put itself back."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from lrwidget.steps.parts import Part, Path

Place: TypeAlias = Literal["device", "host"]

_DENSE = (torch.strided, torch._mkldnn)  # type: ignore[attr-defined]


class ExtraState(Part):
    """What a module returns from its own ``get_extra_state``."""

    __slots__ = ("_module", "_saved")

    def __init__(self, path: Path, module: nn.Module) -> None:
        super().__init__((*path, "extra_state"))
        self._module = module
        self._saved = copy.deepcopy(module.get_extra_state())

    def restore(self) -> None:
        """Hand it to the module's ``set_extra_state``."""
        self._module.set_extra_state(self._saved)


class Memory(Part):
    """The contents of one tensor, or of a storage that several tensors share."""

    __slots__ = ("_live", "_version", "saved")

    def __init__(self, path: Path, live: Tensor, place: Place) -> None:
        super().__init__(path)
        self._live = live
        self._version = _version(live)
        self.saved = live.detach().to("cpu", copy=True) if place == "host" else live.detach().clone()

    def restore(self) -> None:
        """Copy the contents back into the same memory, unless they are the same: it may be read-only."""
        if self._live.device.type == "cpu" and _version(self._live) == self._version and self._is_unchanged():
            return
        self._live.copy_(self.saved)

    def _is_unchanged(self) -> bool:
        live, saved = self._live, self.saved
        if live.layout is not torch.strided or not live.is_contiguous() or live.shape != saved.shape:
            return False
        words = _widest_words(live)  # as fast as copying; byte by byte it takes eight times as long
        return torch.equal(_as_words(live, words), _as_words(saved, words))


class TensorPart(Part):
    """What a tensor object has besides its contents: its place in memory, requires_grad, grad, hooks."""

    __slots__ = ("_alias", "_grad", "_hooks", "_is_leaf", "_requires_grad", "tensor")

    def __init__(self, path: Path, tensor: Tensor) -> None:
        super().__init__(path)
        self.tensor = tensor
        self._is_leaf = tensor.is_leaf
        self._alias = own_memory(tensor).detach()  # keeps it alive, should training point the tensor elsewhere
        self._requires_grad = tensor.requires_grad
        self._grad = tensor.grad if self._is_leaf else None
        self._hooks = _hooks_of(tensor)

    def set_grad_aside(self) -> None:
        """Take the gradient off for the run. The object itself is kept, so it needs no copy."""
        if self._grad is not None:
            self.tensor.grad = None

    def restore(self) -> None:
        """Point the tensor to its own memory again and put its flags, gradient and hooks back."""
        tensor = self.tensor
        memory = own_memory(tensor)
        try:
            is_elsewhere = memory.layout is torch.strided and not memory.is_set_to(self._alias)
        except (NotImplementedError, TypeError):  # on meta, quantized, nested, a wrapper: no place that it could leave
            is_elsewhere = False
        if is_elsewhere:
            memory.data = self._alias
        if not self._is_leaf:
            return
        if not tensor.is_leaf:
            tensor.detach_()
        if tensor.requires_grad != self._requires_grad:
            tensor.requires_grad_(self._requires_grad)
        if tensor.grad is not self._grad:
            tensor.grad = self._grad
        if self._hooks or _hooks_of(tensor):
            self._restore_hooks()

    def _restore_hooks(self) -> None:
        for slot, (hooks, _) in _hooks_of(self.tensor).items():
            if slot not in self._hooks:
                hooks.clear()
        for hooks, entries in self._hooks.values():
            hooks.clear()
            hooks.update(entries)


def _hooks_of(tensor: Any) -> dict[str, tuple[dict[int, Any], dict[int, Any]]]:
    """The dictionaries of hooks that a tensor has, by their slot, each with a copy."""
    of_backward, of_accumulation = tensor._backward_hooks, tensor._post_accumulate_grad_hooks
    if of_backward is None and of_accumulation is None:
        return {}
    slots = {"backward": of_backward, "accumulation": of_accumulation}
    return {slot: (hooks, dict(hooks)) for slot, hooks in slots.items() if hooks is not None}


class LazyPart(Part):
    """A parameter or buffer that has no shape yet: it gets one in the run and loses it again."""

    __slots__ = ("_class", "tensor")

    def __init__(self, path: Path, tensor: Tensor) -> None:
        super().__init__(path)
        self.tensor = tensor
        self._class = type(tensor)

    def restore(self) -> None:
        """Take shape, contents and gradient away."""
        if type(self.tensor) is self._class:
            return
        self.tensor.grad = None
        self.tensor.data = torch.empty(0, dtype=self.tensor.dtype, device=self.tensor.device)
        self.tensor.__class__ = self._class


def memory_blocks(tensors: Iterable[tuple[Path, Tensor]]) -> list[tuple[Path, Tensor]]:
    """The memory behind the tensors, each piece once: what several of them share (ties, views) comes as a whole."""
    blocks: list[tuple[Path, Tensor]] = []
    sharing: dict[tuple[torch.device, int], list[tuple[Path, Tensor]]] = {}
    for path, outer in tensors:
        tensor = own_memory(outer)
        address = _address(tensor)
        if address:
            sharing.setdefault((tensor.device, address), []).append((path, tensor))
        elif not _is_hollow(tensor):
            blocks.append((path, tensor))
    for (path, tensor), *others in sharing.values():
        alone = not others and not _is_coded(tensor) and tensor.is_contiguous()
        blocks.append((path, tensor.detach() if alone else _whole_storage(tensor)))
    return blocks


def own_memory(tensor: Tensor) -> Tensor:
    """The tensor that holds the memory: of one that is sharded over several processes, this process's part."""
    local: Tensor = getattr(tensor, "_local_tensor", tensor)
    return local


def _address(tensor: Tensor) -> int:
    """Where the memory of a tensor begins; 0 where it has none of its own (sparse, wrappers of other tensors)."""
    if tensor.layout is not torch.strided or _is_wrapper(tensor):
        return 0
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def _is_wrapper(tensor: Tensor) -> bool:
    """Whether operations on a tensor run Python code of its class, which passes them on to other tensors."""
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def _is_hollow(tensor: Tensor) -> bool:
    """Whether a tensor without an address has no contents, or those of the tensors among its attributes."""
    return tensor.is_meta or (_is_wrapper(tensor) and bool(vars(tensor)))


def _is_coded(tensor: Tensor) -> bool:
    """Whether the numbers of a tensor are not what its memory reads as: they are copied as bytes."""
    return tensor.is_quantized or tensor.is_nested or tensor.is_conj() or tensor.is_neg()


def num_bytes(tensor: Tensor) -> int:
    """The size of a tensor's contents; of a sparse one, of its stored values."""
    return tensor.nbytes if tensor.layout in _DENSE else tensor._nnz() * tensor.element_size()


def _version(tensor: Tensor) -> int:
    """How often PyTorch has written to a tensor; what writes past it (NumPy, ``.data``) does not count."""
    return -1 if tensor.is_inference() else tensor._version


def _widest_words(contiguous: Tensor) -> torch.dtype:
    """The largest integers that a tensor's memory is a whole number of, from its place in the storage on."""
    first_byte = contiguous.storage_offset() * contiguous.element_size()
    words = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.uint8}
    return next(dtype for size, dtype in words.items() if (first_byte | contiguous.nbytes) % size == 0)


def _as_words(contiguous: Tensor, dtype: torch.dtype) -> Tensor:
    return contiguous.detach().reshape(-1).view(dtype)


def _whole_storage(tensor: Tensor) -> Tensor:
    return torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())
