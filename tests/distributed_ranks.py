"""What each rank does in the tests of distributed training; started by torchrun.

Arguments: a folder for the reports, and the names of the scenes to play, one after the other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from lrwidget import SKIPPED, LearningRateFinder, TorchStep

FINDER = LearningRateFinder(min_lr=1e-4, max_lr=1.0, num_steps=20, divergence="never")
cross_entropy = nn.functional.cross_entropy


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


def make_optimizer(net, name="SGD"):
    options = {"SGD": {"momentum": 0.9}, "Adam": {}, "LBFGS": {}}[name]
    return getattr(torch.optim, name)(net.parameters(), lr=0.1, **options)


def global_batches(num_batches=14, size=8):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(num_batches, size, 8, generator=generator)
    return list(zip(inputs, inputs[..., :3].argmax(-1), strict=True))


def own_batches(rank, num_batches=14):
    return [(x[rank::2], y[rank::2]) for x, y in global_batches(num_batches)]


def fingerprint(net, optimizer):
    """A digest of all that a range test could change."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, DTensor):
            value = value.to_local()
        if isinstance(value, torch.Tensor):
            digest.update(value.detach().contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key, item in value.items():
                digest.update(repr(key).encode())
                add(item)
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            digest.update(repr(value).encode())

    add(dict(net.named_parameters()))
    add(dict(net.named_buffers()))
    add([p.grad for p in net.parameters()])
    add([m.training for m in net.modules()])
    add(optimizer.state_dict())
    add(torch.get_rng_state())
    return digest.hexdigest()


def wrap(net, kind):
    if kind == "ddp":
        return nn.parallel.DistributedDataParallel(net)
    for layer in (net[0], net[2]):
        fully_shard(layer, mesh=init_device_mesh("cpu", (2,)))
    return fully_shard(net, mesh=init_device_mesh("cpu", (2,)))


class Scene:
    """One range test of one rank, and what becomes of it."""

    def __init__(self, kind, rank):
        self.rank = rank
        self.net = wrap(make_net(), kind)
        self.optimizer = make_optimizer(self.net)
        self.batches = own_batches(rank)
        self.loss_fn = cross_entropy
        self.options = {}
        self.finder = FINDER
        self.range_test = {}
        self.calls = 0

    def play(self):
        step = TorchStep(self.net, self.optimizer, self.loss_fn, self.batches, **self.options)
        before = fingerprint(self.net, self.optimizer)
        begun = time.monotonic()
        try:
            result, error = self.finder.range_test(step, **self.range_test), None
        except (Exception, KeyboardInterrupt) as caught:
            result, error = caught.partial_result, f"{type(caught).__name__}: {caught}"
        return {
            "losses": result.losses.tolist(),
            "grad_norms": None if result.grad_norms is None else result.grad_norms.tolist(),
            "stop_reason": str(result.stop_reason),
            "error": error,
            "is_restored": fingerprint(self.net, self.optimizer) == before,
            "seconds": time.monotonic() - begun,
        }


def train_on(net, optimizer, batches):
    """What a user does after the range test."""
    losses = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = cross_entropy(net(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def plain(scene):
    """Nothing special."""


def adam_clipped(scene):
    scene.optimizer = make_optimizer(scene.net, "Adam")
    scene.options = {"max_grad_norm": 0.5, "accumulation_steps": 2}


def nan(scene):
    if scene.rank == 1:
        inputs, targets = scene.batches[7]
        scene.batches[7] = (inputs * float("nan"), targets)


def data_fail(scene):
    def batches():
        for index, batch in enumerate(own_batches(scene.rank)):
            if index == 5 and scene.rank == 1:
                raise OSError("disk gone")
            yield batch

    scene.batches = batches()


def loss_fails(scene):
    def loss_fn(outputs, targets):
        scene.calls += 1
        if scene.calls == 7 and scene.rank == 1:
            raise ValueError("bad target")
        return cross_entropy(outputs, targets)

    scene.loss_fn = loss_fn


def interrupted(scene):
    def loss_fn(outputs, targets):
        scene.calls += 1
        if scene.calls == 5 and scene.rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return cross_entropy(outputs, targets)

    scene.loss_fn = loss_fn


def sizes(scene):
    """How many bytes a snapshot takes, before the optimizer has any state and after."""

    def play():
        step = TorchStep(scene.net, scene.optimizer, cross_entropy, scene.batches)
        num_bytes = []
        for _ in range(2):
            with step:
                num_bytes.append(step._state.num_bytes)
            train_on(scene.net, scene.optimizer, scene.batches[:1])
        return {"num_bytes": num_bytes}

    scene.play = play


VERIFIED = {"lrs": [0.01, 0.1], "num_steps": 6}


def repeated_and_verified(scene):
    """Several range tests, and short trainings at two rates."""

    def play():
        step = TorchStep(scene.net, scene.optimizer, cross_entropy, scene.batches)
        before = fingerprint(scene.net, scene.optimizer)
        repeated, verified = FINDER.repeat(step, num_runs=2), FINDER.verify(step, **VERIFIED)
        return {
            "repeated": repeated.losses.tolist(),
            "verified": [trial.losses.tolist() for trial in verified.trials],
            "is_restored": fingerprint(scene.net, scene.optimizer) == before,
        }

    scene.play = play


def all_fail(scene):
    def loss_fn(outputs, targets):
        raise ValueError(f"bad target of rank {scene.rank}")

    scene.loss_fn = loss_fn


def fewer_batches(scene):
    scene.batches = iter(own_batches(scene.rank, 14 if scene.rank == 0 else 9))


def shorter_list(scene):
    scene.batches = own_batches(scene.rank, 14 if scene.rank == 0 else 9)


def one_leaves(scene):
    if scene.rank == 1:
        run = FINDER.steps(TorchStep(scene.net, scene.optimizer, scene.loss_fn, scene.batches))

        def play():
            before = fingerprint(scene.net, scene.optimizer)
            for record in run:
                if record.step == 3:
                    run.stop()
            return {
                "losses": run.result.losses.tolist(),
                "stop_reason": str(run.stop_reason),
                "error": None,
                "is_restored": fingerprint(scene.net, scene.optimizer) == before,
            }

        scene.play = play


def other_finder(scene):
    scene.finder = dataclasses.replace(FINDER, max_lr=[1.0, 2.0][scene.rank])


def own_step(scene):
    def train_step(batch):
        inputs, targets = batch
        scene.optimizer.zero_grad()
        loss = cross_entropy(scene.net(inputs), targets)
        loss.backward()
        scene.optimizer.step()
        return loss

    scene.loss_fn, scene.options = None, {"train_step": train_step}


def one_skips(scene):
    own_step(scene)
    train_step = scene.options["train_step"]

    def skipping(batch):
        loss = train_step(batch)
        scene.calls += 1
        return SKIPPED if scene.calls == 3 and scene.rank == 1 else loss

    scene.options = {"train_step": skipping}


def line_search(scene):
    scene.optimizer = make_optimizer(scene.net, "LBFGS")


def old_sharding(scene):
    from torch.distributed.fsdp import FullyShardedDataParallel

    net = make_net()
    # Its constructor wants a GPU; its name is what it is known by.
    wrapper = type(FullyShardedDataParallel.__name__, (nn.Module,), {})()
    wrapper.net = net
    scene.loss_fn, scene.net, scene.optimizer = None, wrapper, make_optimizer(net)
    scene.options = {"forward": lambda batch: cross_entropy(net(batch[0]), batch[1])}


def logged(scene):
    scene.range_test = {"log": REPORTS / "run.jsonl", "progress": True}


def backward_fails(scene):
    """Rank 1 fails where rank 0 waits for its gradients."""

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, grad):
            raise MemoryError("no room for gradients")

    def loss_fn(outputs, targets):
        scene.calls += 1
        return cross_entropy(Fails.apply(outputs) if scene.calls == 4 and scene.rank == 1 else outputs, targets)

    scene.loss_fn = loss_fn


def killed(scene):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun ends the survivors; this one shall have time to report

    def loss_fn(outputs, targets):
        scene.calls += 1
        if scene.calls == 6 and scene.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return cross_entropy(outputs, targets)

    scene.loss_fn = loss_fn


def only_rank_0(scene):
    if scene.rank == 1:
        scene.play = lambda: time.sleep(2.5) or {"error": None}


TIMEOUTS = {"backward_fails": 2, "only_rank_0": 1}  # seconds; 30 for the others, which must not need them
# Where the ranks cannot train on together, or the model is no usual one.
SPECIAL = ("backward_fails", "killed", "only_rank_0", "line_search", "old_sharding", "sizes")


def main():
    for name in sys.argv[2:]:
        kind, scene_name = name.split(":")
        # A store for each scene: what a group leaves in the common one confuses the next group of its name.
        store = dist.FileStore(str(REPORTS / f"{name}.store"), 2)
        rank, timeout = int(os.environ["RANK"]), timedelta(seconds=TIMEOUTS.get(scene_name, 30))
        dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timeout)
        scene = Scene(kind, rank)
        globals()[scene_name](scene)
        report = scene.play()
        if scene_name not in SPECIAL:
            report["later"] = train_on(scene.net, scene.optimizer, own_batches(rank, 3))
        (REPORTS / f"{kind}-{scene_name}-{scene.rank}.json").write_text(json.dumps(report))
        dist.destroy_process_group()


if __name__ == "__main__":
    REPORTS = Path(sys.argv[1])
    main()
