"""The random states of what gives the batches are put back, wherever in a loader they are."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, RandomSampler, Subset, TensorDataset

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
