"""Time to import, each in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.benchmarks.measuring import table

NUM_PROCESSES = 5

# What is imported, and what it needs and users have loaded already.
IMPORTS = {
    "numpy": ("import numpy", ""),
    "pandas": ("import pandas", "import numpy"),
    "ipywidgets": ("import ipywidgets", ""),
    "bqplot": ("import bqplot", "import numpy, pandas, ipywidgets"),
    "torch": ("import torch", "import numpy"),
    "lrwidget": ("import lrwidget", ""),
    "lrwidget.LearningRateFinder": ("from lrwidget import LearningRateFinder", "import numpy"),
    "lrwidget.suggest": ("from lrwidget import suggest", "import numpy"),
    "lrwidget.TorchStep": ("from lrwidget import TorchStep", "import torch"),
    "lrwidget.LRFinderWidget": ("from lrwidget import LRFinderWidget", "import numpy, pandas, ipywidgets, bqplot"),
    "torch-lr-finder": ("import torch_lr_finder", "import torch"),
    "ignite.handlers": ("import ignite.handlers", "import torch"),
    "lightning": ("import lightning", "import torch"),
}


def seconds(code: str, before: str) -> float:
    """CPU seconds of an import in a new process, the least noisy of several."""
    script = f"{before}\nimport time\nstarted = time.process_time()\n{code}\nprint(time.process_time() - started)"
    command = [sys.executable, "-W", "ignore", "-c", script]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(NUM_PROCESSES)]
    return median(float(run.stdout.split()[-1]) for run in runs)


def main() -> None:
    """Print each import's time alone, beyond what is named beside it."""
    print(f"# Time to import: CPU ms, median of {NUM_PROCESSES} fresh processes\n")
    rows = [
        [name, f"{seconds(code, before) * 1e3:.0f}", before.removeprefix("import ")]
        for name, (code, before) in IMPORTS.items()
    ]
    print(table(["", "ms", "beyond"], rows))
