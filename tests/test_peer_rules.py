"""The other tools' rules: the same step as the tools themselves, on curves played back to them."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lrwidget.peer_rules import PEER_RULES
from tests.peers.curves import END_LR, START_LR, random_curves

CURVES = random_curves()
SWEEPS = [np.geomspace(START_LR, END_LR, len(losses)) for losses in CURVES]


def picked_steps(rule: str) -> list[int | None]:
    """The steps that our version of a rule picks on the random curves."""
    picks = [PEER_RULES[rule][1](lrs, losses) for lrs, losses in zip(SWEEPS, CURVES, strict=True)]
    return [pick and pick[0] for pick in picks]


@pytest.fixture
def playback() -> Iterator[type]:
    """A torch loss function that returns the next loss of a curve, whatever the model says."""
    torch = pytest.importorskip("torch")

    class Playback(torch.nn.Module):
        def __init__(self, losses: np.ndarray) -> None:
            super().__init__()
            self.losses = iter(losses.tolist())

        def forward(self, prediction, _target):
            return 0 * prediction.sum() + torch.tensor(next(self.losses))

    return Playback


def test_torch_lr_finder_picks_the_same_step(playback: type) -> None:
    """The installed torch-lr-finder, run on 100 played-back curves, suggests the step that our version picks."""
    import torch
    from matplotlib.figure import Figure

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bar calls itself experimental
        from torch_lr_finder import LRFinder

    def step_of(losses: np.ndarray) -> int | None:
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=START_LR)
        finder = LRFinder(model, optimizer, playback(losses), device="cpu")
        batch = torch.zeros(1, 1), torch.zeros(1, 1)
        loader = torch.utils.data.DataLoader(list(zip(*batch, strict=True)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls its schedule in an order that torch complains about
            finder.range_test(loader, end_lr=END_LR, num_iter=len(losses))
        try:
            _, lr = finder.plot(ax=Figure().add_subplot())
        except RuntimeError:
            return None
        return finder.history["lr"].index(lr)

    assert [step_of(losses) for losses in CURVES] == picked_steps("torch_lr_finder")


def test_ignite_picks_the_same_step() -> None:
    """The installed ignite, run on 100 played-back curves, suggests the step that our version picks."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses a deprecated part of torch while it is imported
        from ignite.engine import Engine
        from ignite.handlers import FastaiLRFinder

    def step_of(losses: np.ndarray) -> int | None:
        played = iter(losses.tolist())
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=START_LR)
        finder = FastaiLRFinder()
        trainer = Engine(lambda _engine, _batch: next(played))
        num_iter = len(losses) - 1  # it goes one step further than it is told
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where the loss does not diverge
            with finder.attach(
                trainer, {"optimizer": optimizer}, num_iter=num_iter, start_lr=START_LR, end_lr=END_LR
            ) as attached:
                attached.run(range(len(losses)), max_epochs=1)
        try:
            return finder.get_results()["lr"].index(finder.lr_suggestion())
        except RuntimeError:
            return None

    assert [step_of(losses) for losses in CURVES] == picked_steps("ignite")


def lightning_finder(lrs: np.ndarray, losses: np.ndarray):
    """The installed Lightning's finder after its callback has been fed a curve, as its trainer would feed it."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its neighbours use what others have deprecated while they are imported
        from lightning.pytorch.tuner.lr_finder import _LRCallback, _LRFinder

    callback = _LRCallback(num_training=len(lrs))
    trainer = SimpleNamespace(
        fit_loop=SimpleNamespace(batch_idx=0),
        accumulate_grad_batches=1,
        global_step=0,
        should_stop=False,
        strategy=SimpleNamespace(broadcast=lambda flag: flag),
        lr_scheduler_configs=[SimpleNamespace(scheduler=SimpleNamespace(lr=[0.0]))],
    )
    for lr, loss in zip(lrs.tolist(), losses.tolist(), strict=True):
        trainer.lr_scheduler_configs[0].scheduler.lr[0] = lr
        callback.on_train_batch_start(trainer, None, None, 0)
        trainer.global_step += 1
        callback.on_train_batch_end(trainer, None, torch.tensor(loss), None, 0)
        if trainer.should_stop:
            break
    finder = _LRFinder("exponential", START_LR, END_LR, len(lrs))
    finder.results = {"lr": callback.lrs, "loss": callback.losses}
    return finder


def test_lightning_picks_the_same_step() -> None:
    """The installed Lightning, fed 100 curves, suggests the step that our version picks."""

    def step_of(lrs: np.ndarray, losses: np.ndarray) -> int | None:
        finder = lightning_finder(lrs, losses)
        return None if finder.suggestion() is None else finder._optimal_idx

    assert [step_of(*curve) for curve in zip(SWEEPS, CURVES, strict=True)] == picked_steps("lightning")


def test_lightning_before_2_5_3_picks_the_steepest_step_of_the_same_curve() -> None:
    """On the installed Lightning's smoothed curve, the former formula (slope per step) picks our version's step."""

    def step_of(lrs: np.ndarray, losses: np.ndarray) -> int | None:
        smoothed = np.array(lightning_finder(lrs, losses).results["loss"][10:-1], dtype=np.float32)
        finite = np.flatnonzero(np.isfinite(smoothed))
        slopes = np.gradient(smoothed[finite].astype(float)) if len(finite) > 1 else None
        return None if slopes is None else int(10 + finite[slopes.argmin()])

    assert [step_of(*curve) for curve in zip(SWEEPS, CURVES, strict=True)] == picked_steps("lightning_before_2_5_3")


@pytest.mark.parametrize("rule", ["valley", "slide", "steep", "minimum"])
def test_fastai_picks_the_same_step(rule: str) -> None:
    """fastai's recorded answers (the version is in the file) are the steps that our version picks."""
    record = json.loads((Path(__file__).parent / "peers" / "fastai.json").read_text())
    assert picked_steps(f"fastai_{rule}") == record[rule]


@pytest.mark.parametrize("rule", PEER_RULES)
@pytest.mark.parametrize("num_losses", [0, 1, 2])
def test_too_short_curves_give_no_step(rule: str, num_losses: int) -> None:
    """Where the tool would raise for want of points, there is no pick."""
    assert PEER_RULES[rule][1](SWEEPS[0][:num_losses], CURVES[0][:num_losses]) is None


@pytest.mark.parametrize("rule", PEER_RULES)
def test_a_run_that_ended_at_nan_gives_the_step_of_one_that_went_on(rule: str) -> None:
    """A stored curve that stops at its first NaN picks what the tool, which does not stop there, picks."""
    lrs, losses = SWEEPS[0], CURVES[1][:1].repeat(len(SWEEPS[0])) - np.linspace(0, 0.05, len(SWEEPS[0]))
    losses[len(lrs) * 2 // 3 :] = np.nan
    end = len(lrs) * 2 // 3 + 1
    pick = PEER_RULES[rule][1]
    assert pick(lrs, losses) is not None
    assert pick(lrs[:end], losses[:end]) == pick(lrs, losses)
