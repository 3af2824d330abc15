"""The trainings that range tests are timed on, and how each contender runs one over them."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from lrwidget import LearningRateFinder, RangeTest, TorchStep

LossFn = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

MIN_LR, MAX_LR = 1e-6, 1e-3  # nothing diverges, so all take the same steps


@dataclass
class Task:
    """A model, its optimizer and its batches; made anew for every run that is timed."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loader: DataLoader
    num_steps: int


def tiny_mlp() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)), (32, 20)


def small_cnn() -> tuple[nn.Module, tuple[int, ...]]:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
    return model, (32, 3, 24, 24)


def large_mlp() -> tuple[nn.Module, tuple[int, ...]]:
    """25 million parameters."""
    return nn.Sequential(nn.Linear(512, 4800), nn.ReLU(), nn.Linear(4800, 4700), nn.ReLU(), nn.Linear(4700, 5)), (
        8,
        512,
    )


MODELS = {"tiny MLP": tiny_mlp, "small CNN": small_cnn, "25M MLP": large_mlp}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda params: torch.optim.SGD(params, 1e-4, momentum=0.9),
    "Adam": lambda params: torch.optim.Adam(params, 1e-4),
}


def make_task(model: str, optimizer: str, num_steps: int) -> Task:
    """A training that has taken two steps, so that the optimizer has its state; the batches are ready in memory."""
    torch.manual_seed(0)
    net, shape = MODELS[model]()
    batches = [(torch.randn(shape), torch.randint(0, 5, shape[:1])) for _ in range(20)]
    task = Task(net, OPTIMIZERS[optimizer](net.parameters()), DataLoader(batches, batch_size=None), num_steps)
    for inputs, targets in batches[:2]:
        task.optimizer.zero_grad()
        cross_entropy(net(inputs), targets).backward()
        task.optimizer.step()
    return task


def bare_steps(task: Task) -> Iterator[float]:
    """The loop as one writes it by hand, a loss at a time: no restoring, no checks."""
    lrs = LearningRateFinder(MIN_LR, MAX_LR, task.num_steps).learning_rates().tolist()
    batches = iter(task.loader)
    for lr in lrs:
        try:
            inputs, targets = next(batches)
        except StopIteration:
            batches = iter(task.loader)
            inputs, targets = next(batches)
        for group in task.optimizer.param_groups:
            group["lr"] = lr
        task.optimizer.zero_grad()
        loss = cross_entropy(task.model(inputs), targets)
        loss.backward()
        task.optimizer.step()
        yield loss.item()


def our_steps(task: Task) -> RangeTest:
    """The range test: the first step saves, and the end restores."""
    step = TorchStep(task.model, task.optimizer, cross_entropy, task.loader)
    return LearningRateFinder(MIN_LR, MAX_LR, task.num_steps, divergence="auto").steps(step)


def bare(task: Task) -> Callable[[], list[float]]:
    """That loop from end to end."""
    return lambda: [*bare_steps(task)]


def torch_lr_finder(task: Task, loss_fn: LossFn = cross_entropy) -> Callable[[], object]:
    from torch_lr_finder import LRFinder

    def run() -> object:
        finder = LRFinder(task.model, task.optimizer, loss_fn, device=None)
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            finder.range_test(task.loader, start_lr=MIN_LR, end_lr=MAX_LR, num_iter=task.num_steps, diverge_th=1e9)
        finder.reset()
        return finder.history

    return run


def ignite(task: Task, loss_fn: LossFn = cross_entropy) -> Callable[[], object]:
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    def run() -> object:
        trainer = create_supervised_trainer(task.model, task.optimizer, loss_fn)
        finder = FastaiLRFinder()
        options = {"num_iter": task.num_steps, "start_lr": MIN_LR, "end_lr": MAX_LR, "diverge_th": 1e9}
        to_save = {"model": task.model, "optimizer": task.optimizer}
        with warnings.catch_warnings(), finder.attach(trainer, to_save, **options) as attached:
            warnings.simplefilter("ignore")
            attached.run(task.loader)
        return finder.get_results()

    return run


def lightning(task: Task, loss_fn: LossFn = cross_entropy) -> Callable[[], object]:
    import lightning
    from lightning.pytorch.tuner import Tuner

    class Wrapper(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = task.model, 1e-4

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
            return loss_fn(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return task.optimizer

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def run() -> object:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
            trainer = lightning.Trainer(
                accelerator="cpu", default_root_dir=folder, max_epochs=-1, enable_model_summary=False, **quiet
            )
            with contextlib.redirect_stderr(io.StringIO()):
                found = Tuner(trainer).lr_find(
                    Wrapper(), task.loader, min_lr=MIN_LR, max_lr=MAX_LR, num_training=task.num_steps,
                    early_stop_threshold=None, update_attr=False,
                )  # fmt: skip
        return found

    return run


def fastai(task: Task, loss_fn: LossFn = cross_entropy) -> Callable[[], object]:
    from fastai.basics import DataLoaders, Learner, OptimWrapper
    from fastai.callback import progress, schedule  # noqa: F401 - they give a Learner its no_bar and lr_find

    def run() -> object:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            learner = Learner(
                DataLoaders(task.loader, task.loader), task.model, loss_func=loss_fn, path=folder,
                opt_func=lambda *args, **kwargs: OptimWrapper(opt=task.optimizer),
            )  # fmt: skip
            with learner.no_bar(), learner.no_logging():
                learner.lr_find(
                    MIN_LR, MAX_LR, num_it=task.num_steps, stop_div=False, show_plot=False, suggest_funcs=()
                )
        return learner.recorder

    return run


PEERS = {"torch-lr-finder": torch_lr_finder, "ignite": ignite, "Lightning": lightning}
if find_spec("fastai"):  # it holds torch back to older versions, so it is measured only where somebody has installed it
    PEERS["fastai"] = fastai
