"""Arguments that people mix up: each is refused before anything is trained, in words that say what to pass."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lrwidget import LearningRateFinder
from lrwidget.steps.torch import TorchStep

finder = LearningRateFinder(num_steps=4)
dataset = TensorDataset(torch.randn(16, 5), torch.zeros(16, dtype=torch.long))
loader = DataLoader(dataset, batch_size=8)


class Stream(IterableDataset):
    def __iter__(self):
        yield from dataset


class Labelled(nn.Linear):
    """Computes its loss where the batch has labels, as the models of transformers do."""

    def forward(self, x, labels=None):
        logits = super().forward(x)
        return SimpleNamespace(logits=logits, loss=None if labels is None else cross_entropy(logits, labels))


def run(model, **options):
    """A range test over this model."""
    options = {"loss_fn": cross_entropy, "batches": loader} | options
    return finder.range_test(TorchStep(model, torch.optim.SGD(model.parameters(), 0.1), **options))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"loss_fn": loader, "batches": None},
            TypeError,
            r"^need batches, got none, and a DataLoader as loss_fn; pass loss_fn=None, batches=loader$",
        ),
        ({"batches": None}, TypeError, r"^need batches, got none; pass a DataLoader or a list of batches$"),
        ({"batches": "train"}, TypeError, r"^need batches, a loader .* got str 'train'; pass a list of batches"),
        (
            {"batches": dataset},
            TypeError,
            r"^need batches, got a Dataset; wrap it in DataLoader\(dataset, batch_size=...\)$",
        ),
        ({"validation": dataset}, TypeError, r"^need validation, got a Dataset; wrap it in DataLoader\("),
        ({"validation": 3}, TypeError, r"^need validation, a loader .* got int 3; pass a list of batches"),
        ({"validation": []}, ValueError, r"got an empty source; check the dataset and drop_last of validation"),
        ({"loss_fn": "mse"}, TypeError, r"^need a callable loss_fn or None, got str 'mse'; pass a function$"),
        ({"loss_fn": None, "forward": 3}, TypeError, r"^need a callable forward or None, got int 3; pass a function$"),
        ({"loss_fn": None, "train_step": 3}, TypeError, r"^need a callable train_step or None, got int 3; pass a fun"),
        (
            {"loss_fn": nn.CrossEntropyLoss},
            TypeError,
            r"^need a callable loss_fn or None, got the class CrossEntropyLoss; pass CrossEntropyLoss\(\)$",
        ),
        ({"also": 3}, TypeError, r"^need a list as also, got int; pass also=\[scheduler\]$"),
        ({"also": {"meter": loader}}, TypeError, r"^need a list as also, got dict; pass also=\[scheduler\]$"),
        ({"autocast": True}, TypeError, r"^need a float dtype, e.g. torch.bfloat16, or None .* got autocast=True$"),
        ({"autocast": "bf16"}, TypeError, r"^need a float dtype, e.g. torch.bfloat16, or None .* got autocast='bf16'$"),
        ({"autocast": torch.int8}, TypeError, r"^need a float dtype, e.g. torch.bfloat16, .* got autocast=torch.int8$"),
        ({"scaler": True}, TypeError, r"^need a gradient scaler or None, got True; pass .*GradScaler\(\)$"),
        ({"scaler": torch.amp.GradScaler}, TypeError, r"^need a gradient scaler or None, got <class .*GradScaler\(\)$"),
        ({"record_grad_norm": "yes"}, TypeError, r"^need record_grad_norm True or False, got record_grad_norm='yes'$"),
        ({"also": nn.Sequential(nn.ReLU())}, TypeError, r"^need a list as also, got Sequential; pass also="),
        ({"also": loader}, TypeError, r"^need a list as also, got DataLoader; pass also="),
        ({"also": torch.ones(2)}, TypeError, r"^need a list as also, got Tensor; pass also="),
        ({"max_grad_norm": "1"}, TypeError, r"^need a number max_grad_norm, got max_grad_norm='1'; pass a float$"),
        ({"max_grad_norm": True}, TypeError, r"^need a number max_grad_norm, got max_grad_norm=True; pass a float$"),
        ({"accumulation_steps": True}, TypeError, r"^need a whole number accumulation_steps >= 1, got"),
        (
            {"loss_fn": None, "batches": {"x": torch.ones(8, 5)}},
            TypeError,
            r"^need a tensor as the loss, got NoneType None; no loss was returned: does the batch have `labels`",
        ),
    ],
)
def test_refused_before_training(options, error, message):
    """The message says what was wanted, what came and what to do; the model and the random state stay as they were."""
    model = Labelled(5, 3) if isinstance(options.get("batches"), dict) else nn.Linear(5, 3)
    before, random_state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with pytest.raises(error, match=message):
        run(model, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"batches": [torch.ones(8, 5)] * 4}, r"pass a list of batches as a list of pairs, \[\(inputs"),
        ({"batches": [(np.ones((8, 5)), np.zeros(8))]}, r"pass tensors: torch.from_numpy\(array\)"),
        ({"batches": [{"x": np.ones((8, 5))}], "loss_fn": None}, r"pass tensors: torch.from_numpy\(array\)"),
    ],
    ids=["list of inputs", "arrays", "dict of arrays"],
)
def test_an_error_over_types_says_what_to_pass(options, hint):
    """Torch's own error names a function's arguments; where they may have come from is noted beside it."""
    with pytest.raises(TypeError) as caught:
        run(Labelled(5, 3), **options)
    assert [note for note in caught.value.__notes__ if re.search(hint, note)]


def test_refuses_a_scheduler_outside_of_a_list():
    """What else must be put back comes in a list."""
    model = nn.Linear(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    with pytest.raises(TypeError, match=r"^need a list as also, got StepLR; pass also=\[scheduler\]$"):
        TorchStep(model, optimizer, cross_entropy, loader, also=scheduler)


def test_refuses_a_model_without_memory():
    """A model on the meta device has shapes and no values."""
    with pytest.raises(
        ValueError, match=r"^need a model with memory, got one on meta; load .* model.to_empty\(device="
    ):
        run(nn.Linear(5, 3, device="meta"))


def test_refuses_a_module_as_the_train_step():
    """A module can be called, but not with a learning rate."""
    with pytest.raises(TypeError, match=r"^need a train step, .* got a Module \(Linear\); wrap it in TorchStep\("):
        finder.range_test(nn.Linear(5, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"accumulation_steps": np.int64(2), "num_validation_batches": np.int64(1), "lag": np.int64(1)},
        {"loss_fn": None, "train_step": lambda batch: 1.0, "accumulation_steps": np.int64(1)},
        {"max_grad_norm": np.float32(1.0)},
        {"max_grad_norm": float("inf")},
        {"autocast": torch.bfloat16},
        {"record_grad_norm": np.True_},
        {"validation": DataLoader(Stream(), batch_size=8)},
        {"batches": DataLoader(Stream(), batch_size=8)},
        {"also": ()},
    ],
)
def test_what_is_as_good_is_taken(options):
    """Whole numbers and numbers of NumPy, and loaders without a length, are no bad input."""
    assert len(run(nn.Linear(5, 3), **options).lrs) == 4
