"""The selected learning rate on its way into a training: a line of code to paste, and the optimizer itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import mse_loss

from lrwidget import TorchStep

BATCH = (torch.ones(4, 1), torch.zeros(4, 1))


def step_of(*optimizers: torch.optim.Optimizer, model: torch.nn.Module) -> TorchStep:
    return TorchStep(model, list(optimizers), mse_loss, [BATCH])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {}),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        (torch.optim.Adam, {"amsgrad": True}),
        (torch.optim.AdamW, {"betas": (0.8, 0.95), "eps": 1e-6}),
        (torch.optim.RMSprop, {"alpha": 0.9}),
    ],
)
def test_the_line_makes_the_same_optimizer(kind: type[Any], options: dict[str, Any]) -> None:
    """Executed, it makes an optimizer of the same kind with the same settings and the rate that was asked for."""
    model = torch.nn.Linear(1, 1)
    optimizer = kind(model.parameters(), lr=0.1, **options)
    names: dict[str, Any] = {"torch": torch, "model": model}
    exec(step_of(optimizer, model=model).code("3.2e-2"), names)
    assert type(names["optimizer"]) is kind
    assert names["optimizer"].defaults == {**optimizer.defaults, "lr": 0.032}


def test_what_no_line_can_make_gets_the_number() -> None:
    """Several groups, several optimizers and a class of the user's own are left to the user."""

    class Mine(torch.optim.SGD):
        pass

    model = torch.nn.Linear(1, 1)
    groups = torch.optim.SGD([{"params": [model.weight]}, {"params": [model.bias], "lr": 0.01}], lr=0.1)
    two = [torch.optim.SGD([parameter], lr=0.1) for parameter in model.parameters()]
    for optimizers in ([groups], two, [Mine(model.parameters(), lr=0.1)]):
        assert step_of(*optimizers, model=model).code("1e-3") == "lr = 1e-3"


def test_set_lr_sets_the_rate_of_the_training_to_come() -> None:
    """The highest of the rates becomes the one asked for, the others keep their ratio to it, and nothing is trained."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD([{"params": [model.weight]}, {"params": [model.bias], "lr": 0.025}], lr=0.1)
    before = model.weight.item()
    step_of(optimizer, model=model).set_lr(0.4)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.4, 0.1])
    assert model.weight.item() == before


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_a_scheduler_made_after_set_lr_goes_on_from_it(kind: Callable[[float], float | torch.Tensor]) -> None:
    """Also where one was made before: what PyTorch has noted for that one would hold for every later one too."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=kind(0.1))
    torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    step_of(optimizer, model=model).set_lr(0.4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.5**k)
    rates = []
    for _ in range(3):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.4, 0.2, 0.1])
