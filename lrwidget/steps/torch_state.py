"""The state of a PyTorch training, saved once and put back bit for bit.

A snapshot walks from a few roots (model, optimizers, scaler, ...) through every attribute that training may change:
tensors, containers, submodules, schedulers, generators. Each piece of memory is cloned once, however many names it
has, and is copied back *into the same memory*: parameter objects, data pointers, ties and views stay what they were.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from lrwidget.steps.generators import Generator, generator_part, is_generator
from lrwidget.steps.object_parts import (
    ITEMS_TYPES,
    ArrayPart,
    DictPart,
    ItemsPart,
    ObjectPart,
    is_plain,
    is_torch_data,
)
from lrwidget.steps.overlap import RandomStates
from lrwidget.steps.parts import Part, Path, restore_parts
from lrwidget.steps.sources import found_behind, source_parts
from lrwidget.steps.torch_parts import (
    ExtraState,
    LazyPart,
    Memory,
    Place,
    TensorPart,
    memory_blocks,
    num_bytes,
)
from lrwidget.steps.torch_random import random_parts, switch_parts

# Most of what a walk meets, told by its exact type: it cannot change, or is no state.
_CONSTANTS = (int, float, str, bool, type(None), bytes, complex, type, torch.dtype, torch.device)
_OPAQUE_TYPES = frozenset((*_CONSTANTS, FunctionType, BuiltinFunctionType, MethodType))
_HOLLOW_TYPES = frozenset((dict, OrderedDict, list, set))
_STATEFUL_TYPES = (nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler, torch.amp.GradScaler)
_FOLLOWED_TYPES = (Tensor, dict, tuple, np.ndarray, *ITEMS_TYPES, *_STATEFUL_TYPES)

_OOM_REMEDY = 'keep it in host memory with TorchStep(..., snapshot="host")'
_ROOM_FACTOR = 4  # training needs room too: gradients, the moments of a fresh optimizer, activations


class TorchSnapshot:
    """A copy of everything reachable from the roots that training changes, and of the process's random states.

    Parameters
    ----------
    roots
        Name and object of each: modules, optimizers, schedulers, scalers, generators, anything with attributes.
        Of objects found inside them these kinds are followed, and containers, tensors and arrays; of plain objects
        in modules and optimizers, their own attributes.
    sources
        Name and object of each source of batches: what is found behind it is saved too, but for the data.
    device
        Where the model lives: its random state and autocast switches are saved besides the CPU's.
    place
        Where the copies of tensors live: on each tensor's own ``"device"``, in ``"host"`` memory, or ``"auto"``.

    Attributes
    ----------
    generators
        Those of the roots, of what they hold and of the sources, to be seeded anew for a repeat.
    num_bytes
        Size of what the copies of tensors hold.
    place
        Where they live: ``"device"`` or ``"host"``.

    Raises
    ------
    TypeError
        If a root has no attributes that could be saved.
    """

    def __init__(
        self,
        roots: Iterable[tuple[str, object]],
        *,
        sources: Iterable[tuple[str, object]] = (),
        device: torch.device | None = None,
        place: Place | Literal["auto"] = "auto",
    ) -> None:
        self._containers: list[Part] = []
        self._tensors: list[tuple[Path, Tensor]] = []
        self._lazy: list[Part] = []
        self._extras: list[Part] = []
        self._empty: list[Any] = []
        self._plain: list[tuple[Path, Any]] = []
        self._seen: dict[int, object] = {}  # holds the objects, so that ids stay theirs
        self.generators: list[Generator] = []
        self._loaders: list[DataLoader[Any]] = []
        self._walk(roots)
        for name, source in sources:
            self._look_behind(name, source)
        self._flags = [TensorPart(path, tensor) for path, tensor in self._tensors]
        device = device or torch.device("cpu")
        self._blocks = memory_blocks(self._tensors)
        self.num_bytes = sum(num_bytes(live) for _, live in self._blocks)
        self.place: Place = choose_place(self.num_bytes, free_bytes(device)) if place == "auto" else place
        self._memory = self._copy(may_move=place == "auto")
        self._random = RandomStates(random_parts(device))  # last: a snapshot that fails is none
        self._process = [*self._random.parts, *switch_parts(device)]

    def _copy(self, *, may_move: bool) -> list[Memory]:
        """Clone every block of memory; a device that turns out to be full gives way to the host, if it may."""
        try:
            return [Memory(path, live, self.place) for path, live in self._blocks]
        except torch.OutOfMemoryError as error:
            if not may_move or self.place == "host":
                error.add_note(f"lrwidget: a copy of the state takes {self.num_bytes / 1e9:.2f} GB; {_OOM_REMEDY}")
                raise
        self.place = "host"
        return [Memory(path, live, self.place) for path, live in self._blocks]

    def set_grads_aside(self) -> None:
        """Take every gradient off for the run; restoring puts the same objects back."""
        for part in self._flags:
            part.set_grad_aside()

    def set_passes_aside(self) -> None:
        """Have every loader with persistent workers begin anew; restoring puts a pass that is under way back."""
        for loader in self._loaders:
            loader._iterator = None

    def restore(self) -> None:
        """Put everything back.

        Raises
        ------
        RestoreError
            If parts of it could not be put back; all the others were.
        """
        # Containers first: names must point to the tensors that are filled next. Extra state may need all the
        # rest; the random states come last because what goes before could draw from them.
        for container in self._empty:
            if container:
                container.clear()
        parts = [*self._containers, *self._lazy, *self._memory, *self._flags, *self._extras, *self._process]
        try:
            torch.set_grad_enabled(False)  # until its own part puts it back, which leaving `no_grad` would undo
            restore_parts(parts)
        finally:
            self._random.end()

    def _walk(self, roots: Iterable[tuple[str, object]]) -> None:
        """File all that the roots lead to; at last the plain objects, since what they hold is followed no further."""
        for name, root in roots:
            if isinstance(root, _FOLLOWED_TYPES) or is_generator(root):
                self._follow([((name,), root)])
            elif not hasattr(root, "__dict__"):
                raise TypeError(
                    f"need objects with attributes to save, got {name}={root!r}; pass what training changes"
                )
            elif id(root) not in self._seen:
                self._seen[id(root)] = root
                self._plain.append(((name,), root))
        plain, self._plain = self._plain, []
        for path, value in plain:
            todo: list[tuple[Path, Any]] = []
            self._object(path, value, todo)
            self._follow(todo)

    def _look_behind(self, name: str, source: object) -> None:
        """File what is behind a source of batches. Generators are seeded anew for a repeat, so each comes once."""
        for path, value in found_behind(name, source):
            if is_generator(value):
                self._follow([((path,), value)])
                continue
            self._containers += source_parts(path, value)
            if isinstance(value, DataLoader):
                self._loaders.append(value)

    def _follow(self, todo: list[tuple[Path, Any]]) -> None:
        while todo:
            path, value = todo.pop()
            if id(value) not in self._seen:
                self._seen[id(value)] = value
                self._visit(path, value, todo)

    def _visit(self, path: Path, value: Any, todo: list[tuple[Path, Any]]) -> None:
        """File one object under what restores it, and put what it holds on the list."""
        if isinstance(value, dict):
            self._containers.append(DictPart(path, value))
            self._list(path, value.items(), todo)
        elif isinstance(value, Tensor):
            if is_lazy(value):
                self._lazy.append(LazyPart(path, value))
            else:
                self._tensors.append((path, value))
                attributes = value.__dict__  # what users have hung on it; the tensors that a wrapper is made of
                if attributes:
                    todo.append((path, attributes))
                else:
                    self._empty.append(attributes)
        elif isinstance(value, ITEMS_TYPES):
            self._containers.append(ItemsPart(path, value))
            self._list(path, enumerate(value), todo)
        elif isinstance(value, tuple):
            self._list(path, enumerate(value), todo)
        elif isinstance(value, _STATEFUL_TYPES):
            self._object(path, value, todo)
        elif isinstance(value, np.ndarray):
            self._containers.append(ArrayPart(path, value))
        elif is_generator(value):
            self._containers.append(generator_part(path, value))
            self.generators.append(value)
        elif _is_followed(value):
            self._plain.append((path, value))

    def _list(self, path: Path, items: Iterable[tuple[Any, Any]], todo: list[tuple[Path, Any]]) -> None:
        """Put what the walk must look at on its list. Empty containers, the hooks of most modules, are noted here."""
        for key, item in items:
            kind = type(item)
            if kind in _OPAQUE_TYPES:
                continue
            if kind in _HOLLOW_TYPES and not item:
                self._empty.append(item)
            else:
                todo.append(((*path, key), item))

    def _object(self, path: Path, value: Any, todo: list[tuple[Path, Any]]) -> None:
        self._containers.append(ObjectPart(path, value))
        self._list(path, vars(value).items(), todo)
        kind = type(value)
        if isinstance(value, torch.jit.ScriptModule):  # what it has lives outside of Python
            held = (value.named_parameters(recurse=False), value.named_buffers(recurse=False), value.named_children())
            todo.extend(((*path, name), item) for name, item in chain(*held))
            mode = value.training
            self._extras.append(Part((*path, "training"), lambda: setattr(value, "training", mode)))
        if (
            isinstance(value, nn.Module)
            and kind.get_extra_state is not nn.Module.get_extra_state
            and kind.set_extra_state is not nn.Module.set_extra_state
        ):
            self._extras.append(ExtraState(path, value))


def is_stateful(held: Any) -> bool:
    """Whether a function that holds this may well change it: a criterion, an optimizer, a generator, another model."""
    if type(held) in _OPAQUE_TYPES:
        return False
    return isinstance(held, _STATEFUL_TYPES) or is_generator(held) or (callable(held) and _is_followed(held))


def _is_followed(value: Any) -> bool:
    """Whether an object is state, with all tensors among its attributes; those of data may be large."""
    return is_plain(value) and not is_torch_data(value)


def choose_place(num_bytes: int, free: int | None) -> Place:
    """Where a copy of this size should live: on the device where it takes at most a quarter of what is free there.

    Parameters
    ----------
    num_bytes
        Size of the copy.
    free
        Bytes to be had on the device; None where device and host are the same.
    """
    return "device" if free is None or num_bytes * _ROOM_FACTOR <= free else "host"


def free_bytes(device: torch.device) -> int | None:
    """What an allocation on the device may still take; None for devices that share the host's memory."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
