"""Snapshots of a PyTorch training: what they copy, how much, and how they put it back."""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ipywidgets import IntProgress
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.masked import masked_tensor
from torch.profiler import ProfilerActivity, profile
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils.data import Dataset

from lrwidget import TorchStep
from lrwidget.steps import overlap, torch_parts
from lrwidget.steps.interrupts import InterruptShield, shielded
from lrwidget.steps.overlap import RandomStates
from lrwidget.steps.parts import RestoreError
from lrwidget.steps.torch_random import random_parts, reseed_all
from lrwidget.steps.torch_state import TorchSnapshot, choose_place, free_bytes
from tests.torch_training import interrupted_at_line


class Holder(nn.Module):
    """A module with one attribute of the test's choice."""

    def __init__(self, value):
        super().__init__()
        self.value = value


def snapshot(*roots, **options):
    return TorchSnapshot([(f"root{index}", root) for index, root in enumerate(roots)], **options)


# ------------------------------------------------------------------------------------------------------- tensors


def test_ties_and_views_are_copied_once():
    """Memory that goes by several names is saved once and restored under all of them."""
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    model.register_buffer("column", first.weight.data[:, 1])
    before = first.weight.detach().clone()
    state = snapshot(model)
    assert state.num_bytes == 4 * 4 * 4
    with torch.no_grad():
        model.column.fill_(7)
        second.weight += 1
    state.restore()
    assert torch.equal(first.weight, before)
    assert second.weight is first.weight
    assert model.column.data_ptr() == first.weight.data_ptr() + 4


def test_a_tensor_that_wraps_others_is_restored_through_them():
    """A wrapper has no memory of its own (quantised weights are such); what it wraps is back, in the same objects."""
    inner = torch.rand(3), torch.rand(3)
    before = [tensor.clone() for tensor in inner]
    model = nn.Module()
    model.register_buffer("wrapper", TwoTensor(*inner))
    wrapper = model.wrapper
    state = snapshot(model)
    wrapper.mul_(3)
    assert not torch.equal(inner[0], before[0])
    state.restore()
    assert model.wrapper is wrapper
    assert all(torch.equal(tensor, was) for tensor, was in zip(inner, before, strict=True))


def test_a_slice_of_a_large_block_is_copied_alone():
    """A contiguous tensor that owns a part of a storage is saved without the rest of it."""
    model = Holder(torch.zeros(1000)[10:20])
    assert snapshot(model).num_bytes == 40


MAKES = {
    "expanded": lambda: torch.rand(3).expand(5, 3),
    "channels last": lambda: torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "strided": lambda: torch.rand(4, 6)[:, ::2],
    "slice": lambda: torch.rand(8)[1:4],
    "slice of bytes": lambda: torch.randint(0, 255, (9,), dtype=torch.uint8)[3:8],
    "complex": lambda: torch.rand(3, dtype=torch.complex64),
    "bfloat16": lambda: torch.rand(3, dtype=torch.bfloat16),
    "bool": lambda: torch.tensor([True, False]),
    "empty": lambda: torch.rand(0, 3),
    "one number": lambda: torch.tensor(0.5),
    "sparse": lambda: torch.eye(3).to_sparse(),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_tensors_of_every_make_are_restored_in_place(make):
    """Expanded, strided, sparse, empty tensors and all dtypes come back in the same object."""
    tensor = make()
    before = tensor.to_dense().clone()
    model = Holder(tensor)
    state = snapshot(model)
    base = tensor if tensor.layout is torch.sparse_coo or not tensor.dim() else tensor[..., :1]
    base.zero_()
    state.restore()
    assert model.value is tensor
    assert torch.equal(tensor.to_dense(), before)


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_tensor_that_nothing_has_changed_may_be_in_read_only_memory(make):
    """It is not written to, which would kill the process there; PyTorch counts what is written."""
    tensor = make()
    before = tensor.to_dense().clone()
    state = snapshot(Holder(tensor))
    version = tensor._version
    state.restore()
    assert torch.equal(tensor.to_dense(), before)
    if tensor.layout is torch.strided and tensor.is_contiguous():
        assert tensor._version == version


def ragged(layout):
    return torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)], layout=layout)


# How to make one, how to get at its numbers to change them in place, and how to read them.
CODED = {
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.rand(3, 4), 0.1, 0, torch.qint8),
        lambda t: t.copy_(torch.zeros(3, 4)),
        lambda t: t.int_repr(),
    ),
    "conjugated": (
        lambda: torch.rand(3, dtype=torch.complex64).conj(),
        lambda t: t.zero_(),
        lambda t: torch.view_as_real(t.resolve_conj()),
    ),
    "negated": (
        lambda: torch.rand(3, dtype=torch.complex64).conj().imag,
        lambda t: t.zero_(),
        lambda t: t.resolve_neg(),
    ),
    "nested": (
        lambda: ragged(torch.strided),
        lambda t: [part.zero_() for part in t.unbind()],
        lambda t: torch.cat(t.unbind()),
    ),
    "jagged": (lambda: ragged(torch.jagged), lambda t: t.values().zero_(), lambda t: t.values()),
    "masked": (
        lambda: masked_tensor(torch.rand(3), torch.tensor([True, False, True])),
        lambda t: t._masked_data.zero_(),
        lambda t: t._masked_data,
    ),
    "mkldnn": (
        lambda: torch.rand(3, 4).to_mkldnn(),
        lambda t: t.copy_(torch.zeros(3, 4).to_mkldnn()),
        lambda t: t.to_dense(),
    ),
}


# torch's own, of what it calls prototypes.
@pytest.mark.filterwarnings("ignore:.*(prototype|nested tensors|MaskedTensor|quantized tensor creation).*:UserWarning")
@pytest.mark.parametrize(("make", "change", "read"), CODED.values(), ids=CODED)
def test_tensors_that_are_not_what_their_memory_reads_as(make, change, read):
    """A tensor whose numbers are coded, or held by others, is restored as well, and one that has not changed."""
    tensor = make()
    before = read(tensor).clone()
    for act in (lambda t: None, change):
        state = snapshot(Holder(tensor))
        act(tensor)
        assert torch.equal(read(tensor), before) == (act is not change)
        state.restore()
        assert torch.equal(read(tensor), before)


@pytest.mark.parametrize(
    "make",
    [lambda: torch.zeros(3, device="meta"), lambda: FakeTensorMode().from_tensor(torch.zeros(3))],
    ids=["meta", "fake"],
)
def test_tensors_without_contents_need_no_restoring(make):
    """Templates for shapes break no run; their flags are put back."""
    model = Holder([make()])
    state = snapshot(model)
    model.value[0].requires_grad_()
    assert state.num_bytes == 0
    state.restore()
    assert not model.value[0].requires_grad


def test_what_is_written_past_pytorch_is_restored_bit_for_bit():
    """NumPy changes a tensor without a count: other NaN, other zeros."""
    tensor = torch.tensor([0.0, 1.0, float("nan")])
    state = snapshot(Holder(tensor))
    tensor.numpy()[:] = [-0.0, 1.0, np.nan]
    state.restore()
    assert not np.signbit(tensor.numpy()[0])
    tensor.data[1] = 5
    state.restore()
    assert tensor[1] == 1


def test_a_parameter_pointed_elsewhere_points_to_its_own_memory_again():
    """A model that was cast in the run is back in its dtype and at its address."""
    model = nn.Linear(3, 3)
    pointers = [p.data_ptr() for p in model.parameters()]
    before = [p.detach().clone() for p in model.parameters()]
    state = snapshot(model)
    model.double()
    with torch.no_grad():
        model.weight.zero_()
    state.restore()
    assert [p.data_ptr() for p in model.parameters()] == pointers
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_a_buffer_replaced_or_hung_into_the_graph_is_restored():
    """The old buffer is registered again, and one that has become part of a graph is a leaf again."""
    model = nn.BatchNorm1d(3)
    model.register_buffer("scale", torch.ones(3))
    old = model.running_mean
    state = snapshot(model)
    model.running_mean = torch.full((3,), 5.0)
    model.scale.mul_(model.weight * 2)
    assert not model.scale.is_leaf
    state.restore()
    assert model.running_mean is old
    assert model.scale.is_leaf
    assert torch.equal(model.scale, torch.ones(3))


def test_a_tensor_that_is_no_leaf_keeps_its_graph():
    """A tensor inside a graph gets its contents back and stays where it is in the graph."""
    weight = torch.ones(2, requires_grad=True)
    model = Holder(weight * 3)
    state = snapshot(model)
    model.value.data.zero_()
    state.restore()
    model.value.sum().backward()
    assert weight.grad.tolist() == [3, 3]
    assert model.value.tolist() == [3, 3]


def test_hooks_of_parameters_are_restored():
    """Hooks that were there stay, also if the run removed them; those of the run go."""
    weight = nn.Parameter(torch.ones(1))
    other = nn.Parameter(torch.ones(1))
    calls = []
    handle = weight.register_hook(lambda grad: calls.append("hook"))
    weight.register_post_accumulate_grad_hook(lambda p: calls.append("post"))
    state = snapshot(nn.ParameterList([weight, other]))
    handle.remove()
    weight.register_hook(lambda grad: calls.append("run"))
    other.register_hook(lambda grad: calls.append("run"))
    other.register_post_accumulate_grad_hook(lambda p: calls.append("run"))
    state.restore()
    (weight * other).backward()
    assert calls == ["hook", "post"]


def test_attributes_of_tensors_are_restored():
    """What hangs on a parameter, such as its importance or its gradient per sample, is what it was; or is gone."""
    first, second = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    first.importance = importance = torch.ones(2)
    state = snapshot(nn.ParameterList([first, second]))
    first.importance += 1
    first.importance = second.importance = torch.zeros(2)
    state.restore()
    assert first.importance is importance
    assert importance.tolist() == [1, 1]
    assert vars(second) == {}


def test_lazy_modules_are_lazy_again():
    """Parameters without a shape get one in the run and have none after it; the module initialises itself anew."""
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    state = snapshot(model)
    torch.manual_seed(0)
    first = model(torch.ones(2, 5))
    state.restore()
    assert all(nn.parameter.is_lazy(p) for p in model.parameters())
    assert type(model[0]) is nn.LazyLinear
    torch.manual_seed(0)
    assert torch.equal(model(torch.ones(2, 5)), first)
    assert model[0].weight.shape == (3, 5)


# ---------------------------------------------------------------------------------------------- containers, objects


def test_containers_are_restored_as_the_same_objects():
    """Lists, deques, sets, dicts, tuples and arrays, however nested, hold what they held, in its order."""
    array = np.arange(3.0)
    value = {"a": [1, deque([2], maxlen=3)], "b": ({"c": {3}}, array), "d": {}}
    model = Holder(value)
    inner, chosen = value["a"], value["b"][0]["c"]
    state = snapshot(model)
    inner[1].append(9), inner.insert(0, 8), chosen.add(4), value["d"].update(x=1)
    value["b"][0]["new"] = 5
    value["a"] = value.pop("a")  # now last
    array += 1
    model.value = None
    state.restore()
    assert model.value is value
    assert list(value) == ["a", "b", "d"]
    assert value["a"] is inner
    assert inner == [1, deque([2])]
    assert value["b"][0] == {"c": {3}}
    assert value["d"] == {}
    assert array.tolist() == [0, 1, 2]


def test_read_only_arrays_are_left_alone():
    """What cannot have changed is not written to."""
    array = np.arange(3.0)
    array.setflags(write=False)
    snapshot(Holder(array)).restore()
    assert array.tolist() == [0, 1, 2]


def test_containers_that_hold_themselves_are_walked_once():
    """A cycle of containers ends."""
    value = [1]
    value.append(value)
    model = Holder(value)
    state = snapshot(model)
    value.append(2)
    state.restore()
    assert len(value) == 2


def test_what_a_root_names_is_followed_in_any_object():
    """An object of the user's own is saved attribute by attribute; one without attributes is refused."""

    class Meter:
        def __init__(self):
            self.total, self.values = 0.0, [torch.zeros(1)]

    meter = Meter()
    state = snapshot(meter, meter)
    meter.total = 5.0
    meter.values[0] += 1
    state.restore()
    assert (meter.total, meter.values[0].item()) == (0.0, 0.0)
    with pytest.raises(TypeError, match=r"need objects with attributes to save, got root0=3; pass what training"):
        snapshot(3)


class Meter:
    """State that PyTorch knows nothing of."""

    def __init__(self, inner=None):
        self.count, self.total, self.inner = 0, torch.zeros(1), inner


@dataclass
class Cache:
    """State of another make."""

    count: int = 0
    total: torch.Tensor = field(default_factory=lambda: torch.zeros(1))


@pytest.mark.parametrize("hold", [lambda held: held, lambda held: [{"a": held}]], ids=["by itself", "in containers"])
@pytest.mark.parametrize("make", [Meter, Cache, lambda: SimpleNamespace(count=0, total=torch.zeros(1))])
def test_plain_objects_in_a_module_are_restored(make, hold):
    """Meters, caches, namespaces that a module holds have the attributes they had; plain objects in those are left."""
    held, inner = make(), Meter()
    held.inner = inner
    state = snapshot(nn.Sequential(Holder(hold(held))))
    held.count, held.more, inner.count = 5, 1, 1
    held.total += 1
    state.restore()
    assert (held.count, held.total.item(), inner.count) == (0, 0, 1)
    assert not hasattr(held, "more")


def test_a_plain_object_of_two_owners_is_restored_whoever_is_met_first():
    """One that hangs inside another one and on a module, too, is restored for the module's sake."""
    for keys in (["outer", "inner"], ["inner", "outer"]):
        model, inner = nn.Module(), Meter()
        for key in keys:
            setattr(model, key, {"outer": Meter([inner]), "inner": [inner]}[key])
        state = snapshot(model)
        inner.count += 1
        inner.total += 1
        state.restore()
        assert (inner.count, inner.total.item()) == (0, 0)


def test_machinery_and_data_are_left_alone():
    """A thread that has started stays so, an event stays set, a widget's bar where it is; a dataset is not copied."""

    class Images(Dataset):
        def __init__(self):
            self.images = torch.zeros(1000)

    class Fetcher(threading.Thread):
        def run(self):
            pass

    model = nn.Module()
    model.images, model.fetcher, model.event, model.bar = Images(), Fetcher(), threading.Event(), IntProgress()
    state = snapshot(model)
    model.fetcher.start(), model.event.set()
    model.bar.value = 3
    model.fetcher.join()
    state.restore()
    assert state.num_bytes == 0
    assert model.event.is_set()
    assert model.bar.value == 3
    assert model.fetcher.ident is not None


def test_an_object_has_its_own_dictionary_of_attributes_again():
    """A module that was given another one has its former one, with what that held."""
    model = Holder(1)
    own = vars(model)
    state = snapshot(model)
    model.__dict__ = {**own, "value": 2}
    state.restore()
    assert vars(model) is own
    assert model.value == 1


def test_switches_of_the_process_are_restored():
    """Grad mode, precision of products, deterministic algorithms, the hunt for anomalies: as they were, on or off."""

    def switches():
        return (
            torch.is_grad_enabled(),
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.is_anomaly_enabled(),
        )

    before = switches()
    for change in (
        lambda: torch.set_grad_enabled(False),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: torch.autograd.set_detect_anomaly(True),
    ):
        state = snapshot(Holder(None))
        change()
        assert switches() != before
        state.restore()
        assert switches() == before


def test_roots_may_be_containers_and_generators():
    """A list of models and a generator are roots as well as a model."""
    models, generator = [nn.Linear(1, 1)], torch.Generator().manual_seed(1)
    weight, drawn = models[0].weight.item(), torch.rand(1, generator=torch.Generator().manual_seed(1))
    state = snapshot(models, generator)
    models[0].weight.data.zero_()
    torch.rand(1, generator=generator)
    state.restore()
    assert models[0].weight.item() == weight
    assert torch.equal(torch.rand(1, generator=generator), drawn)


def test_extra_state_goes_through_the_module_s_own_functions():
    """get_extra_state and set_extra_state are used where a module defines both, after all else is restored."""

    class Outside(nn.Module):
        store = {"value": [1]}  # noqa: RUF012 - not an attribute of the instance, so only these functions reach it

        def get_extra_state(self):
            return self.store["value"]

        def set_extra_state(self, state):
            self.store["value"] = state

    class HalfDefined(nn.Module):
        def get_extra_state(self):
            raise AssertionError("must not be called: nothing could be set")

    model = Outside()
    state = snapshot(nn.Sequential(model, HalfDefined()))
    model.store["value"].append(2)
    state.restore()
    assert model.store["value"] == [1]


@pytest.mark.parametrize(
    ("generator", "draw"),
    [
        (torch.Generator(), lambda g: torch.rand(1, generator=g).item()),
        (np.random.default_rng(1), lambda g: g.random()),
        (np.random.RandomState(1), lambda g: g.rand()),
        (random.Random(1), lambda g: g.random()),
    ],
    ids=["torch", "numpy", "numpy legacy", "python"],
)
def test_generators_are_restored_and_reseeded(generator, draw):
    """A generator draws the same again after a restore, and the same for the same seed."""
    state = snapshot(Holder(generator))
    first = draw(generator)
    state.restore()
    assert draw(generator) == first
    reseed_all(5, state.generators)
    seeded = draw(generator)
    reseed_all(5, state.generators)
    assert draw(generator) == seeded != first


def test_a_generator_without_state_is_left_alone():
    """The operating system's randomness cannot be restored and does not stop the rest."""
    model = Holder(random.SystemRandom())
    model.bias = torch.zeros(1)
    state = snapshot(model)
    model.bias += 1
    state.restore()
    assert model.bias.item() == 0


def test_script_modules_are_restored():
    """Parameters, buffers and mode that live outside of Python are found too."""
    with pytest.warns(DeprecationWarning, match="script"):
        model = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = snapshot(model)
    model(torch.rand(4, 2))
    model.eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    state.restore()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == [True, True, True]


# -------------------------------------------------------------------------------------------------------- memory


def adam_training():
    model = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 300))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(8, 300)).sum().backward()
    optimizer.step()
    num_bytes = sum(p.nbytes for p in model.parameters()) * 3 + 4 * 4  # moments; and the step counts
    return model, optimizer, num_bytes


def allocated_bytes(function):
    """All that is allocated, whether or not it is freed again."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        result = function()
    events = [event.nbytes() for event in prof.profiler.kineto_results.events() if event.name() == "[memory]"]
    return sum(n for n in events if n > 0), result


@pytest.mark.parametrize("place", ["device", "host"])
def test_a_snapshot_is_exactly_one_copy(place):
    """Taking it allocates the size of parameters and optimizer state; restoring allocates nothing."""
    model, optimizer, num_bytes = adam_training()
    taken, state = allocated_bytes(lambda: snapshot(model, optimizer, place=place))
    assert state.num_bytes == num_bytes
    random_states = 2 * torch.get_rng_state().nbytes
    assert num_bytes <= taken <= num_bytes + random_states + 1000 * 64  # allocations are rounded up to 64 bytes
    restored, _ = allocated_bytes(state.restore)
    assert restored <= random_states


def test_gradients_are_set_aside_without_a_copy():
    """The gradient objects are kept, not cloned; a run begins without any."""
    model, optimizer, num_bytes = adam_training()
    model[0].bias.grad = None
    grads = [p.grad for p in model.parameters()]
    state = snapshot(model, optimizer)
    state.set_grads_aside()
    assert state.num_bytes == num_bytes
    assert all(p.grad is None for p in model.parameters())
    model[0].bias.grad = torch.ones(300)
    state.restore()
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))


def test_the_place_depends_on_what_is_free():
    """A copy stays on the device where it takes at most a quarter of the free memory; elsewhere it goes to the host."""
    assert choose_place(100, None) == "device"
    assert choose_place(100, 400) == "device"
    assert choose_place(100, 399) == "host"


class NoRoom:
    """Makes copies on the device fail, as on a full GPU."""

    def __init__(self, monkeypatch):
        original = torch_parts.Memory.__init__

        def init(memory, path, live, place):
            if place == "device":
                raise torch.OutOfMemoryError("simulated")
            original(memory, path, live, place)

        monkeypatch.setattr(torch_parts.Memory, "__init__", init)


def test_a_full_device_gives_way_to_the_host(monkeypatch):
    """With "auto" an allocation that fails moves the copy to host memory, and the state is restored from there."""
    NoRoom(monkeypatch)
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    state = snapshot(model, place="auto")
    assert state.place == "host"
    model.weight.data.zero_()
    state.restore()
    assert torch.equal(model.weight, before)


def test_a_full_device_says_what_to_do(monkeypatch):
    """With "device" the error carries on with the size and the remedy."""
    NoRoom(monkeypatch)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        snapshot(nn.Linear(2, 2), place="device")
    assert 'a copy of the state takes 0.00 GB; keep it in host memory with TorchStep(..., snapshot="host")' in str(
        caught.value.__notes__
    )


def random_states():
    """What the three global sources would draw next."""
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def draw():
    """A number from each of the global sources."""
    return random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002


@pytest.mark.parametrize("ends", [(0, 1), (1, 0)], ids=["first in, first out", "first in, last out"])
def test_random_states_after_runs_that_overlap_are_those_before_the_first(ends):
    """Two runs in two threads, whichever ends first; what a third one finds is between, and is not kept either."""
    draw()
    before = random_states()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        threads, states = (one, two), []
        for thread in threads:
            states.append(thread.submit(snapshot, Holder(None)).result())
            draw()
        for end in ends:
            threads[end].submit(states[end].restore).result()
            assert random_states() == before
            draw()
    middle = random_states()
    state = snapshot(Holder(None))
    draw()
    state.restore()
    assert random_states() == middle


def test_a_run_in_the_main_thread_puts_back_what_it_has_found():
    """The code around it has seeded, maybe, and goes on; that a run in the background is under way is no matter."""
    with ThreadPoolExecutor(1) as thread:
        behind = thread.submit(snapshot, Holder(None)).result()
        torch.manual_seed(5)
        before = random_states()
        state = snapshot(Holder(None))
        draw()
        state.restore()
        assert random_states() == before
        thread.submit(behind.restore).result()


def test_a_run_may_end_while_its_own_thread_begins_another():
    """A forgotten one is collected whenever the collector runs, also in the middle of that."""
    states = [RandomStates([])]

    def found():
        states.pop().end()
        yield from ()

    beginning = threading.Thread(target=lambda: RandomStates(found()), daemon=True)
    beginning.start()
    beginning.join(10)
    assert not beginning.is_alive()


def test_a_run_within_another_puts_back_what_it_has_found():
    """The outer one goes on to draw as if the inner one had never been."""
    outer = snapshot(Holder(None))
    draw()
    before = random_states()
    inner = snapshot(Holder(None))
    draw()
    inner.restore()
    assert random_states() == before
    outer.restore()


def test_a_snapshot_that_fails_holds_up_no_random_states(monkeypatch):
    """It is no run under way, however long its exception is kept."""
    model = nn.Linear(2, 2)
    with monkeypatch.context() as patch:
        NoRoom(patch)
        with pytest.raises(torch.OutOfMemoryError) as kept:
            snapshot(model, place="device")
    draw()
    before = random_states()
    with ThreadPoolExecutor(1) as thread:
        state = thread.submit(snapshot, Holder(None)).result()
        draw()
        state.restore()
    assert random_states() == before
    del kept


def test_random_states_of_accelerators_are_restored(monkeypatch):
    """The generators of every CUDA device in use, and of the model's MPS device, go back (here: pretended ones)."""
    states = {"cuda": [1, 2], "mps": 3}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: list(states["cuda"]))
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda state: states.update(cuda=state))
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: states["mps"])
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: states.update(mps=state))
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)
    monkeypatch.setattr(torch, "set_autocast_enabled", lambda kind, enabled: None)
    parts = list(random_parts(torch.device("mps")))
    states.update(cuda=[8, 9], mps=7)
    for part in parts:
        part.restore()
    assert states == {"cuda": [1, 2], "mps": 3}


def test_free_memory_counts_what_the_allocator_holds(monkeypatch):
    """On CUDA the free bytes are the device's and those that the caching allocator keeps unused."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert free_bytes(torch.device("cuda")) == 130
    assert free_bytes(torch.device("cpu")) is None


# ------------------------------------------------------------------------------------------------------- failures


def test_what_cannot_be_restored_is_named_and_the_rest_is_restored(monkeypatch):
    """The error names every part that failed; all other parts are what they were."""

    class Refusing(nn.Linear):
        def get_extra_state(self):
            return 1

        def set_extra_state(self, state):
            raise ValueError("no")

    model = nn.Sequential(Refusing(2, 2), nn.Linear(2, 2))
    before = [p.detach().clone() for p in model.parameters()]
    random_state = torch.get_rng_state()
    state = snapshot(model)
    torch.rand(1)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    copy_back = torch_parts.Memory.restore

    def restore(memory):
        if memory.name == "root0.0.weight":
            raise RuntimeError("device lost")
        copy_back(memory)

    monkeypatch.setattr(torch_parts.Memory, "restore", restore)
    with pytest.raises(RestoreError) as caught:
        state.restore()
    assert "could not restore root0.0.weight (RuntimeError: device lost); " in str(caught.value)
    assert "root0.0.extra_state (ValueError: no); all else is as it was" in str(caught.value)
    for p, b in list(zip(model.parameters(), before, strict=True))[1:]:
        assert torch.equal(p, b)
    assert torch.equal(torch.get_rng_state(), random_state)


# ------------------------------------------------------------------------------------------------------- interrupts


@shielded
def put_back(done, interrupt):
    done.append("begun")
    interrupt()
    done.append("finished")


def test_ctrl_c_waits_for_a_shielded_function():
    """An interrupt in the middle of it, or two, are kept until the shield is lowered; then one comes through."""
    shield, done = InterruptShield(), []
    handler = signal.getsignal(signal.SIGINT)
    shield.raise_()
    put_back(done, lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)])
    assert done == ["begun", "finished"]
    assert shield.is_waiting
    with pytest.raises(KeyboardInterrupt):
        shield.lower()
    assert signal.getsignal(signal.SIGINT) is handler
    shield.lower()  # once more does nothing


def test_only_the_main_thread_has_a_shield():
    """In a worker thread, which gets no signals, the handler stays what it is."""
    shield, handlers = InterruptShield(), []

    def work():
        shield.raise_()
        handlers.append(signal.getsignal(signal.SIGINT))
        shield.lower()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_ctrl_c_waits_from_the_very_first_instruction():
    """Even an interrupt between the call of the function and its first line waits: no gap to slip through."""
    shield, done, former = InterruptShield(), [], sys.gettrace()

    def interrupt_at_call(frame, event, arg):
        if event == "call" and frame.f_code is put_back.__code__:
            signal.raise_signal(signal.SIGINT)

    shield.raise_()
    sys.settrace(interrupt_at_call)
    try:
        put_back(done, lambda: None)
    finally:
        sys.settrace(former)
    assert done == ["begun", "finished"]
    with pytest.raises(KeyboardInterrupt):
        shield.lower()


@pytest.mark.parametrize("method", ["lower", "_take_off"])
def test_ctrl_c_while_a_shield_is_lowered_leaves_no_handler(method):
    """Before whichever line it comes, it comes through, and the former handler is back."""
    former, number, is_within = signal.getsignal(signal.SIGINT), 0, True
    while is_within:
        shield = InterruptShield()
        shield.raise_()
        number += 1
        came_through, is_within = interrupted_at_line(getattr(InterruptShield, method), number, shield.lower)
        assert came_through == is_within
        assert signal.getsignal(signal.SIGINT) is former
    assert number > 4


def test_shields_may_be_lowered_in_any_order():
    """Ctrl-C still comes through after runs side by side, and the first handler is back once all have ended."""
    former = signal.getsignal(signal.SIGINT)
    first, second = InterruptShield(), InterruptShield()
    first.raise_()
    second.raise_()
    first.lower()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    second.lower()
    assert signal.getsignal(signal.SIGINT) is former


def test_a_shield_may_be_lowered_in_another_thread():
    """It passes interrupts on, until a shield in the main thread takes it off."""
    former, shield = signal.getsignal(signal.SIGINT), InterruptShield()
    shield.raise_()
    thread = threading.Thread(target=shield.lower)
    thread.start()
    thread.join()
    with pytest.raises(KeyboardInterrupt):
        put_back([], lambda: signal.raise_signal(signal.SIGINT))
    after = InterruptShield()
    after.raise_()
    after.lower()
    assert signal.getsignal(signal.SIGINT) is former


def test_ctrl_c_elsewhere_goes_through_at_once():
    """While the shield is up, an interrupt outside of shielded functions is raised where it happens."""
    shield = InterruptShield()
    shield.raise_()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    shield.lower()


def test_a_shield_changes_no_foreign_handler(monkeypatch):
    """A handler that Python does not know, or that ignores Ctrl-C, is left alone; one set in the run stays."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        shield = InterruptShield()
        shield.raise_()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        shield.lower()
        signal.signal(signal.SIGINT, former)
        shield.raise_()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        shield.lower()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_run_that_its_validation_refuses_is_over():
    """Though its error is kept, no later run takes its random states for those of an earlier one still under way."""
    model = nn.Linear(2, 1)
    batches = [(torch.ones(4, 2), torch.ones(4, 1))]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    step = TorchStep(model, optimizer, nn.functional.mse_loss, batches, validation=[])
    with pytest.raises(ValueError, match="validation") as caught:
        step.__enter__()
    assert caught.tb is not None
    assert not [reference for reference in overlap._under_way if reference() is not None]
