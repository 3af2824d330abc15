"""The random states of what gives the batches are put back, wherever in a loader they are."""

from functools import partial

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
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
)

from lrwidget import LearningRateFinder, TorchStep

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
