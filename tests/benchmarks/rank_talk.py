"""What keeping two ranks in step adds to a step of DDP: the talk of the range test beside a bare training loop."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

NUM_STEPS = 100
NUM_ROUNDS = 7


def main() -> None:
    """Start two ranks of this module, which measure."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["-m", "tests.benchmarks.rank_talk"]
    run = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")


def measure() -> None:
    """On each rank: the bare loop and the range test in turn, on networks of two sizes."""
    import torch
    from torch import distributed, nn

    from lrwidget import LearningRateFinder, TorchStep

    distributed.init_process_group("gloo")
    finder = LearningRateFinder(num_steps=NUM_STEPS, divergence="never")
    for width in (64, 512):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 8))
        model = nn.parallel.DistributedDataParallel(net)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        batch = torch.randn(64, 64), torch.randint(0, 8, (64,))
        loss_fn = nn.functional.cross_entropy
        step = TorchStep(model, optimizer, loss_fn, [batch])
        bare, tested = [], []
        for _ in range(NUM_ROUNDS):
            started = time.perf_counter()
            for _ in range(NUM_STEPS):
                optimizer.zero_grad()
                loss = loss_fn(model(batch[0]), batch[1])
                loss.backward()
                optimizer.step()
                loss.item()
            bare.append(time.perf_counter() - started)
            started = time.perf_counter()
            finder.range_test(step)
            tested.append(time.perf_counter() - started)
        if distributed.get_rank() == 0:
            ratio = statistics.median(tested) / statistics.median(bare)
            print(f"two ranks of DDP on gloo, width {width}: a range test takes {ratio:.2f} times the bare loop "
                  f"(saving and restoring included; median of {NUM_ROUNDS} rounds of {NUM_STEPS} steps)")  # fmt: skip
    distributed.destroy_process_group()


if __name__ == "__main__":
    measure() if "RANK" in os.environ else main()
