"""Everything a PyTorch user brings to a range test: batches, models, optimizers, precision; and what is refused."""

from __future__ import annotations

import copy
import functools
import gc
import random
import warnings
from collections import Counter, OrderedDict, UserDict
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lrwidget import SKIPPED, LearningRateFinder, StepOutput, StopReason, TorchStep
from lrwidget.steps.batches import describe
from lrwidget.steps.torch_batches import is_elsewhere, to_device
from lrwidget.steps.torch_forward import rebuilt
from lrwidget.steps.torch_readback import PendingNumber, Readback
from lrwidget.steps.torch_update import LearningRates, total_norm

LRS = [1e-3, 1e-2, 3e-2, 1e-1, 2e-1]
finder = LearningRateFinder(min_lr=1e-3, max_lr=0.2, num_steps=6, divergence="never")


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def make_batches(num_batches=4, batch_size=8):
    rng = torch.Generator().manual_seed(1)
    return [
        (torch.randn(batch_size, 5, generator=rng), torch.randint(0, 3, (batch_size,), generator=rng))
        for _ in range(num_batches)
    ]


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr, **options)


def by_hand(batches, loss_of, model, optimizer, lrs=LRS):
    """The loop as one writes it: the losses, and the gradient norms."""
    losses, norms = [], []
    for index, lr in enumerate(lrs):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = loss_of(batches[index % len(batches)])
        loss.backward()
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm().item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def losses_of(step, lrs=LRS):
    with step:
        return [float(step(lr)) for lr in lrs]


def expected_losses(batches=None, make_optimizer=sgd, lrs=LRS):
    """The losses of a fresh model on pairs, trained by hand."""
    model = make_model()
    batches = batches or make_batches()
    return by_hand(batches, lambda b: cross_entropy(model(b[0]), b[1]), model, make_optimizer(model), lrs)[0]


def assert_untouched(model):
    """The model is what `make_model` made."""
    for (name, value), (_, fresh) in zip(model.state_dict().items(), make_model().state_dict().items(), strict=True):
        assert torch.equal(value, fresh), name


# ------------------------------------------------------------------------------------------------------- batches


def test_a_loader_is_begun_again_at_its_end():
    """More steps than batches: the loader goes round, and the losses are those of the loop by hand."""
    model = make_model()
    dataset = TensorDataset(*(torch.cat(parts) for parts in zip(*make_batches(2), strict=True)))
    step = TorchStep(model, sgd(model), cross_entropy, DataLoader(dataset, batch_size=8))
    assert losses_of(step) == expected_losses(make_batches(2))
    assert_untouched(model)


def test_a_loader_with_workers_and_a_generator():
    """Worker processes feed the run, the loader's generator is put back, and a pass under way goes on."""
    dataset = TensorDataset(torch.arange(40.0).reshape(8, 5), torch.zeros(8, dtype=torch.long))
    generator = torch.Generator().manual_seed(4)
    loader = DataLoader(
        dataset, batch_size=2, shuffle=True, num_workers=1, generator=generator, persistent_workers=True
    )
    pass_under_way = iter(loader)
    first = next(pass_under_way)
    model, state = make_model(), generator.get_state()
    assert len(finder.range_test(TorchStep(model, sgd(model), cross_entropy, loader))) == 6
    assert torch.equal(generator.get_state(), state)
    rest = [first, *pass_under_way]
    assert sorted(torch.cat([x[:, 0] for x, _ in rest]).tolist()) == [0, 5, 10, 15, 20, 25, 30, 35]
    assert loader._iterator is pass_under_way
    del pass_under_way, rest
    loader._iterator = None
    gc.collect()


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.ones(5), torch.tensor(1))] * 8)


@pytest.mark.parametrize(
    ("batches", "num_steps"),
    [
        (DataLoader(Stream(), batch_size=4), 6),
        (make_batches(2), 6),
        (tuple(make_batches(2)), 6),
        (make_batches(1)[0], 6),
        (list(make_batches(1)[0]), 6),
        ((batch for batch in make_batches(3)), 3),
    ],
    ids=["iterable dataset", "list", "tuple", "one batch", "one batch as a list", "generator"],
)
def test_any_iterable_of_batches(batches, num_steps):
    """Datasets without length, lists, one batch by itself; a generator ends the run when it is used up."""
    model = make_model()
    result = finder.range_test(TorchStep(model, sgd(model), cross_entropy, batches))
    assert len(result) == num_steps
    assert result.stop_reason == (StopReason.COMPLETED if num_steps == 6 else StopReason.DATA_EXHAUSTED)
    assert_untouched(model)


def test_a_generator_is_refused_for_a_second_run():
    """What can be read once only is refused when it has been read, with the remedy."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, iter(make_batches(9)))
    finder.range_test(step)
    with pytest.raises(ValueError, match=r"can be read again for another run, got an iterator .*list\(batches\)"):
        finder.range_test(step)
    step = TorchStep(model, sgd(model), cross_entropy, iter(make_batches(9)))
    with step, pytest.raises(ValueError, match=r"can be read again for repeated runs, got an iterator"):
        step.reseed(1)


class GivesItself:
    """A loader that is its own iterator and begins again each time it is asked for one."""

    def __init__(self):
        self.place, self.num_passes = 0, 0

    def __len__(self):
        return 4

    def __iter__(self):
        self.place, self.num_passes = 0, self.num_passes + 1
        return self

    def __next__(self):
        if self.place == 4:
            raise StopIteration
        self.place += 1
        return make_batches(4)[self.place - 1]


def test_a_loader_that_gives_out_itself_is_read_again_and_again():
    """It is no iterator that is used up, and it is not asked for one before a run."""
    model, loader = make_model(), GivesItself()
    step = TorchStep(model, sgd(model), cross_entropy, loader)
    assert loader.num_passes == 0
    assert [len(finder.range_test(step)) for _ in range(2)] == [6, 6]
    assert len(finder.repeat(step, num_runs=2)) == 6


def test_a_source_that_dries_up_ends_the_run():
    """An iterable whose second pass yields nothing has been used up."""

    class Once:
        def __init__(self):
            self.batches = make_batches(4)

        def __iter__(self):
            while self.batches:
                yield self.batches.pop()

    model = make_model()
    result = finder.range_test(TorchStep(model, sgd(model), cross_entropy, Once()))
    assert (len(result), result.stop_reason) == (4, StopReason.DATA_EXHAUSTED)


class Indexed:
    """Has a length and items, and no iterator."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return make_batches(9)[index]  # more than its length: an iterator of Python's own would not stop


def test_what_has_a_length_and_items_is_a_source():
    """Its items are the batches, as many as its length; reseeding begins elsewhere among them."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, Indexed())
    assert losses_of(step) == expected_losses(make_batches(9)[:3])
    starts = set()
    for seed in range(20):
        with step:
            step.reseed(seed)
            starts.add(step(0.1))
    assert len(starts) == 3


class TwoInputs(nn.Module):
    """Reads its inputs by position or by name."""

    def __init__(self):
        super().__init__()
        self.net = make_model()

    def forward(self, left, right):
        return self.net(left + right)


@pytest.mark.parametrize(
    "split",
    [
        lambda x, y: (x, 0 * x, y),
        lambda x, y: ((x, 0 * x), y),
        lambda x, y: [[x, 0 * x], y],
        lambda x, y: ({"left": x, "right": 0 * x}, y),
    ],
    ids=["flat", "tuple", "list", "dict"],
)
def test_several_inputs(split):
    """Inputs before the targets, in a tuple, a list or a dict: all reach the model's arguments."""
    model = TwoInputs()
    step = TorchStep(model, sgd(model), cross_entropy, [split(*batch) for batch in make_batches()])
    assert losses_of(step) == pytest.approx(expected_losses())


def test_inputs_of_a_kind_of_their_own():
    """What is no tensor, tuple or dict goes to the model as it is."""
    model = make_model()
    wrapper = nn.ModuleDict({"net": model})
    wrapper.forward = lambda packed: model(packed.x)
    batches = [(SimpleNamespace(x=x), y) for x, y in make_batches()]
    assert losses_of(TorchStep(wrapper, sgd(model), cross_entropy, batches)) == expected_losses()


class OwnLoss(nn.Module):
    """Computes its loss, as Hugging Face models do; returns it in the form asked for."""

    def __init__(self, form):
        super().__init__()
        self.net = make_model()
        self.form = form

    def forward(self, inputs, labels):
        return self.form(cross_entropy(self.net(inputs), labels))


@pytest.mark.parametrize(
    "form",
    [lambda loss: loss, lambda loss: {"loss": loss, "logits": 1}, lambda loss: SimpleNamespace(loss=loss)],
    ids=["tensor", "dict", "object"],
)
def test_dict_batches_for_models_that_compute_their_loss(form):
    """Without loss_fn a dict batch is the model's keyword arguments, and its output holds the loss."""
    model = OwnLoss(form)
    batches = [{"inputs": x, "labels": y} for x, y in make_batches()]
    assert losses_of(TorchStep(model, sgd(model), None, batches)) == expected_losses()
    assert losses_of(TorchStep(model, sgd(model), batches=batches[0])) == expected_losses(make_batches()[:1])


def test_a_forward_of_one_s_own_reads_any_batch():
    """forward(batch) -> loss takes whatever the loader yields, a list of bare tensors too."""
    model = make_model()
    batches = [torch.cat([x, y[:, None].float()], 1) for x, y in make_batches()]
    step = TorchStep(
        model, sgd(model), batches=batches, forward=lambda b: cross_entropy(model(b[:, :5]), b[:, 5].long())
    )
    assert losses_of(step) == expected_losses()


def popping(model):
    """A forward, or a train step, that takes the labels out of its batch, as those for Hugging Face's models do."""

    def forward(batch):
        labels = batch[0].pop("labels")
        loss = cross_entropy(model(batch[0].pop("inputs")), labels)
        assert not batch.pop()
        return loss

    return forward


@pytest.mark.parametrize("kind", [dict, UserDict, OrderedDict])
@pytest.mark.parametrize(
    "options",
    [{}, {"validation": True}, {"accumulation_steps": 2}, {"lag": 1}, {"optimizer": torch.optim.LBFGS}],
    ids=["plain", "validation", "accumulation", "lag", "closure"],
)
def test_a_forward_may_take_what_it_wants_out_of_its_batch(kind, options):
    """What it takes is there when the batch comes again, and the user's batches are whole after the run."""
    model = make_model()
    options = dict(options)
    optimizer = options.pop("optimizer", torch.optim.SGD)(model.parameters(), 0.1)
    batches = [[kind({"inputs": x, "labels": y}), {}] for x, y in make_batches(2)]
    if "validation" in options:
        options["validation"] = batches[:1]
    step = TorchStep(model, optimizer, forward=popping(model), batches=batches, **options)
    assert len(finder.range_test(step)) == 6
    assert [list(batch[0]) for batch in batches] == [["inputs", "labels"]] * 2
    assert [len(batch) for batch in batches] == [2, 2]


def whole_step(forward, optimizer):
    """A train step that does everything itself."""

    def train_step(batch):
        optimizer.zero_grad()
        loss = forward(batch)
        loss.backward()
        optimizer.step()
        return loss

    return train_step


def test_a_train_step_may_take_what_it_wants_out_of_its_batch():
    """The same for one that does the whole step."""
    model, batch = make_model(), make_batches(1)[0]
    optimizer = sgd(model)

    batches = [[{"inputs": batch[0], "labels": batch[1]}, {}]]
    step = TorchStep(model, optimizer, train_step=whole_step(popping(model), optimizer), batches=batches)
    assert losses_of(step) == expected_losses([batch])
    assert list(batches[0][0]) == ["inputs", "labels"]


class InPlace(nn.Module):
    """Normalises its inputs where they are."""

    def __init__(self):
        super().__init__()
        self.net = make_model()

    def forward(self, x):
        return self.net(x.sub_(0.5).div_(2.0))


def test_validation_batches_stay_what_they_are():
    """A model that changes its inputs in place sees the same ones at each step."""
    model = InPlace()
    model.net[1].momentum = 0.0  # its running statistics stay too
    dataset = TensorDataset(*(torch.cat(parts) for parts in zip(*make_batches(2), strict=True)))
    loader = DataLoader(dataset, batch_size=8)
    losses = losses_of(TorchStep(model, sgd(model), cross_entropy, loader, validation=loader), [0.0] * 4)
    assert losses == [losses[0]] * 4


@pytest.mark.parametrize("way", ["loss_fn", "forward", "train_step"])
def test_batches_that_come_again_are_not_changed_in_place(way):
    """The model gets copies: the losses are those of a loader that makes its batches anew."""
    model = InPlace()
    optimizer = sgd(model)

    def forward(batch):
        return cross_entropy(model(batch[0]), batch[1])

    ways = {"loss_fn": cross_entropy, "forward": forward, "train_step": whole_step(forward, optimizer)}
    options = {way: ways[way]}
    batches, fresh = make_batches(), make_batches()
    again = LearningRateFinder(1e-4, 1e-1, num_steps=9, divergence="never")  # more steps than batches
    losses = again.range_test(TorchStep(model, optimizer, batches=batches, **options)).losses
    assert all(torch.equal(x, other) for (x, _), (other, _) in zip(batches, fresh, strict=True))
    assert_untouched(model.net)
    dataset = TensorDataset(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    loader = DataLoader(dataset, 8)
    assert losses.tolist() == again.range_test(TorchStep(model, optimizer, batches=loader, **options)).losses.tolist()


class Pair(NamedTuple):
    x: object
    y: object


def test_structures_are_moved_to_the_model_s_device():
    """Tensors in tuples, named tuples, lists and dicts, and objects with `to`, go to the device; the rest stays."""
    meta = torch.device("meta")

    class Graph:
        def to(self, device):
            return f"graph on {device}"

    batch = (Pair(torch.ones(1), [torch.ones(2)]), {"a": torch.ones(3), "b": "text"}, Graph())
    moved = to_device(batch, meta)
    assert isinstance(moved[0], Pair)
    assert [moved[0].x.device, moved[0].y[0].device, moved[1]["a"].device] == [meta] * 3
    assert moved[1]["b"] == "text"
    assert moved[2] == "graph on meta"
    assert is_elsewhere(batch, meta)
    assert is_elsewhere(Graph(), meta)
    assert not is_elsewhere(moved[:2], meta)
    assert not is_elsewhere(batch, torch.device("cpu"))


def test_structures_are_rebuilt_and_nothing_else():
    """Dicts and lists are others, with the same in them; tuples keep their kind; what is no container is the same."""
    tensor, graph = torch.ones(1), SimpleNamespace()
    batch = (Pair({"a": tensor}, graph), [tensor, "text", 3], Counter(a=2), (tensor, graph))
    own = rebuilt(batch, lambda tensor: tensor)
    assert own == batch
    assert [type(part) for part in own] == [Pair, list, Counter, tuple]
    assert own[0].x is not batch[0].x
    assert own[1] is not batch[1]
    assert own[2] is not batch[2]
    assert own[3] is batch[3]
    packed = nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(1)])
    assert rebuilt(packed, lambda tensor: tensor) is packed
    assert torch.equal(rebuilt(packed, torch.clone).data, packed.data)


def test_batches_from_another_device_are_moved(monkeypatch):
    """Where the first batch is on another device than the model, every batch is moved before the forward pass."""
    calls = []
    monkeypatch.setattr("lrwidget.steps.torch_recipe.is_elsewhere", lambda batch, device: True)
    monkeypatch.setattr("lrwidget.steps.torch_forward.to_device", lambda batch, device: calls.append(device) or batch)
    model = make_model()
    assert losses_of(TorchStep(model, sgd(model), cross_entropy, make_batches())) == expected_losses()
    own = TorchStep(model, sgd(model), train_step=lambda batch: 1.0, batches=make_batches())
    losses_of(own)
    assert calls == [torch.device("cpu")] * 10


def test_batch_forms_are_described():
    """The description names types, dtypes and shapes, and cuts what is long."""
    batch = ({"x": torch.zeros(2, 3)}, [1, torch.ones(1).long(), "a" * 50, None, 5])
    assert describe(batch) == (
        "({'x': Tensor float32 [2, 3]}, [int 1, Tensor int64 [1], str '" + "a" * 39 + ", NoneType None, ...])"
    )


# ------------------------------------------------------------------------------------------------------ the update


def test_gradient_accumulation():
    """One record per optimizer step: the mean loss of its batches, and the update of their mean gradient."""
    batches = make_batches(10)
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, batches, accumulation_steps=2)

    other = make_model()

    def mean_loss(pair):
        return sum(cross_entropy(other(x), y) for x, y in pair) / 2

    expected, _ = by_hand(list(zip(batches[::2], batches[1::2], strict=True)), mean_loss, other, sgd(other))
    assert losses_of(step) == pytest.approx(expected, rel=1e-5)


def test_an_accumulation_draws_each_batch_when_it_is_needed():
    """Noise that the loader and the model draw falls in the order of a loop by hand."""

    class Noisy:
        def __iter__(self):
            for x, y in make_batches(8):
                yield x + torch.randn(8, 5), y

    def trained(train):
        model = make_model()
        model.insert(3, nn.Dropout(0.5))
        torch.manual_seed(5)
        return train(model, sgd(model))

    def by_a_loop(model, optimizer):
        losses, batches = [], iter(Noisy())
        for lr in LRS[:4]:
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
            parts = []
            for _ in range(2):
                x, y = next(batches)
                loss = cross_entropy(model(x), y)
                (loss / 2).backward()
                parts.append(loss.detach())
            optimizer.step()
            losses.append(torch.stack(parts).mean().item())
        return losses

    def by_steps(model, optimizer):
        return losses_of(TorchStep(model, optimizer, cross_entropy, Noisy(), accumulation_steps=2), LRS[:4])

    assert trained(by_steps) == trained(by_a_loop)


def test_batches_that_end_inside_an_accumulation_end_the_run():
    """A step that cannot be completed is no step."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, iter(make_batches(5)), accumulation_steps=2)
    result = finder.range_test(step)
    assert (len(result), result.stop_reason) == (2, StopReason.DATA_EXHAUSTED)


@pytest.mark.parametrize("lag", [0, 2])
def test_the_gradient_norm_is_recorded(lag):
    """The total norm is that of all gradients laid end to end, at every step."""
    model, other = make_model(), make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches(), record_grad_norm=True, lag=lag)
    result = finder.range_test(step)
    losses, norms = by_hand(
        make_batches(), lambda b: cross_entropy(other(b[0]), b[1]), other, sgd(other), finder.learning_rates()
    )
    assert result.grad_norms == pytest.approx(np.array(norms))
    assert result.losses == pytest.approx(np.array(losses))


def clipped_by_hand(model):
    """The losses of a training whose gradients PyTorch clips to a norm of 0.3, and what the norms were."""
    optimizer, losses, norms = sgd(model), [], []
    for lr, (x, y) in zip(LRS, make_batches() * 2, strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.3).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def test_clipping_records_the_norm_before_it():
    """Training is clipped as clip_grad_norm_ does; the recorded norm is what it returned."""
    model, other = make_model(), make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches(), max_grad_norm=0.3)
    losses, norms = clipped_by_hand(other)
    with step:
        outputs = [step(lr) for lr in LRS]
    assert max(norms) > 0.3
    assert [output.loss for output in outputs] == pytest.approx(losses)
    assert [output.grad_norm for output in outputs] == pytest.approx(norms)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_clipping_where_layers_differ_in_precision(dtype):
    """Norm and training are those of clip_grad_norm_, not rounded to the dtype of the first layer.

    It adds up the norms of one dtype after the other, in an order that depends on the machine: the last bit may differ.
    """

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(5, 64, dtype=dtype), nn.Linear(64, 3)

        def forward(self, x):
            return self.last(self.first(x.to(dtype)).float())

    model, other = Mixed(), Mixed()
    losses, norms = clipped_by_hand(other)
    with TorchStep(model, sgd(model), cross_entropy, make_batches(), max_grad_norm=0.3) as step:
        outputs = [step(lr) for lr in LRS]
    assert [output.grad_norm for output in outputs] == pytest.approx(norms, rel=1e-6)  # a bfloat16 has rel=4e-3
    assert [output.loss for output in outputs] == pytest.approx(losses, rel=1e-5)


def test_the_norm_of_no_gradients_is_zero():
    """A model whose parameters got no gradient has a norm all the same."""
    assert total_norm([]).item() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    """The forward pass runs in the reduced precision asked for, the loss with it."""
    seen = []
    model, other = make_model(), make_model()
    model[0].register_forward_hook(lambda module, args, out: seen.append(out.dtype))

    def loss_in_autocast(batch):
        with torch.autocast("cpu", dtype):
            return cross_entropy(other(batch[0]), batch[1])

    step = TorchStep(model, sgd(model), cross_entropy, make_batches(), autocast=dtype)
    assert losses_of(step) == by_hand(make_batches(), loss_in_autocast, other, sgd(other))[0]
    assert set(seen) == {dtype}


def test_a_step_that_the_scaler_skips_makes_no_record():
    """An overflow halves the scale and is no step: the next batch is trained at the same rate, and no point is lost."""
    model = make_model()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    step = TorchStep(model, sgd(model), lambda out, y: cross_entropy(out, y) * 8, make_batches(), scaler=scaler)
    with step:
        assert step(0.1) is SKIPPED
        weights = model[0].weight.detach().clone()
        assert scaler.get_scale() == 2.0**126
    assert torch.equal(weights, make_model()[0].weight)
    assert scaler._scale is None  # had not been used before
    result = finder.range_test(step)
    assert result.lrs.tolist() == finder.learning_rates().tolist()
    assert result.stop_reason == StopReason.COMPLETED


def test_the_scaler_changes_no_losses():
    """Scaled by powers of two the training is bitwise the unscaled one; norms are those of unscaled gradients."""
    model, other = make_model(), make_model()
    step = TorchStep(
        model,
        sgd(model),
        cross_entropy,
        make_batches(),
        scaler=torch.amp.GradScaler("cpu", init_scale=1024.0),
        record_grad_norm=True,
    )
    losses, norms = by_hand(make_batches(), lambda b: cross_entropy(other(b[0]), b[1]), other, sgd(other))
    with step:
        outputs = [step(lr) for lr in LRS]
    assert [output.loss for output in outputs] == losses
    assert [output.grad_norm for output in outputs] == pytest.approx(norms)


def test_a_loss_that_is_not_finite_ends_a_scaled_run():
    """No loss scale mends a NaN, so it is recorded and the run ends as not finite."""
    model = make_model()
    batches = make_batches(3)
    batches[2][0].fill_(torch.nan)
    step = TorchStep(model, sgd(model), cross_entropy, batches, scaler=torch.amp.GradScaler("cpu"))
    result = finder.range_test(step)
    assert (len(result), result.stop_reason) == (3, StopReason.NOT_FINITE)


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}])
def test_lbfgs_is_given_its_closure(options):
    """A closure optimizer trains as by hand; the loss recorded is that of the weights the step began with."""
    model, other = make_model(), make_model()
    step = TorchStep(
        model, torch.optim.LBFGS(model.parameters(), max_iter=4, **options), cross_entropy, make_batches(),
        record_grad_norm=True,
    )  # fmt: skip
    optimizer = torch.optim.LBFGS(other.parameters(), max_iter=4, **options)
    expected = []
    for lr, (x, y) in zip(LRS, make_batches() * 2, strict=False):
        optimizer.param_groups[0]["lr"] = lr

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = cross_entropy(other(x), y)
            loss.backward()
            return loss

        expected.append(optimizer.step(closure).item())
    with step:
        outputs = [step(lr) for lr in LRS]
    assert [output.loss for output in outputs] == expected
    assert all(output.grad_norm > 0 for output in outputs)
    assert_untouched(model)


@pytest.mark.parametrize("validation", [None, make_batches(2)])
def test_schedule_free_optimizers(validation):
    """They are switched to training for the run, to their average for validation, and back to where they were."""
    schedulefree = pytest.importorskip("schedulefree")
    model = make_model()
    optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=0.1)
    optimizer.eval()
    step = TorchStep(model, optimizer, cross_entropy, make_batches(), validation=validation)
    losses = losses_of(step)
    other = make_model()
    reference = schedulefree.AdamWScheduleFree(other.parameters(), lr=0.1)
    reference.train()
    if validation is None:
        assert losses == by_hand(make_batches(), lambda b: cross_entropy(other(b[0]), b[1]), other, reference)[0]
    assert optimizer.param_groups[0]["train_mode"] is False
    assert_untouched(model)


class Gan(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.generator, self.critic = nn.Linear(2, 5), nn.Linear(5, 1)
        self.optimizers = [
            torch.optim.Adam(self.generator.parameters(), 1e-3),
            torch.optim.Adam(self.critic.parameters(), 4e-3),
        ]

    def train_step(self, batch):
        made = self.generator(torch.randn(8, 2))
        for optimizer, loss in (
            (self.optimizers[1], lambda: self.critic(made.detach()).mean() - self.critic(batch[0]).mean()),
            (self.optimizers[0], lambda: -self.critic(made).mean()),
        ):
            optimizer.zero_grad()
            value = loss()
            value.backward()
            optimizer.step()
        return value


@pytest.mark.parametrize("lag", [0, 2])
def test_a_gan_with_two_optimizers(lag):
    """A train step of one's own drives several optimizers; their rates keep their ratio; all is restored."""
    gan = Gan()
    before = copy.deepcopy(gan.state_dict())
    step = TorchStep(gan, gan.optimizers, batches=make_batches(), train_step=gan.train_step, lag=lag)
    result = finder.range_test(step)
    assert (len(result), result.stop_reason) == (6, StopReason.COMPLETED)
    with step:
        first = float(step(finder.min_lr))
        step(0.02)
        rates = [optimizer.param_groups[0]["lr"] for optimizer in gan.optimizers]
    assert rates == pytest.approx([0.005, 0.02])
    assert first == pytest.approx(result.losses[0])
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert [optimizer.param_groups[0]["lr"] for optimizer in gan.optimizers] == [1e-3, 4e-3]
    assert all(not optimizer.state for optimizer in gan.optimizers)


def test_a_train_step_of_one_s_own_may_return_anything_the_engine_takes():
    """Floats, step outputs and skipped steps pass through as they are, also with a lag."""
    model = make_model()
    outputs = iter([1.0, StepOutput(2.0, 3.0), SKIPPED])
    step = TorchStep(model, sgd(model), batches=make_batches(), train_step=lambda batch: next(outputs), lag=1)
    with step:
        assert [step(0.1) for _ in range(3)] == [1.0, StepOutput(2.0, 3.0), SKIPPED]


def test_two_optimizers_after_one_backward():
    """Several optimizers for the parts of one model step together."""
    model, other = make_model(), make_model()
    step = TorchStep(model, [sgd(model[0]), sgd(nn.ModuleList(model[1:]))], cross_entropy, make_batches())
    losses, _ = by_hand(make_batches(), lambda b: cross_entropy(other(b[0]), b[1]), other, sgd(other))
    assert losses_of(step) == losses


def test_groups_keep_the_ratio_of_their_rates():
    """The group with the highest rate gets the tested one, the others their share of it; all get their own back."""
    model = make_model()
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[3].parameters(), "lr": 0.1}]
    )
    with TorchStep(model, optimizer, cross_entropy, make_batches()) as step:
        for lr in LRS:
            step(lr)
            assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([lr / 10, lr])
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.1]


@pytest.mark.parametrize(
    ("group", "share"), [({"lr": 0.0, "initial_lr": 0.2}, 1.0), ({"lr": 0.0}, 1.0), ({"lr": 0.05}, 1.0)]
)
def test_rates_at_the_foot_of_a_warm_up(group, share):
    """Where all rates are zero their initial values give the ratios, or all are equal."""
    optimizer = SimpleNamespace(param_groups=[dict(group), {**group, "lr": group["lr"] / 2, "initial_lr": 0.1}])
    LearningRates([optimizer]).set(3.0)
    second = 3.0 * (0.5 if group["lr"] or "initial_lr" in group else 0.1)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([3.0 * share, second])


def test_rates_that_were_never_above_zero():
    """Made with lr=0 for a scheduler to set: every group gets the rate as it is."""
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.0, "initial_lr": 0.0}, {"lr": 0.0, "initial_lr": 0.0}])
    LearningRates([optimizer]).set(3.0)
    assert [g["lr"] for g in optimizer.param_groups] == [3.0, 3.0]


@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
@pytest.mark.parametrize("way", ["plain", "own step"])
def test_an_optimizer_that_loads_its_state_in_a_step(rate, way):
    """Rolling back and Lookahead call load_state_dict, which makes new groups: these get rate and momentum."""
    model, rates = make_model(), []
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, foreach=False)

    def loss_fn(outputs, targets):
        rates.append((float(optimizer.param_groups[0]["lr"]), optimizer.param_groups[0]["momentum"]))
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        return cross_entropy(outputs, targets)

    def train_step(batch):
        optimizer.zero_grad()
        loss = loss_fn(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    options = {"loss_fn": loss_fn} if way == "plain" else {"train_step": train_step}
    with TorchStep(model, optimizer, batches=make_batches(), **options) as step:
        set_momentum = step.set_momentum
        for lr in LRS:
            set_momentum(1 - lr)
            step(lr)
    assert rates == [pytest.approx((lr, 1 - lr)) for lr in LRS]
    assert optimizer.param_groups[0]["lr"] is rate


def test_tensor_rates_are_filled_in_place():
    """A learning rate that is a tensor stays that tensor, in the run and after it."""
    model, rate = make_model(), torch.tensor(0.1)
    optimizer = torch.optim.Adam(model.parameters(), rate, foreach=False)
    step = TorchStep(model, optimizer, cross_entropy, make_batches())
    with step:
        step(0.25)
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == 0.25
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    "rate", [np.float32(0.1), np.int64(1), torch.tensor(0.1, requires_grad=True)], ids=["float32", "int64", "gradient"]
)
def test_rates_of_other_kinds(rate):
    """Numbers of NumPy, and a tensor that has a gradient of its own: trained as by hand, and the same object after."""
    model, before = make_model(), copy.deepcopy(rate)
    optimizer = sgd(model, rate)
    assert losses_of(TorchStep(model, optimizer, cross_entropy, make_batches())) == expected_losses()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate == before


def test_an_attached_scheduler_is_restored():
    """A scheduler does not disturb the run; its optimizer, and itself where it is named, are put back."""
    model = make_model()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [torch.optim.lr_scheduler.LinearLR(optimizer), torch.optim.lr_scheduler.StepLR(optimizer, 2)],
        [3],
    )
    keys = set(vars(optimizer))

    def train_step(batch):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    before = copy.deepcopy(scheduler.state_dict())
    finder.range_test(TorchStep(model, optimizer, cross_entropy, make_batches()))
    finder.range_test(TorchStep(model, optimizer, train_step=train_step, batches=make_batches(), also=[scheduler]))
    assert repr(scheduler.state_dict()) == repr(before)
    assert set(vars(optimizer)) == keys
    fresh = sgd(make_model())
    twin = torch.optim.lr_scheduler.SequentialLR(
        fresh, [torch.optim.lr_scheduler.LinearLR(fresh), torch.optim.lr_scheduler.StepLR(fresh, 2)], [3]
    )
    for _ in range(8):
        optimizer.step(), fresh.step()
        scheduler.step(), twin.step()
        assert scheduler.get_last_lr() == twin.get_last_lr()


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda m: torch.optim.Adam(m.parameters(), fused=True),
        lambda m: torch.optim.AdamW(m.parameters(), foreach=True, amsgrad=True),
        lambda m: torch.optim.SGD(m.parameters(), 0.1, fused=True, momentum=0.9),
        lambda m: torch.optim.RMSprop(m.parameters(), centered=True),
        lambda m: torch.optim.Adadelta(m.parameters()),
    ],
    ids=["fused Adam", "foreach AdamW", "fused SGD", "RMSprop", "Adadelta"],
)
def test_optimizers_of_all_makes(make_optimizer):
    """Each trains as by hand, and its state, fresh or warm, is bitwise restored."""
    model = make_model()
    optimizer = make_optimizer(model)
    step = TorchStep(model, optimizer, cross_entropy, make_batches())
    assert losses_of(step) == expected_losses(make_optimizer=make_optimizer)
    assert not optimizer.state
    by_hand(make_batches(), lambda b: cross_entropy(model(b[0]), b[1]), model, optimizer)
    before = copy.deepcopy(optimizer.state_dict())
    finder.range_test(step)
    assert repr(optimizer.state_dict()) == repr(before)


class HalvingSGD(torch.optim.SGD):
    """Keeps half of each gradient for the next step, in a ``zero_grad`` of its own."""

    def zero_grad(self, set_to_none=True):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(0.5)


def patched_sgd(params, lr):
    optimizer = torch.optim.SGD(params, lr)
    optimizer.zero_grad = HalvingSGD.zero_grad.__get__(optimizer)
    return optimizer


@pytest.mark.parametrize("accumulation_steps", [1, 2])
@pytest.mark.parametrize("make", [HalvingSGD, patched_sgd])
def test_a_zero_grad_of_the_optimizer_s_own_is_called(make, accumulation_steps):
    """Gradients are cleared without calling torch's zero_grad; any other is called, at every step."""
    model, other = make_model(), make_model()
    batches = [batch for batch in make_batches() for _ in range(accumulation_steps)]  # the mean of twins is the twin's
    options = {"accumulation_steps": accumulation_steps}
    losses, _ = by_hand(
        make_batches(), lambda b: cross_entropy(other(b[0]), b[1]), other, make(other.parameters(), 0.1)
    )
    with TorchStep(model, make(model.parameters(), 0.1), cross_entropy, batches, **options) as step:
        ours = [float(step(lr)) for lr in LRS]
    plain, _ = by_hand(make_batches(), lambda b: cross_entropy(model(b[0]), b[1]), model, sgd(model))
    assert ours == pytest.approx(losses, rel=1e-5)
    assert ours[2:] != pytest.approx(plain[2:], rel=1e-3)


# --------------------------------------------------------------------------------------------------------- models


def test_sparse_gradients():
    """An embedding with sparse gradients trains with SparseAdam; the norm counts its stored values."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.EmbeddingBag(10, 4, sparse=True, mode="sum"))
    optimizer = torch.optim.SparseAdam(model.parameters())
    batches = [(torch.randint(0, 10, (8, 3)), torch.randint(0, 4, (8,))) for _ in range(3)]
    before = model[0].weight.detach().clone()
    result = finder.range_test(TorchStep(model, optimizer, cross_entropy, batches, record_grad_norm=True))
    assert torch.equal(model[0].weight, before)
    cross_entropy(model(batches[0][0]), batches[0][1]).backward()
    assert result.grad_norms[0] == pytest.approx(model[0].weight.grad.to_dense().norm().item())
    clipped = TorchStep(model, sgd(model), cross_entropy, batches, max_grad_norm=1e-3)
    assert len(finder.range_test(clipped)) == 6


def test_shared_parameters_and_frozen_layers():
    """Tied weights stay tied and frozen ones frozen; a parameter outside the optimizer keeps its gradient too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.Linear(5, 3))
    model[2].weight = model[0].weight
    model[3].requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD([model[0].weight], 0.1)
    finder.range_test(TorchStep(model, optimizer, cross_entropy, make_batches()))
    assert model[2].weight is model[0].weight
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_non_persistent_buffers_and_attributes():
    """What no state_dict knows is restored: buffers that are not saved, counters, lists."""

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = make_model()
            self.register_buffer("seen", torch.zeros(()), persistent=False)
            self.calls = []

        def forward(self, x):
            self.seen += len(x)
            self.calls.append(len(x))
            return self.net(x)

    model = Counting()
    finder.range_test(TorchStep(model, sgd(model), cross_entropy, make_batches()))
    assert (model.seen.item(), model.calls) == (0, [])


def test_lazy_modules_train_and_are_lazy_again():
    """A model without shapes gets them in the run; after it, it has none, and the optimizer knows the same objects."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    optimizer = sgd(model)
    step = TorchStep(model, optimizer, cross_entropy, make_batches())
    first, second = losses_of(step), losses_of(step)
    assert first == second
    assert all(nn.parameter.is_lazy(p) for p in model.parameters())
    assert losses_of(step)[-1] != first[0]


def test_a_loss_function_with_parameters():
    """A criterion that is a module is part of what is trained, and of what is restored."""

    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, outputs, targets):
            return cross_entropy(outputs, targets) * torch.exp(-self.log_scale) + self.log_scale

    model, loss_fn = make_model(), Weighted()
    optimizer = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], 0.1)
    with TorchStep(model, optimizer, loss_fn, make_batches()) as step:
        step(0.1)
        assert loss_fn.log_scale.item() != 0
    assert loss_fn.log_scale.item() == 0


class Centred(nn.Module):
    """A criterion that remembers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("center", torch.zeros(3))

    def forward(self, outputs, targets):
        self.center += outputs.detach().mean(0)
        return cross_entropy(outputs - self.center, targets)


class PlainCentred:
    """One that is no module."""

    def __init__(self):
        self.center = torch.zeros(3)

    __call__ = Centred.forward


class Experiment:
    """Holds a criterion, and names another."""

    def __init__(self, criterion):
        self.criterion = criterion

    def loss(self, outputs, targets):
        return self.criterion(outputs, targets)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def named_globally(criterion):
    names = {"criterion": criterion}
    return eval("lambda outputs, targets: criterion(outputs, targets)", names)


@pytest.mark.parametrize("make", [Centred, PlainCentred])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda c: c,
        lambda c: c.__call__,
        lambda c: functools.partial(c),
        lambda c: functools.partial(c.__call__),
        lambda c: functools.partial(lambda o, t, criterion: criterion(o, t), criterion=c),
        lambda c: lambda o, t: c(o, t),
        lambda c: decorated(lambda o, t: c(o, t)),
        lambda c: Experiment(c).loss,
        named_globally,
    ],
    ids=["itself", "method", "partial", "of method", "argument", "closure", "decorated", "attribute", "global"],
)
def test_a_criterion_is_restored_however_it_is_called(wrap, make):
    """Passed, bound, partially applied, or in a function around it or beside it: what it remembers is what it was."""
    model, criterion = make_model(), make()
    with TorchStep(model, sgd(model), wrap(criterion), make_batches()) as step:
        step(0.1)
        assert criterion.center.any()
    assert criterion.center.tolist() == [0, 0, 0]


def test_what_a_train_step_names_is_restored():
    """A scheduler and an averaged model that it steps are what they were, without being named once more."""
    model = make_model()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    before = copy.deepcopy(scheduler.state_dict())

    def train_step(batch):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step(), scheduler.step(), averaged.update_parameters(model)
        return loss

    finder.range_test(TorchStep(model, optimizer, train_step=train_step, batches=make_batches()))
    assert scheduler.state_dict() == before
    assert averaged.n_averaged.item() == 0
    assert_untouched(averaged.module)


def test_runs_side_by_side_may_name_one_criterion():
    """What functions only name is not claimed: two models train with one criterion."""
    criterion = nn.CrossEntropyLoss()
    models = make_model(), make_model()
    first, second = (TorchStep(m, sgd(m), lambda o, t: criterion(o, t), make_batches()) for m in models)
    with first, second:
        assert first(0.1) == second(0.1)


def test_a_reshard_of_the_model_s_own_is_not_called():
    """Only FSDP2's modules are asked to let go of whole parameters; another's method of that name is its own affair."""

    class Cards(nn.Linear):
        def reshard(self, decks):
            raise AssertionError("not what the step may call")

    model = Cards(5, 3)
    assert len(finder.range_test(TorchStep(model, sgd(model), cross_entropy, make_batches()))) == 6


def test_the_state_is_put_back_even_if_a_sharded_module_cannot_let_go(monkeypatch):
    """What FSDP2 raises then comes through, after the rest has been restored."""
    fsdp = pytest.importorskip("torch.distributed.fsdp")

    class Sharded(nn.Sequential):
        def reshard(self):
            if self.is_in_run:
                raise RuntimeError("lost a rank")

    monkeypatch.setattr(fsdp, "FSDPModule", Sharded)
    model = Sharded(*make_model())
    model.is_in_run = False

    def loss_fn(outputs, targets):
        model.is_in_run = True
        return cross_entropy(outputs, targets)

    with pytest.raises(RuntimeError, match="lost a rank"):
        finder.range_test(TorchStep(model, sgd(model), loss_fn, make_batches()))
    assert_untouched(model)


def test_modes_of_submodules_are_kept_in_the_run():
    """A model in train mode keeps what the user froze; a model in eval mode is trained, and is back in eval after."""
    model = make_model()
    model[1].eval()
    with TorchStep(model, sgd(model), cross_entropy, make_batches()) as step:
        step(0.1)
        assert [m.training for m in model] == [True, False, True, True]
    model.eval()
    with TorchStep(model, sgd(model), cross_entropy, make_batches()) as step:
        step(0.1)
        assert all(m.training for m in model)
    assert not any(m.training for m in model.modules())
    assert_untouched(model)


def test_validation_loss():
    """The record is the mean loss of fixed batches after the update, in eval mode and without gradients."""
    validation = make_batches(5, 6)
    model, other = make_model(), make_model()
    model.insert(3, nn.Dropout(0.5))
    model[1].eval()
    other.insert(3, nn.Dropout(0.5))
    other[1].eval()
    optimizer = sgd(other)
    expected = []
    torch.manual_seed(5)
    for lr, (x, y) in zip(LRS, make_batches() * 2, strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        cross_entropy(other(x), y).backward()
        optimizer.step()
        other.eval()
        with torch.no_grad():
            expected.append(np.mean([cross_entropy(other(x), y).item() for x, y in validation[1:3]]))
        other.train()
        other[1].eval()
    torch.manual_seed(5)
    step = TorchStep(
        model, sgd(model), cross_entropy, make_batches(), validation=iter(validation[1:]), num_validation_batches=2
    )
    assert losses_of(step) == pytest.approx(expected)
    assert len(finder.range_test(step)) == 6  # the same batches again, though they came from an iterator
    with pytest.raises(ValueError, match="at least one batch, got an empty source"):
        finder.range_test(TorchStep(model, sgd(model), cross_entropy, make_batches(), validation=[]))


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(2)], ids=["global", "shared generator"])
def test_taking_the_validation_batches_draws_nothing(generator):
    """Only the first run takes them: it trains on the same batches, and with the same noise, as the next one."""
    model = make_model()
    model.insert(3, nn.Dropout(0.5))
    dataset = TensorDataset(*(torch.cat(parts) for parts in zip(*make_batches(2), strict=True)))
    loaders = [DataLoader(dataset, batch_size=8, shuffle=True, generator=generator) for _ in range(2)]
    step = TorchStep(model, sgd(model), cross_entropy, loaders[0], validation=loaders[1])
    torch.manual_seed(5)
    assert losses_of(step) == losses_of(step)


def test_an_autocast_region_around_the_run():
    """Inside a region of the caller's the weights are cast anew at each step, not taken from its cache."""
    losses = []
    for _ in range(2):
        model = make_model()
        with torch.autocast("cpu", torch.bfloat16):
            step = TorchStep(model, sgd(model), cross_entropy, make_batches(1))
            losses.append(losses_of(step, [0.5] * 5))
    other = make_model()

    def loss_in_autocast(batch):
        with torch.autocast("cpu", torch.bfloat16):
            return cross_entropy(other(batch[0]), batch[1])

    expected, _ = by_hand(make_batches(1), loss_in_autocast, other, sgd(other), [0.5] * 5)
    assert losses == [expected, expected]


# -------------------------------------------------------------------------------------------------- torch.compile


def test_a_compiled_model_is_compiled_once():
    """Two runs over a compiled model, and training before and between, compile its forward pass once."""
    counter = CompileCounter()
    torch._dynamo.reset()
    model = make_model()
    compiled = torch.compile(model, backend=counter)
    step = TorchStep(compiled, sgd(model), cross_entropy, make_batches())
    by_hand(make_batches(), lambda b: cross_entropy(compiled(b[0]), b[1]), model, sgd(model), [0.0])
    num_compiled = counter.frame_count
    for _ in range(2):
        finder.range_test(step)
        by_hand(make_batches(), lambda b: cross_entropy(compiled(b[0]), b[1]), model, sgd(model), [0.0])
    assert num_compiled > 0
    assert counter.frame_count == num_compiled


# torch's own, when its compiler is imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_optimizer_is_not_compiled_again_for_each_rate():
    """With a tensor learning rate a compiled optimizer step meets the same tensor at every rate."""
    counter = CompileCounter()
    torch._dynamo.reset()
    model = nn.Linear(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), torch.tensor(0.1), foreach=False)
    update = torch.compile(lambda: optimizer.step(), backend=counter)

    def train_step(batch):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        update()
        return loss.item()

    with TorchStep(model, optimizer, train_step=train_step, batches=make_batches()) as step:
        step(0.1), step(0.2)
        num_compiled = counter.frame_count
        for lr in LRS:
            step(lr)
    assert counter.frame_count == num_compiled > 0


# ----------------------------------------------------------------------------------------- repeats, lag, snapshots


@pytest.mark.parametrize(
    "batches",
    [
        make_batches(6),
        DataLoader(TensorDataset(*(torch.cat(p) for p in zip(*make_batches(6), strict=True))), batch_size=8),
        DataLoader(
            TensorDataset(*(torch.cat(p) for p in zip(*make_batches(6), strict=True))), batch_size=8, shuffle=True
        ),
        DataLoader(
            TensorDataset(*(torch.cat(p) for p in zip(*make_batches(6), strict=True))),
            batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(2),
        ),
    ],
    ids=["list", "sequential", "shuffled", "shuffled with a generator"],
)  # fmt: skip
def test_reseeding_draws_other_batches(batches):
    """Another seed, other batches; the same seed, the same; leaving undoes it."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, batches)

    def run(seed):
        with step:
            if seed is not None:
                step.reseed(seed)
            return [step(lr) for lr in LRS]

    torch.manual_seed(3)
    plain = run(None)
    runs = {seed: run(seed) for seed in (1, 2, 3)}
    assert run(1) == runs[1]
    assert len({tuple(losses) for losses in (plain, *runs.values())}) == 4
    assert run(None) == plain


def test_reseeding_covers_every_source_of_noise():
    """Python's, NumPy's and torch's global states follow the seed; unseeded noise of a dataset's own too."""
    model = make_model()

    class Noisy:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def __iter__(self):
            while True:
                noise = random.random() + np.random.rand() + self.rng.random() + torch.rand(8, 1)  # noqa: NPY002
                yield noise + make_batches(1)[0][0], make_batches(1)[0][1]

    step = TorchStep(model, sgd(model), cross_entropy, Noisy())

    def run(seed):
        with step:
            step.reseed(seed)
            return step(0.1)

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize("lag", [1, 3])
def test_losses_may_be_read_later(lag):
    """With a lag the records are the same, only later; what was trained beyond the stop is dropped."""
    model = make_model()
    batches = make_batches(20)
    batches[4][0].fill_(torch.nan)
    calls = []
    model.register_forward_hook(lambda *args: calls.append(1))
    test = LearningRateFinder(min_lr=1e-3, max_lr=0.1, num_steps=12)
    at_once = test.range_test(TorchStep(model, sgd(model), cross_entropy, batches, lag=0))
    calls.clear()
    later = test.range_test(TorchStep(model, sgd(model), cross_entropy, batches, lag=lag))
    assert later.losses == pytest.approx(at_once.losses, nan_ok=True)
    assert len(later) == 5
    assert later.stop_reason == StopReason.NOT_FINITE
    assert len(calls) == 5 + lag
    assert_untouched(model)


def test_a_number_on_its_way_is_read_once_and_survives_its_slot():
    """A slot that is used again hands its number over first; the value stays however often it is read."""
    readback = Readback(2, torch.device("cpu"))
    numbers = [readback.send(torch.tensor([float(i)])) for i in range(5)]
    assert [float(number) for number in numbers] == [0, 1, 2, 3, 4]
    assert [float(number) for number in numbers] == [0, 1, 2, 3, 4]


def test_a_number_waits_for_its_event():
    """Reading waits for the device's copy, once."""
    waits = []
    number = PendingNumber(torch.tensor(2.5), SimpleNamespace(synchronize=lambda: waits.append(1)))
    assert float(number) == float(number) == 2.5
    assert waits == [1]


@pytest.mark.parametrize(("snapshot", "place"), [("auto", "device"), ("device", "device"), ("host", "host")])
def test_the_step_says_where_the_state_is_kept(snapshot, place):
    """The place of the copy can be chosen and read."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches(), snapshot=snapshot)
    assert step.snapshot_place is None
    assert losses_of(step) == expected_losses()
    assert step.snapshot_place == place
    assert_untouched(model)


# -------------------------------------------------------------------------------------------------- one run at a time


def test_a_step_in_use_is_refused_and_the_first_run_goes_on():
    """The same step for a second run, in the middle of the first, changes nothing about the first."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches())
    undisturbed = finder.range_test(step).losses.tolist()
    losses = []
    for record in finder.steps(step):
        losses.append(record.loss)
        if record.step == 2:
            with pytest.raises(RuntimeError, match="this step is already in a run; end that one first"):
                finder.range_test(step)
    assert losses == undisturbed


class Merging(nn.Module):
    """A layer that merges its addend into its weight in eval mode, and takes it out in train mode, as LoRA's do."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 5), requires_grad=False)
        self.addend = nn.Parameter(torch.zeros(3, 5))
        self.is_merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.is_merged:
            self.weight.data += -self.addend.data if mode else self.addend.data
            self.is_merged = not mode
        return self

    def forward(self, x):
        return x @ (self.weight if self.is_merged else self.weight + self.addend).T


def test_validation_undoes_what_eval_mode_has_done():
    """A layer whose own eval() changes it is brought back by its own train(), so that training goes on."""
    model, batches = nn.Sequential(Merging()), make_batches()
    step = TorchStep(model, sgd(model), cross_entropy, batches, validation=batches[:1])
    with step:
        first = step(0.1)
        second = step(0.1)
        assert not model[0].is_merged
        assert torch.allclose(model[0].weight, torch.ones(3, 5))
    assert second < first


def test_a_counter_is_put_back():
    """What counts with a collections.Counter, whose update() adds, has its counts again."""
    model, batches = make_model(), make_batches()
    model.seen = Counter(before=3)

    def forward(batch):
        model.seen.update(batch[1].tolist())
        return cross_entropy(model(batch[0]), batch[1])

    finder.range_test(TorchStep(model, sgd(model), batches=batches, forward=forward))
    assert model.seen == Counter(before=3)


def test_a_default_device_is_not_for_losses_on_their_way():
    """Slots for losses that are read later are in host memory, wherever new tensors are made."""
    with torch.device("meta"):
        readback = Readback(2, torch.device("cpu"))
    assert float(readback.send(torch.tensor(2.5))) == 2.5


def test_a_parameter_of_two_optimizers_is_clipped_once():
    """Its gradient counts once in the norm: a step of SGD at lr 1 is as long as the norm that was asked for."""
    model = nn.Linear(5, 3)
    before = [p.detach().clone() for p in model.parameters()]
    optimizers = [sgd(model), torch.optim.SGD([model.weight], 0.0)]
    step = TorchStep(model, optimizers, cross_entropy, make_batches(), max_grad_norm=0.01)
    with step:
        step(1.0)
        moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_one_run_per_model():
    """A second run over the same model, or a part of it, is refused until the first has been left."""
    model = make_model()
    first = TorchStep(model, sgd(model), cross_entropy, make_batches())
    part = TorchStep(model[0], sgd(model[0]), lambda out, y: out.mean() + 0 * y.sum(), make_batches())
    copied = copy.deepcopy(model)
    other = TorchStep(copied, sgd(copied), cross_entropy, make_batches())
    second = TorchStep(model, sgd(model), cross_entropy, make_batches())
    assert len(finder.range_test(second)) == 6
    with first:
        for step in (second, part, second):
            with pytest.raises(RuntimeError, match=r"no other run is training, got a \w+ in use; stop that run"):
                step.__enter__()
        assert len(finder.range_test(other)) == 6
        first(0.1)
    assert len(finder.range_test(part)) == 6


def test_a_step_must_be_entered():
    """Without a saved state nothing is trained."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches())
    for call in (lambda: step(0.1), lambda: step.reseed(1)):
        with pytest.raises(RuntimeError, match="need an entered train step"):
            call()
    assert_untouched(model)


def test_a_run_under_way_can_be_left_and_begun_again():
    """Leaving in the middle and entering again starts from the same state and batch."""
    model = make_model()
    step = TorchStep(model, sgd(model), cross_entropy, make_batches())
    assert losses_of(step, LRS[:2]) == losses_of(step)[:2]


# ------------------------------------------------------------------------------------------------------- bad input


def refused(error, match, batches=None, loss_fn=cross_entropy, model=None, optimizer=None, **options):
    """Run a test that must be refused before anything is trained; nothing has changed after it."""
    model = model or make_model()
    before = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    rng = torch.get_rng_state()
    batches = make_batches() if batches is None else batches
    with pytest.raises(error, match=match) as caught:
        finder.range_test(TorchStep(model, optimizer or sgd(model), loss_fn, batches, **options))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(p.grad is None for p in model.parameters())
    return caught.value


def test_refuses_an_optimizer_without_parameters():
    """Groups without parameters train nothing."""
    optimizer = torch.optim.SGD([{"params": []}], 0.1)
    refused(ValueError, r"got one whose groups are empty; build it from model.parameters\(\)", optimizer=optimizer)


def test_refuses_an_optimizer_of_another_model():
    """An optimizer over a copy would train the copy, and the curve would be flat."""
    optimizer = sgd(make_model())
    refused(ValueError, r"got 6 of 6 that belong to something else; build it from", optimizer=optimizer)


def test_refuses_frozen_parameters():
    """With nothing to train there is nothing to test."""
    model = make_model()
    optimizer = sgd(model)
    model.requires_grad_(False)
    refused(
        ValueError, r"got only frozen ones \(requires_grad=False\); unfreeze some", model=model, optimizer=optimizer
    )


@pytest.mark.parametrize("batches", [[], DataLoader([], batch_size=2), iter([])])
def test_refuses_empty_loaders(batches):
    """No batch, no test: said before anything happens."""
    refused(ValueError, r"need at least one batch, got an empty source; check the dataset and drop_last", batches)


def test_refuses_inference_mode():
    """Parameters made in inference mode, and a run inside of it or of no_grad, can have no gradients."""
    with torch.inference_mode():
        model = make_model()
    step_error = r"got some made under torch.inference_mode\(\); build or load the model outside"
    with pytest.raises(RuntimeError, match=step_error):
        TorchStep(model, sgd(model), cross_entropy, make_batches())
    model = make_model()
    with torch.inference_mode():
        refused(
            RuntimeError, r"need gradients, got torch.inference_mode\(\); run the range test outside of it", model=model
        )
    with torch.no_grad():
        refused(RuntimeError, r"need gradients, got torch.no_grad\(\); run the range test outside of it")


@pytest.mark.parametrize(
    ("loss_fn", "error", "match"),
    [
        (
            lambda out, y: cross_entropy(out.detach(), y),
            ValueError,
            r"with a gradient, got Tensor float32 \[\] without",
        ),
        (
            lambda out, y: cross_entropy(out, y).item(),
            TypeError,
            r"a tensor as the loss, got float .* without .item\(\)",
        ),
        (lambda out, y: None, TypeError, r"need a tensor as the loss, got NoneType None"),
        (
            lambda out, y: cross_entropy(out, y, reduction="none"),
            TypeError,
            r"one element, got Tensor float32 \[8\]; take its mean",
        ),
        (lambda out, y: out.mean() * 1j, TypeError, r"need a real loss, got Tensor complex64 \[\]"),
        (lambda out, y: out.argmax(), TypeError, r"need a real loss, got Tensor int64 \[\]; .*cast it to float"),
    ],
    ids=["detached", "float", "None", "not reduced", "complex", "whole"],
)
def test_refuses_what_is_no_loss(loss_fn, error, match):
    """A loss without gradient, or that is no real number, is refused with the batch's form."""
    caught = refused(error, match, loss_fn=loss_fn)
    assert "lrwidget: the batch was (Tensor float32 [8, 5], Tensor int64 [8])" in caught.__notes__


def test_an_error_in_the_model_says_what_the_batch_was():
    """The first step's error carries the batch's form: most often that is what is wrong."""
    caught = refused(RuntimeError, "mat1 and mat2", [(torch.zeros(8, 4), torch.zeros(8).long())])
    assert "lrwidget: the batch was (Tensor float32 [8, 4], Tensor int64 [8])" in caught.__notes__


EVEN, ODD = (torch.zeros(8, 5), torch.zeros(8).long()), (torch.zeros(3, 4), torch.zeros(3).long())


@pytest.mark.parametrize(
    ("batches", "options"),
    [
        ([EVEN, ODD], {}),
        ([EVEN, ODD], {"record_grad_norm": True}),
        ([EVEN], {"validation": [ODD]}),
        ([EVEN, ODD], {"loss_fn": None, "train_step": lambda batch: 1 / (batch[0].shape[1] - 4)}),
    ],
    ids=["plain", "general", "validation", "own step"],
)
def test_an_error_in_a_later_step_says_what_the_batch_was(batches, options):
    """A loader's odd batch comes late; its form is told once."""
    model = make_model()
    step = TorchStep(model, sgd(model), **({"loss_fn": cross_entropy, "batches": batches} | options))
    with pytest.raises((RuntimeError, ZeroDivisionError)) as caught:
        finder.range_test(step)
    told = [note for note in caught.value.__notes__ if "the batch was" in note]
    assert told == ["lrwidget: the batch was (Tensor float32 [3, 4], Tensor int64 [3])"]


class LrFree(torch.optim.SGD):
    """Finds its own rate, and keeps the same books as Prodigy and D-Adaptation."""

    def __init__(self, params):
        super().__init__(params, 1.0)
        self.param_groups[0].update(d=1e-6, growth_rate=float("inf"))


def test_refuses_optimizers_that_need_no_rate():
    """What finds its own learning rate has none to test."""
    model = make_model()
    refused(ValueError, r"got LrFree, which finds its own; such an", model=model, optimizer=LrFree(model.parameters()))
    rprop = torch.optim.Rprop(model.parameters())
    refused(ValueError, r"got Rprop, which takes it for its first step and finds its own", model=model, optimizer=rprop)
    optimizer = sgd(model)
    optimizer.param_groups[0]["lr"] = None
    refused(ValueError, r"got SGD with lr=None in group 0", model=model, optimizer=optimizer)


@pytest.mark.parametrize(
    ("batches", "shown"),
    [
        (
            [{"x": torch.zeros(2, 5), "y": torch.zeros(2)}],
            r"\{'x': Tensor float32 \[2, 5\], 'y': Tensor float32 \[2\]\}",
        ),
        ([torch.zeros(2, 5)] * 1, r"Tensor float32 \[2, 5\]"),
        ([(torch.zeros(2, 5),)], r"\(Tensor float32 \[2, 5\]\)"),
        (["text"], r"str 'text'"),
    ],
    ids=["dict", "tensor", "without targets", "text"],
)
def test_refuses_batches_of_the_wrong_form(batches, shown):
    """The message shows the form received, and the two ways out."""
    pattern = rf"need batches \(inputs, targets\) .*, got {shown}; let the loader yield pairs, or pass forward="
    refused(ValueError, pattern, batches)


def test_refuses_pairs_where_the_model_computes_the_loss():
    """Without loss_fn the batches must be dicts."""
    match = r"need dict batches .* got \(Tensor float32 \[8, 5\], Tensor int64 \[8\]\); pass a loss_fn"
    refused(ValueError, match, loss_fn=None)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"batches": 3}, TypeError, r"need batches, .* got int 3; pass a list"),
        ({"batches": torch.zeros(3)}, TypeError, r"got Tensor float32 \[3\]; pass a list of batches"),
        ({"forward": lambda b: 0}, TypeError, r"need one way to the loss, got loss_fn and forward"),
        ({"accumulation_steps": 0}, ValueError, r"need accumulation_steps >= 1, got accumulation_steps=0"),
        ({"accumulation_steps": 1.5}, TypeError, r"need a whole number accumulation_steps >= 1, got"),
        ({"num_validation_batches": 0}, ValueError, r"need num_validation_batches >= 1"),
        ({"lag": -1}, ValueError, r"need lag >= 0, got lag=-1"),
        ({"lag": True}, TypeError, r"need a whole number lag >= 0, got lag=True"),
        ({"max_grad_norm": 0.0}, ValueError, r"need max_grad_norm > 0, got max_grad_norm=0.0"),
        ({"snapshot": "disk"}, ValueError, r'need snapshot "auto", "device" or "host", got snapshot=\'disk\''),
        ({"optimizer": 3}, TypeError, r"need a torch optimizer, or a list of them, got int 3"),
        (
            {"loss_fn": None, "train_step": lambda b: 0.0, "autocast": torch.bfloat16, "max_grad_norm": 1.0},
            TypeError,
            r"no more than a train_step that does the whole step, got max_grad_norm and autocast too",
        ),
    ],
)
def test_refuses_options_that_make_no_sense(options, error, match):
    """Wrong types, numbers out of range and options that exclude each other are named with their remedy."""
    refused(error, match, **options)


def test_refuses_a_model_that_is_none():
    """Several models come in a ModuleList; a plain list is not one."""
    model = make_model()
    with pytest.raises(TypeError, match=r"need a torch.nn.Module as the model, got \[Linear .*wrap several in nn.Mod"):
        TorchStep([model[0]], sgd(model), cross_entropy, make_batches())


def test_refuses_a_closure_beside_a_scaler():
    """LBFGS evaluates the loss as often as it likes, which a scaler cannot follow."""
    model = make_model()
    optimizer = torch.optim.LBFGS(model.parameters())
    scaler = torch.amp.GradScaler("cpu")
    refused(
        TypeError, r"without a closure beside a scaler .* got LBFGS", model=model, optimizer=optimizer, scaler=scaler
    )


class Endless(IterableDataset):
    def __iter__(self):
        yield from make_batches()


def test_steps_per_epoch_where_the_batches_have_a_length():
    """Batches in one pass over those of a step; None for what has no length, and for one batch used for ever."""

    def steps_per_epoch(batches, **options):
        model = make_model()
        return TorchStep(
            model, torch.optim.SGD(model.parameters(), 0.1), cross_entropy, batches, **options
        ).steps_per_epoch

    data = TensorDataset(torch.randn(50, 5), torch.zeros(50, dtype=torch.long))
    assert steps_per_epoch(DataLoader(data, batch_size=8)) == 7
    assert steps_per_epoch(DataLoader(data, batch_size=8, drop_last=True), accumulation_steps=3) == 2
    assert steps_per_epoch(make_batches(4)) == 4
    assert steps_per_epoch(make_batches(4), accumulation_steps=9) == 1
    assert steps_per_epoch(DataLoader(Endless(), batch_size=None)) is None
    assert steps_per_epoch(iter(make_batches())) is None
    assert steps_per_epoch(make_batches(1)[0]) is None


def test_no_warnings_and_no_leftovers():
    """A run warns of nothing and keeps neither the batches nor the snapshot alive."""
    model = make_model()
    batches = make_batches()
    step = TorchStep(model, sgd(model), mse_loss, [(x, torch.zeros(8, 3)) for x, _ in batches])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finder.range_test(step)
    gc.collect()
    num_tensors = sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
    finder.range_test(step)
    gc.collect()
    assert sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()) <= num_tensors
