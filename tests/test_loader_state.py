"""The random states of what gives the batches are put back, wherever in a loader they are."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
)

from lrwidget import LearningRateFinder, TorchStep
from lrwidget.steps.sources import source_parts

DATA = TensorDataset(torch.randn(24, 3, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 2)
finder = LearningRateFinder(1e-5, 1e-2, num_steps=5, divergence="never")


class Noisy(Dataset):
    """Data with noise, from a generator of its own or of its transform."""

    def __init__(self, transform=None):
        self.rng = np.random.default_rng(0)
        self.transform = transform

    def __len__(self):
        return len(DATA)

    def __getitem__(self, index):
        inputs, target = DATA[index]
        return (inputs + float(self.rng.normal()) if self.transform is None else self.transform(inputs)), target


class Jitter:
    """Noise for images, and for whole batches."""

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def __call__(self, inputs):
        if isinstance(inputs, list):  # as collate_fn
            return torch.utils.data.default_collate([(self(x), y) for x, y in inputs])
        return inputs + float(self.rng.normal())


class Augmented(Dataset):
    """Data with something that draws, under a name of its own."""

    def __init__(self, augment):
        self.augment = augment

    def __len__(self):
        return len(DATA)

    def __getitem__(self, index):
        augment = next(iter(self.augment.values())) if isinstance(self.augment, dict) else self.augment
        return augment(DATA[index][0]), DATA[index][1]


class Several:
    """Transforms in a row."""

    def __init__(self, *steps):
        self.steps = steps

    def __call__(self, inputs):
        for step in self.steps:
            inputs = step(inputs)
        return inputs


class Drawing(Dataset):
    """Data whose methods draw from what the notebook has named."""

    def __len__(self):
        return len(DATA)

    def __getitem__(self, index):
        return add_noise(DATA[index][0], GLOBAL_RNG), DATA[index][1]


GLOBAL_RNG = np.random.default_rng(4)


def add_noise(inputs, rng):
    return inputs + float(rng.normal())


def collate(batch, rng):
    inputs, targets = default_collate(batch)
    return add_noise(inputs, rng), targets


def enclosing():
    jitter = Jitter()
    return lambda inputs: jitter(inputs)


def endless(rng):
    while True:
        yield torch.from_numpy(rng.normal(size=(4, 3))).float(), torch.arange(4) % 2


class Wrapped:
    """Somebody's loader around a loader."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


def generator():
    return torch.Generator().manual_seed(5)


LOADERS = {
    "sampler of a batch sampler": lambda: DataLoader(
        DATA, batch_sampler=BatchSampler(RandomSampler(DATA, generator=generator()), 4, drop_last=False)
    ),
    "dataset of a subset": lambda: DataLoader(Subset(Noisy(), range(20)), batch_size=4),
    "datasets in a row": lambda: DataLoader(ConcatDataset([Noisy(), Noisy()]), batch_size=4),
    "transform": lambda: DataLoader(Noisy(Jitter()), batch_size=4),
    "collate_fn": lambda: DataLoader(DATA, batch_size=4, collate_fn=Jitter()),
    "collate_fn with an argument": lambda: DataLoader(
        DATA, batch_size=4, collate_fn=partial(collate, rng=np.random.default_rng(3))
    ),
    "collate_fn that is a method": lambda: DataLoader(DATA, batch_size=4, collate_fn=Jitter().__call__),
    "transform under another name": lambda: DataLoader(Augmented(Jitter()), batch_size=4),
    "transforms by name": lambda: DataLoader(Augmented({"train": Jitter()}), batch_size=4),
    "transforms in a row": lambda: DataLoader(Augmented(Several(Jitter(), Jitter())), batch_size=4),
    "function that encloses": lambda: DataLoader(Augmented(enclosing()), batch_size=4),
    "datasets side by side": lambda: DataLoader(
        StackDataset(a=Noisy()), batch_size=4, collate_fn=lambda items: default_collate([item["a"] for item in items])
    ),
    "loader in a wrapper": lambda: Wrapped(DataLoader(DATA, batch_size=4, shuffle=True, generator=generator())),
}


def train_step(batches, **options):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    return TorchStep(model, torch.optim.SGD(model.parameters(), 0.1), nn.functional.cross_entropy, batches, **options)


@pytest.mark.parametrize("kind", LOADERS)
def test_the_next_pass_is_that_of_an_unused_loader(kind):
    """After a range test a loader gives, bitwise, the batches of a twin that was not in one."""
    used, twin = LOADERS[kind](), LOADERS[kind]()
    finder.range_test(train_step(used))
    torch.manual_seed(1)
    after = [inputs for inputs, _ in used]
    torch.manual_seed(1)
    assert all(map(torch.equal, after, [inputs for inputs, _ in twin]))


def test_a_generator_that_a_method_names_is_put_back():
    """As notebooks have it: one generator for all that is drawn in them."""
    before = GLOBAL_RNG.bit_generator.state
    finder.range_test(train_step(DataLoader(Drawing(), batch_size=4)))
    assert GLOBAL_RNG.bit_generator.state == before


def test_a_generator_function_goes_on_as_if_nothing_had_been_drawn():
    """Batches that are made without end come, after a range test, as they would have come without one."""
    used, twin = endless(np.random.default_rng(2)), endless(np.random.default_rng(2))
    finder.range_test(train_step(used))
    assert all(torch.equal(next(used)[0], next(twin)[0]) for _ in range(3))


class Samples(list):
    """Data that may be asked for by their numbers only."""

    def __iter__(self):
        raise AssertionError("looked through")


def test_a_list_of_samples_is_not_looked_through():
    """However many samples a list has, a range test takes those that it trains on."""
    loader = DataLoader(Samples([(torch.ones(3), 0)] * 24), batch_size=4)
    assert len(finder.range_test(train_step(loader))) == 5


def test_a_validation_loader_is_put_back_too():
    """Neither its generator nor a pass with persistent workers that is under way is changed."""
    options = {"batch_size": 4, "shuffle": True, "num_workers": 1, "persistent_workers": True}
    loader = DataLoader(DATA, **options, generator=generator())
    twin = DataLoader(DATA, **options, generator=generator())
    under_way, of_twin = iter(loader), iter(twin)
    next(under_way), next(of_twin)
    finder.range_test(train_step([next(iter(DataLoader(DATA, batch_size=8)))], validation=loader))
    assert all(map(torch.equal, (x for x, _ in under_way), [x for x, _ in of_twin]))
    assert all(map(torch.equal, (x for x, _ in loader), [x for x, _ in twin]))


def test_a_refused_run_leaves_persistent_workers_alone():
    """A run that is refused before it begins drops no pass that is under way."""
    loader = DataLoader(DATA, batch_size=4, num_workers=1, persistent_workers=True)
    next(iter(loader))
    workers = loader._iterator
    step = train_step(loader)
    other = TorchStep(step.model, torch.optim.SGD(step.model.parameters(), 0.1), nn.functional.cross_entropy, loader)
    with other, pytest.raises(RuntimeError, match="no other run is training"):
        finder.range_test(step)
    assert loader._iterator is workers


class Counting(RandomSampler):
    """An order that follows from the number of the pass, as of accelerate's sampler and of many by hand."""

    epoch = 0

    def __iter__(self):
        self.generator = torch.Generator().manual_seed(self.epoch)
        yield from super().__iter__()
        self.epoch += 1


class Buckets(Sampler):
    """Lists of indices that are shuffled where they are, and their order."""

    def __init__(self):
        self.buckets = [list(range(0, 24, 2)), list(range(1, 24, 2))]

    def __iter__(self):
        for bucket in self.buckets:
            np.random.shuffle(bucket)  # noqa: NPY002
        np.random.shuffle(self.buckets)  # noqa: NPY002
        return iter(bucket[i : i + 4] for bucket in self.buckets for i in range(0, 12, 4))

    def __len__(self):
        return 6


class Caching(Dataset):
    """Data whose noise is drawn once, and that count how often they were asked."""

    def __init__(self):
        self.cache, self.count = {}, 0

    def __len__(self):
        return len(DATA)

    def __getitem__(self, index):
        self.count += 1
        if index not in self.cache:
            self.cache[index] = DATA[index][0] + torch.randn(3)
        return self.cache[index] * self.count, DATA[index][1]


class Shuffling:
    """A loader by hand, whose array of indices is shuffled where it is."""

    def __init__(self):
        self.order = np.arange(24)

    def __len__(self):
        return 6

    def __iter__(self):
        np.random.shuffle(self.order)  # noqa: NPY002
        return (DATA[self.order[i : i + 4]] for i in range(0, 24, 4))


class Itself(Shuffling):
    """A loader that is its own iterator."""

    def __iter__(self):
        self.place = 0
        return self

    def __next__(self):
        if self.place == 24:
            raise StopIteration
        self.place += 4
        return DATA[self.order[self.place - 4 : self.place]]


PERSISTENT = {"batch_size": 4, "shuffle": True, "num_workers": 1, "persistent_workers": True}


@pytest.mark.parametrize(
    "make_loader",
    [
        pytest.param(lambda: DataLoader(DATA, batch_size=4, sampler=Counting(DATA)), id="sampler that counts"),
        pytest.param(lambda: DataLoader(DATA, batch_sampler=Buckets()), id="lists in a list"),
        pytest.param(lambda: DataLoader(Caching(), batch_size=4), id="cache"),
        pytest.param(Shuffling, id="array of indices"),
        pytest.param(Itself, id="loader that is its own iterator"),
        pytest.param(lambda: Wrapped(DataLoader(DATA, **PERSISTENT)), id="workers of a loader in a wrapper"),
    ],
)
def test_what_a_loader_counts_and_shuffles_is_put_back(make_loader):
    """After a range test of more than a pass, a pass under way and the next give the batches they would have given."""

    def batches(disturb):
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        loader = make_loader()
        step = train_step(loader)
        under_way = iter(loader)
        first = next(under_way)
        if disturb:
            LearningRateFinder(1e-5, 1e-2, num_steps=9, divergence="never").range_test(step)
        rest = [next(under_way) for _ in range(5)]
        return [inputs for inputs, _ in (first, *rest, *loader)]

    undisturbed = batches(False)
    assert len(undisturbed) == 12
    assert all(map(torch.equal, batches(True), undisturbed))


def test_data_are_not_copied():
    """Of what a data set holds, orders of samples are copied, however it calls them, and nothing else."""
    data = SimpleNamespace(images=np.ones((4, 4)), tokens=np.arange(8.0), labels=torch.ones(8), order=np.arange(8))
    parts = list(source_parts("batches", data))
    assert [part.name for part in parts] == ["batches", "batches.order"]


def test_a_repeat_of_an_order_that_seeds_itself_has_other_batches():
    """A sampler that takes nothing from the generators would give each run the same batches, and a spread of 0."""
    runs = finder.repeat(train_step(DataLoader(DATA, batch_size=4, sampler=Counting(DATA))), num_runs=3).results
    assert len({run.losses[0] for run in runs}) > 1
