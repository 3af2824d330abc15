"""Saving and restoring the state of a training: time against one fresh clone, and extra memory at the peak."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from lrwidget.steps.torch_state import TorchSnapshot
from tests.benchmarks.measuring import environment, ratios, rounds, spread, table

WIDTH = 3000  # squared, four layers: 36M parameters; each matrix is too large for memory that is kept for reuse


def training(width: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model with a warm Adam; no gradients."""
    model = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(4)))
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return model, optimizer


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    moments = [value for state in optimizer.state.values() for value in state.values()]
    return [*(parameter.detach() for parameter in model.parameters()), *moments]


def save_and_restore(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    TorchSnapshot([("model", model), ("optimizer", optimizer)]).restore()


def fresh_clone(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    [tensor.clone() for tensor in tensors_of(model, optimizer)]


def torch_lr_finder(model: nn.Module, optimizer: torch.optim.Optimizer, in_memory: bool) -> None:
    from torch_lr_finder.lr_finder import StateCacher

    with tempfile.TemporaryDirectory() as folder:
        cacher = StateCacher(in_memory, cache_dir=None if in_memory else folder)
        cacher.store("model", model.state_dict())
        cacher.store("optimizer", optimizer.state_dict())
        model.load_state_dict(cacher.retrieve("model"))
        optimizer.load_state_dict(cacher.retrieve("optimizer"))


def checkpoint_on_disk(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """What Lightning, ignite and fastai do at heart."""
    with tempfile.NamedTemporaryFile() as file:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file.name)
        saved = torch.load(file.name)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])


CONTENDERS: dict[str, Callable[[nn.Module, torch.optim.Optimizer], None]] = {
    "one fresh clone": fresh_clone,
    "ours": save_and_restore,
    "torch-lr-finder, memory": partial(torch_lr_finder, in_memory=True),
    "torch-lr-finder, disk": partial(torch_lr_finder, in_memory=False),
    "checkpoint on disk": checkpoint_on_disk,
}
ON_DISK = ("torch-lr-finder, disk", "checkpoint on disk")

_PEAK = """
import json, resource, torch
from tests.benchmarks import engine_state as bench
bench.CONTENDERS[{name!r}](*bench.training(100))  # imports and small change
model, optimizer = bench.training({width})
size = sum(tensor.nbytes for tensor in bench.tensors_of(model, optimizer))
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # forget the peak so far
def peak(): return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
before = peak()
bench.CONTENDERS[{name!r}](model, optimizer)
print(json.dumps((peak() - before) / size))
"""


def peak_copies(name: str, width: int) -> float:
    """Extra memory at the peak, in copies of the state: a process of its own, as the kernel counts it."""
    code = _PEAK.format(name=name, width=width)
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    return float(json.loads(run.stdout))


def main(full: bool = False) -> None:
    """Print time and peak memory of each way to save and restore."""
    width = 5000 if full else WIDTH
    model, optimizer = training(width)
    tensors = tensors_of(model, optimizer)
    num_bytes = sum(tensor.nbytes for tensor in tensors)
    print(f"# Save and restore {num_bytes / 1e6:.0f} MB of parameters and Adam state\n")
    print(f"Ratios to one fresh clone within a round. {environment()}.\n")
    copies = [tensor.clone() for tensor in tensors]

    def memcpy() -> None:
        for tensor, copy in zip(tensors, copies, strict=True):
            tensor.copy_(copy)

    contenders = {name: partial(partial, function, model, optimizer) for name, function in CONTENDERS.items()}
    reference = {"one fresh clone": contenders["one fresh clone"]}
    on_disk = {name: contenders.pop(name) for name in ON_DISK}
    # Apart, and fewer: what the disk does to the machine's memory is felt for a while after it.
    times = rounds({**contenders, "one memcpy into touched memory": lambda: memcpy}, 41 if full else 15)
    disk_times = rounds({**reference, **on_disk}, 7 if full else 2)
    rows = [
        [
            name,
            spread(ratios(taken, name, "one fresh clone", "wall")),
            spread(ratios(taken, name, "one fresh clone", "cpu")),
            f"{peak_copies(name, width):.2f}" if name in CONTENDERS else "0",
        ]
        for taken, names in ((times, times), (disk_times, ON_DISK))
        for name in names
    ]
    print(table(["", "wall", "CPU", "extra copies at the peak"], rows))
