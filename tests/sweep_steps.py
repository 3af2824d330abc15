"""Train steps for sweeps, in a module that worker processes can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from lrwidget import RestoringStep


def parabola(curvature=1.0, start=4.0):
    """Gradient descent on curvature / 2 * w ** 2: w is multiplied by 1 - lr * curvature at each step."""
    weights = {"w": start}

    def train_fn(lr):
        loss = curvature / 2 * weights["w"] ** 2
        weights["w"] -= lr * curvature * weights["w"]
        return loss

    return RestoringStep(train_fn, save=weights.copy, restore=weights.update)


def timed(seconds):
    """Every step takes so long."""

    def train_step(lr):
        time.sleep(seconds)
        return lr

    return train_step


def mortal(folder, name, num_deaths, at_step=3):
    """Kills its own process at a step, so many times; each beginning is noted in the folder."""
    number = len(list(Path(folder).glob(f"{name}-*")))
    Path(folder, f"{name}-{number}").touch()
    steps = iter(range(1000))

    def train_step(lr):
        if next(steps) == at_step and number < num_deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return -lr

    return train_step


def faulty(where):
    """Fails while it is made, or at its third step, or not at all."""
    if where == "making":
        raise ValueError("no such optimizer")
    steps = iter(range(1000))

    def train_step(lr):
        if next(steps) == 2 and where == "training":
            raise ZeroDivisionError("loss over nothing")
        return lr

    return train_step


def digits_mlp(optimizer, weight_decay, seed, width=64, note_in=None):
    """A small network on random classes; where a folder is given, each call leaves its process's id there."""
    import torch
    from torch import nn

    from lrwidget import TorchStep

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    if note_in is not None:
        Path(note_in, f"{os.getpid()}-{time.monotonic_ns()}").touch()
    inputs, targets = torch.randn(256, 20), torch.randint(0, 5, (256,))
    model = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 5))
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), lr=0.1, weight_decay=weight_decay)
    data = torch.utils.data.TensorDataset(inputs, targets)
    batches = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    return TorchStep(model, optimizer, nn.functional.cross_entropy, batches)
