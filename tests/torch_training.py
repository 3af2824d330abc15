"""A small training that uses everything a range test could damage, and a fingerprint of each of these things.

The fingerprints are taken with plain PyTorch calls that share nothing with the code under test.
"""

from __future__ import annotations

import random
import signal
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Fault:
    """Something that happens when a place is reached in a given training step; armed for one run, or some in a row."""

    __slots__ = ("action", "count", "due", "place")  # no attributes that leaving a run would put back: it must count on

    def __init__(self):
        self.disarm()

    def arm(self, place, step, action):
        # The loss function counts, so what comes after it in a step sees a count that is one higher.
        self.place, self.action, self.count = place, action, 0
        self.due = step + (place in ("backward", "optimizer step"))

    def disarm(self):
        self.place, self.action, self.count, self.due = None, None, 0, -1

    def reach(self, place):
        if place == self.place and self.count == self.due:
            self.action()


class _RaisingBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, fault):
        ctx.fault = fault
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        ctx.fault.reach("backward")
        return grad, None


class Images(Dataset):
    """Random images, with noise of its own generator on each access."""

    def __init__(self, fault):
        self.fault = fault
        self.noise = torch.Generator().manual_seed(7)
        rng = torch.Generator().manual_seed(1)
        self.images = torch.randn(64, 1, 6, 6, generator=rng)
        self.labels = torch.randint(0, 3, (64,), generator=rng)

    def __len__(self):
        return 64

    def __getitem__(self, index):
        self.fault.reach("loader")
        noise = torch.randn(1, 6, 6, generator=self.noise, dtype=torch.float32)
        return self.images[index] + 0.01 * noise, self.labels[index]


class Net(nn.Module):
    """Convolution, batch norm, dropout, a tied pair, a frozen layer, buffers of all kinds, extra state."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.frozen_norm = nn.BatchNorm1d(16)
        self.dropout = nn.Dropout(0.1)
        self.first = nn.Linear(64, 16)
        self.tied_a = nn.Linear(16, 16)
        self.tied_b = nn.Linear(16, 16)
        self.tied_b.weight = self.tied_a.weight
        self.frozen = nn.Linear(16, 16).requires_grad_(False)
        self.head = nn.Linear(16, 3)
        self.register_buffer("mean", torch.zeros(16), persistent=False)
        self.num_calls = 0
        self.history = []
        self.secret = 0

    def get_extra_state(self):
        return {"secret": self.secret}

    def set_extra_state(self, state):
        self.secret = state["secret"]

    def forward(self, images):
        self.fault.reach("forward")
        self.num_calls += 1
        self.history.append(self.num_calls)
        self.secret += 1
        x = torch.relu(self.norm(self.conv(images))).flatten(1)
        x = self.frozen_norm(self.dropout(self.first(x)))
        x = torch.relu(self.tied_b(torch.relu(self.tied_a(x)))) + self.frozen(x)
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * x.detach().float().mean(0))
        return _RaisingBackward.apply(self.head(x - self.mean), self.fault)


class FaultyAdam(torch.optim.Adam):
    """Adam that fails after it has changed the parameters: the worst moment."""

    fault: Fault

    def step(self, closure=None):
        result = super().step(closure)
        self.fault.reach("optimizer step")
        return result


class Training:
    """The training, warm from 20 steps and in the middle of an accumulation.

    Parameters
    ----------
    has_scheduler
        Whether a scheduler is attached to the optimizer.
    """

    def __init__(self, has_scheduler=True):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 - the global source is among what is restored
        self.fault = Fault()
        self.model = Net(self.fault)
        self.model.frozen_norm.eval()  # as in fine-tuning
        trained = [p for p in self.model.parameters() if p.requires_grad]
        groups = [{"params": trained[:4], "lr": 3e-3}, {"params": trained[4:], "lr": 1e-3, "weight_decay": 0.01}]
        self.optimizer = FaultyAdam(groups)
        self.optimizer.fault = self.fault
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 50) if has_scheduler else None
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=7)
        self.loader_generator = torch.Generator().manual_seed(3)
        self.loader = DataLoader(Images(self.fault), batch_size=16, shuffle=True, generator=self.loader_generator)
        self.hook_calls = []
        self.model.conv.register_forward_hook(lambda *args: self.hook_calls.append(1))
        self.is_run = False
        self.losses(20)
        self.loss_fn(self.model(next(iter(self.loader))[0]), torch.zeros(16, dtype=torch.long)).backward()
        self.model.head.bias.grad = None

    def loss_fn(self, outputs, targets):
        """Cross-entropy; in a run it also does what the worst of loss functions might."""
        self.fault.reach("loss")
        loss = nn.functional.cross_entropy(outputs, targets)
        if self.is_run:
            self._make_a_mess()
        self.fault.count += 1
        return loss

    def _make_a_mess(self):
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        self.model.head.register_forward_hook(lambda *args: None)
        self.model.first.weight.register_hook(lambda grad: None)
        self.model.frozen.requires_grad_(True)
        self.model.dropout.eval()
        torch.set_default_dtype(torch.float64)
        torch.set_autocast_enabled("cpu", True)
        self.scheduler.step()

    def losses(self, num_steps):
        """Train on and return the losses."""
        losses, batches = [], iter(())
        for _ in range(num_steps):
            batch = next(batches, None)
            if batch is None:
                batches = iter(self.loader)
                batch = next(batches)
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(batch[0]), batch[1])
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.scheduler is not None:
                self.scheduler.step()
            losses.append(loss.item())
        return losses


def _bits(tensor):
    return None if tensor is None else (tensor.dtype, tuple(tensor.shape), tensor.detach().numpy().tobytes())


def _flat(value):
    """Tensors as bytes, containers as tuples: comparable with ==."""
    if isinstance(value, torch.Tensor):
        return _bits(value)
    if isinstance(value, dict):
        return tuple((key if isinstance(key, str | int) else id(key), _flat(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_flat(item) for item in value)
    return value


def _hooks(training):
    of_modules = [
        (name, slot, tuple(map(id, hooks.values())))
        for name, module in training.model.named_modules()
        for slot, hooks in vars(module).items()
        if slot.endswith("_hooks")
    ]
    of_tensors = [tuple(map(id, (p._backward_hooks or {}).values())) for p in training.model.parameters()]
    return of_modules, of_tensors, sorted(vars(training.optimizer))


def _numpy_state(training):
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return kind, keys.tobytes(), *rest


def _generators(training):
    return _bits(training.loader_generator.get_state()), _bits(training.loader.dataset.noise.get_state())


THINGS = {
    "parameters": lambda t: [_bits(p) for p in t.model.parameters()],
    "parameter objects": lambda t: [(n, id(p), p.data_ptr()) for n, p in t.model.named_parameters()],
    "buffers": lambda t: [_bits(b) for b in t.model.state_dict(keep_vars=True).values() if torch.is_tensor(b)],
    "non-persistent buffers": lambda t: (_bits(t.model.mean), id(t.model.mean)),
    "extra state": lambda t: t.model.get_extra_state(),
    "module attributes": lambda t: (t.model.num_calls, tuple(t.model.history), id(t.model.history)),
    "optimizer state": lambda t: _flat(t.optimizer.state),
    "hyper-parameters": lambda t: [_flat(dict(sorted({**g, "params": 0}.items()))) for g in t.optimizer.param_groups],
    "scaler": lambda t: _flat(t.scaler.state_dict()),
    "scheduler": lambda t: t.scheduler and _flat(t.scheduler.state_dict()),
    "train/eval modes": lambda t: [m.training for m in t.model.modules()],
    "requires_grad": lambda t: [p.requires_grad for p in t.model.parameters()],
    ".grad": lambda t: [(_bits(p.grad), p.grad is not None and id(p.grad)) for p in t.model.parameters()],
    "hooks": _hooks,
    "Python RNG": lambda t: random.getstate(),
    "NumPy RNG": _numpy_state,
    "torch RNG": lambda t: _bits(torch.get_rng_state()),
    "loader's generators": _generators,
    "default dtype": lambda t: torch.get_default_dtype(),
    "autocast and grad mode": lambda t: (torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()),
}
UNTOUCHED = {"Ctrl-C handler": lambda t: signal.getsignal(signal.SIGINT)}


def fingerprints(training):
    """Every thing's fingerprint by its name."""
    return {name: take(training) for name, take in (THINGS | UNTOUCHED).items()}


def interrupted_at_line(function, number, act):
    """Call with Ctrl-C before the line of that number in a function: whether it came through, and was sent at all."""
    num_lines, former, came_through = 0, sys.gettrace(), False

    def trace(frame, event, arg):
        nonlocal num_lines
        if frame.f_code is function.__code__:
            num_lines += event == "line"
            if event == "line" and num_lines == number:
                signal.raise_signal(signal.SIGINT)
            return trace
        return None

    sys.settrace(trace)
    try:
        act()
    except KeyboardInterrupt:
        came_through = True
    finally:
        sys.settrace(former)
    return came_through, num_lines >= number
