"""Record fastai's own suggestions on the random curves: run where fastai is installed, ``python record_fastai.py``.

fastai pins older versions of torch than the tests need, so its answers are kept in a file beside this one. A learner
is trained for real, with a loss function that plays the curve back.
"""

import json
import tempfile
from pathlib import Path

import fastai
import numpy as np
import torch
from curves import END_LR, START_LR, random_curves
from fastai.basics import SGD, DataLoader, DataLoaders, Learner
from fastai.callback.schedule import minimum, slide, steep, valley

RULES = (valley, slide, steep, minimum)


class Playback(torch.nn.Module):
    """A loss function that returns the next loss of a curve, whatever the model says."""

    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)

    def forward(self, prediction, _target):
        return 0 * prediction.sum() + torch.tensor(next(self.losses), dtype=torch.float32)


def picked_steps(losses):
    """Steps that fastai's rules pick on one curve, by the name of the rule; None for all where it raises."""
    inputs = torch.zeros(2 * len(losses) + 2, 1)
    batches = DataLoader(torch.utils.data.TensorDataset(inputs, inputs), bs=2)
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(
            DataLoaders(batches, batches), torch.nn.Linear(1, 1), Playback(losses), opt_func=SGD, path=folder
        )
        try:
            found = learner.lr_find(START_LR, END_LR, num_it=len(losses), show_plot=False, suggest_funcs=RULES)
        except (IndexError, RuntimeError, ValueError):
            return dict.fromkeys((rule.__name__ for rule in RULES), None)
        lrs = np.log(learner.recorder.lrs)
        factors = {"minimum": 10.0}  # a tenth of the picked step's rate
        return {
            rule.__name__: int(
                np.argmin(np.abs(lrs - np.log(factors.get(rule.__name__, 1.0) * float(getattr(found, rule.__name__)))))
            )
            for rule in RULES
        }


if __name__ == "__main__":
    steps = [picked_steps(losses) for losses in random_curves()]
    record = {
        "fastai": fastai.__version__,
        "torch": torch.__version__,
        **{rule.__name__: [s[rule.__name__] for s in steps] for rule in RULES},
    }
    Path(__file__).with_name("fastai.json").write_text(json.dumps(record) + "\n")
