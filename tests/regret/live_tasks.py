"""Small real trainings of different kinds, for scoring a range test and its verification together.

A task is a recipe: a data set, a model, an optimizer, a batch size and a budget of steps. `Training` is one instance
of it under a seed, and a train step: it restores its weights, its optimizer and its batches when a run is left.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Batch = tuple[Tensor, Tensor]
LossFn = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LiveTask:
    """One kind of training: ``data()`` gives inputs and targets, ``model()`` a fresh model under torch's seed."""

    name: str
    data: Callable[[], Batch]
    model: Callable[[], nn.Module]
    loss: LossFn
    optimizer: Callable[..., torch.optim.Optimizer]
    batch_size: int
    budget: int
    pretrain: Callable[[Batch], Batch] | None = None  # other data that the model is trained on first


class Training:
    """A train step over one instance of a task; entering saves, leaving restores, ``reseed`` draws other batches."""

    def __init__(self, task: LiveTask, seed: int) -> None:
        torch.manual_seed(seed)
        self.model = task.model()
        self.loss = task.loss
        self.data = task.data()
        self.batch_size = min(task.batch_size, len(self.data[0]))
        self.batches = torch.Generator().manual_seed(1000 + seed)
        if task.pretrain is not None:
            self._pretrain(task.pretrain(self.data))
        self.optimizer = task.optimizer(self.model.parameters(), lr=1.0)
        self._saved: tuple[dict[str, Tensor], dict[str, object], Tensor] | None = None

    def __call__(self, lr: float) -> float:
        x, y = self._draw(self.data)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        loss = self.loss(self.model, x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def __enter__(self) -> Training:
        self._saved = copy.deepcopy((self.model.state_dict(), self.optimizer.state_dict(), self.batches.get_state()))
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._saved is not None
        weights, optimizer, batches = self._saved
        self.model.load_state_dict(weights)
        self.optimizer.load_state_dict(copy.deepcopy(optimizer))
        self.batches.set_state(batches)

    def reseed(self, seed: int) -> None:
        """Draw other batches from here on."""
        self.batches.manual_seed(7919 * (seed + 1))

    @torch.no_grad()
    def evaluate(self) -> float:
        """The loss over up to 1024 examples, without the noise of a batch."""
        return self.loss(self.model, self.data[0][:1024], self.data[1][:1024]).item()

    def _draw(self, data: Batch) -> Batch:
        if self.batch_size == len(data[0]):
            return data
        index = torch.randint(len(data[0]), (self.batch_size,), generator=self.batches)
        return data[0][index], data[1][index]

    def _pretrain(self, data: Batch) -> None:
        optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-3)
        for _ in range(150):
            x, y = self._draw(data)
            optimizer.zero_grad()
            self.loss(self.model, x, y).backward()
            optimizer.step()


# --- data -------------------------------------------------------------------------------------------------------


def _as_batch(x: np.ndarray, y: np.ndarray) -> Batch:
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    label = torch.long if np.issubdtype(y.dtype, np.integer) else torch.float32
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=label)


@cache
def digits() -> Batch:
    """1797 images of 8 by 8 pixels, standardised as a whole."""
    x, y = datasets.load_digits(return_X_y=True)
    return _as_batch((x - x.mean()) / x.std(), y)


def images() -> Batch:
    x, y = digits()
    return x.view(-1, 1, 8, 8), y


@cache
def table(name: str) -> Batch:
    """One of the small tables of scikit-learn, standardised by column."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    y = y if np.issubdtype(y.dtype, np.integer) else ((y - y.mean()) / y.std())[:, None]
    return _as_batch((x - x.mean(0)) / x.std(0), y)


@cache
def moons() -> Batch:
    x, y = datasets.make_moons(600, noise=0.2, random_state=0)
    return _as_batch(x, y)


@cache
def sinusoid() -> Batch:
    rng = np.random.default_rng(1)
    x = rng.uniform(-3, 3, (800, 1))
    return _as_batch(x, np.sin(3 * x) + 0.1 * rng.normal(size=x.shape))


@cache
def ill_conditioned() -> Batch:
    """Linear regression on 20 features whose scales spread over a factor of 30."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 20)) * np.geomspace(1, 1 / 30, 20)
    return _as_batch(x, x @ rng.normal(size=(20, 1)) * 3 + 0.3 * rng.normal(size=(600, 1)))


@cache
def teacher() -> Batch:
    """What a fixed random network says about random inputs."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 12))
    hidden = np.maximum(x @ rng.normal(size=(12, 10)), 0)
    return _as_batch(x, hidden @ rng.normal(size=(10, 1)) / 3)


@cache
def ratings() -> Batch:
    """Pairs (user, item) and a noisy rating of rank 3."""
    rng = np.random.default_rng(4)
    users, items = rng.normal(size=(60, 3)), rng.normal(size=(80, 3))
    i, j = rng.integers(60, size=4000), rng.integers(80, size=4000)
    y = (users[i] * items[j]).sum(1) + 3 + 0.3 * rng.normal(size=4000)
    return torch.tensor(np.stack([i, j], 1)), torch.tensor(y, dtype=torch.float32)


@cache
def language(length: int = 17) -> Batch:
    """Windows of a text whose words follow each other at random: 24 letters, target the next letter."""
    rng = np.random.default_rng(5)
    words = ["".join(chr(97 + c) for c in rng.integers(22, size=rng.integers(2, 7))) for _ in range(60)]
    follow = rng.dirichlet(np.full(60, 0.08), size=60)
    text, word = [], 0
    while len(text) < 8000:
        word = int(rng.choice(60, p=follow[word]))
        text += [ord(c) - 97 for c in words[word]] + [22]
    starts = rng.integers(len(text) - length, size=1500)
    windows = torch.tensor(np.array([text[s : s + length] for s in starts]))
    return windows[:, :-1], windows[:, 1:]


# --- models and losses ------------------------------------------------------------------------------------------


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def cnn(norm: bool = False) -> nn.Module:
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))


class Recurrent(nn.Module):
    """A small character model with a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell, self.head = nn.Embedding(23, 16), nn.GRU(16, 48, batch_first=True), nn.Linear(48, 23)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(self.embed(x))[0])  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A small causal character model with attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(23, 32), nn.Parameter(0.1 * torch.randn(16, 32))
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 23)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(16))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x) + self.place, mask=self.mask))  # type: ignore[no-any-return]


class Factors(nn.Module):
    """Matrix factorisation with biases."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(60, 5), nn.Embedding(80, 5)
        self.offset = nn.Parameter(torch.zeros(1))
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.users(x[:, 0]) * self.items(x[:, 1])).sum(1) + self.offset  # type: ignore[no-any-return]


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(model(x).flatten(0, -2), y.flatten())


def squared(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(model(x), y)


def reconstruction(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(model(x), x)


def gaussian_nll(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """May become negative."""
    mean, log_variance = model(x).chunk(2, dim=1)
    return 0.5 * (log_variance + (y - mean) ** 2 / log_variance.exp()).mean()


def noisy_inverse(data: Batch) -> Batch:
    """The same images, inverted and noisy: what a model may have been trained on before."""
    noise = torch.randn(data[0].shape, generator=torch.Generator().manual_seed(6))
    return -data[0] + 0.3 * noise, data[1]


def sgd(parameters: object, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr)  # type: ignore[arg-type]


def momentum(parameters: object, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9)  # type: ignore[arg-type]


adam, adamw = torch.optim.Adam, torch.optim.AdamW
rmsprop, adagrad = torch.optim.RMSprop, torch.optim.Adagrad

TASKS = [
    LiveTask("linreg_momentum", ill_conditioned, lambda: mlp(20, 1), squared, momentum, 32, 300),
    LiveTask("logreg_wine_sgd_full", lambda: table("wine"), lambda: mlp(13, 3), cross_entropy, sgd, 9999, 250),
    LiveTask("mlp_digits_momentum", digits, lambda: mlp(64, 48, 10), cross_entropy, momentum, 64, 250),
    LiveTask("mlp_digits_adam", digits, lambda: mlp(64, 64, 32, 10), cross_entropy, adam, 16, 300),
    LiveTask("cnn_digits_adam", images, lambda: cnn(), cross_entropy, adam, 64, 200),
    LiveTask("cnn_batchnorm_sgd", images, lambda: cnn(norm=True), cross_entropy, sgd, 32, 200),
    LiveTask("gru_text_momentum", language, Recurrent, cross_entropy, momentum, 16, 250),
    LiveTask("transformer_text_adamw", language, Transformer, cross_entropy, adamw, 16, 200),
    LiveTask("autoencoder_adam", digits, lambda: mlp(64, 32, 8, 32, 64), reconstruction, adam, 64, 300),
    LiveTask("teacher_sgd", teacher, lambda: mlp(12, 32, 1), squared, sgd, 32, 400),
    LiveTask("moons_rmsprop", moons, lambda: mlp(2, 32, 32, 2), cross_entropy, rmsprop, 8, 400),
    LiveTask("gaussian_nll_adam", sinusoid, lambda: mlp(1, 48, 2, activation=nn.Tanh), gaussian_nll, adam, 32, 300),
    LiveTask("cnn_finetune_momentum", images, lambda: cnn(), cross_entropy, momentum, 32, 150, noisy_inverse),
    LiveTask("ratings_sgd", ratings, Factors, squared, sgd, 128, 400),
    LiveTask(
        "mlp_cancer_adagrad", lambda: table("breast_cancer"), lambda: mlp(30, 16, 2), cross_entropy, adagrad, 32, 200
    ),
]
