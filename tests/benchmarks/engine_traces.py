"""What a range test of each peer leaves behind: the table of the tests, taken of the peers as well.

The training is the one of the tests, without what the peers refuse: no scheduler is attached and no scaler is used;
and the loss function draws random numbers, no more.
"""

from __future__ import annotations

import contextlib
import io
import random
import warnings
from collections.abc import Callable

import numpy as np
import torch

from lrwidget import LearningRateFinder, TorchStep
from tests.benchmarks import engine_tasks
from tests.benchmarks.engine_tasks import LossFn, Task
from tests.benchmarks.measuring import table
from tests.torch_training import THINGS, UNTOUCHED, Training, fingerprints

NUM_STEPS = 30
FAULT_STEP = 20
NUM_FOLLOWING = 100


def raising(error: type[BaseException]) -> Callable[[], None]:
    def action() -> None:
        raise error("injected")

    return action


WAYS = {"normal end": None, "exception": raising(ValueError), "Ctrl-C": raising(KeyboardInterrupt)}


def noisy(loss_fn: LossFn) -> LossFn:
    """The same loss function, drawing from Python's and NumPy's global generators on its way."""

    def noisy_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        random.random(), np.random.random()  # noqa: NPY002
        return loss_fn(outputs, targets)

    return noisy_loss


def ours(training: Training) -> None:
    step = TorchStep(training.model, training.optimizer, noisy(training.loss_fn), training.loader)
    LearningRateFinder(1e-6, 1e-3, NUM_STEPS, divergence="never").range_test(step)


def peer(name: str) -> Callable[[Training], None]:
    """The peer's range test over the training, with the training's own loss function."""

    def run(training: Training) -> None:
        task = Task(training.model, training.optimizer, training.loader, NUM_STEPS)
        engine_tasks.PEERS[name](task, noisy(training.loss_fn))()

    return run


TOOLS = {"lrwidget": ours, **{name: peer(name) for name in engine_tasks.PEERS}}


def damage(tool: Callable[[Training], None], way: str) -> tuple[set[str], bool]:
    """The things that are not what they were, and whether the next 100 losses are."""
    expected = Training(has_scheduler=False).losses(NUM_FOLLOWING)
    training = Training(has_scheduler=False)
    before = fingerprints(training)
    action = WAYS[way]
    if action is not None:
        training.fault.arm("loss", FAULT_STEP, action)
    # Peers print, warn, and turn a Ctrl-C into an exit.
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with contextlib.suppress(ValueError, KeyboardInterrupt, SystemExit):
            tool(training)
    training.fault.disarm()
    after = fingerprints(training)
    damaged = {name for name in before if before[name] != after[name]}
    if "default dtype" in damaged:
        return damaged, False
    return damaged, training.losses(NUM_FOLLOWING) == expected


def main() -> None:
    """Print things x tools, one letter for each way out."""
    print("# What is left behind: y = bit for bit as before, no = not\n")
    print("After: " + ", ".join(WAYS) + " (the last two at step 20 of 30).\n")
    found = {name: [damage(tool, way) for way in WAYS] for name, tool in TOOLS.items()}
    rows = []
    for thing in (*THINGS, *UNTOUCHED):
        if thing in ("scheduler", "scaler"):
            continue  # not part of this training
        rows.append([thing, *(" ".join("no" if thing in d else "y" for d, _ in found[name]) for name in TOOLS)])
    rows.append(
        ["*the next 100 losses*", *(" ".join("y" if same else "no" for _, same in found[name]) for name in TOOLS)]
    )
    print(table(["", *TOOLS], rows))
