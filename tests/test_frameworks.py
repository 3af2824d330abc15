"""Real libraries, each in at most three lines of the user's code: Hugging Face, Lightning, scikit-learn."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lrwidget import LearningRateFinder, RestoringStep, StopReason, TorchStep

finder = LearningRateFinder(min_lr=1e-4, max_lr=0.1, num_steps=8, divergence="never")


def assert_untouched(module, before):
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())


# Swig types of a tokenizer library that transformers loads.
@pytest.mark.filterwarnings("ignore:builtin type .*:DeprecationWarning")
def test_a_hugging_face_model():
    """A transformers model computes its own loss from dict batches; it comes in eval mode and stays so."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = transformers.BertForSequenceClassification(config).eval()
    loader = [
        {
            "input_ids": torch.randint(0, 50, (4, 7)),
            "attention_mask": torch.ones(4, 7, dtype=torch.long),
            "labels": torch.randint(0, 2, (4,)),
        }
        for _ in range(3)
    ]
    before = copy.deepcopy(model.state_dict())

    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    step = TorchStep(model, optimizer, None, loader)
    result = finder.range_test(step)

    assert len(result) == 8
    assert not any(module.training for module in model.modules())
    assert_untouched(model, before)
    model.train()
    torch.manual_seed(1)
    expected = model(**loader[0]).loss.item()
    torch.manual_seed(1)
    with TorchStep(model, optimizer, None, loader[0]) as step:
        assert step(0.1) == expected


def test_a_lightning_module():
    """A Lightning module trains through its own training_step, with the optimizer that it configures itself."""
    lightning = pytest.importorskip("lightning")

    class Regression(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, batch_idx):
            return {"loss": torch.nn.functional.mse_loss(self.layer(batch["x"]), batch["y"])}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    module = Regression()
    loader = [{"x": torch.randn(8, 3), "y": torch.randn(8, 1)} for _ in range(3)]
    before = copy.deepcopy(module.state_dict())

    step = TorchStep(
        module, module.configure_optimizers(), batches=loader, forward=lambda batch: module.training_step(batch, 0)
    )
    result = finder.range_test(step)

    assert len(result) == 8
    assert_untouched(module, before)
    assert result.losses[0] == pytest.approx(module.training_step(loader[0], 0)["loss"].item())


def test_a_scikit_learn_classifier():
    """SGDClassifier.partial_fit through RestoringStep: its attributes are its state."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4))
    y = (x @ [1.0, -2.0, 0.5, 0.0] > 0).astype(int)
    classifier = linear_model.SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=0)
    classifier.partial_fit(x, y, classes=[0, 1])
    before = copy.deepcopy(vars(classifier))

    def train_fn(lr):
        return log_loss(y, classifier.set_params(eta0=lr).partial_fit(x, y).predict_proba(x))

    step = RestoringStep(train_fn, save=lambda: copy.deepcopy(vars(classifier)), restore=vars(classifier).update)

    result = LearningRateFinder(min_lr=1e-5, max_lr=1.0, num_steps=40).range_test(step)
    assert result.stop_reason == StopReason.COMPLETED
    assert result.losses.min() < result.losses[0]
    assert classifier.eta0 == 0.01
    assert np.array_equal(classifier.coef_, before["coef_"])
    assert classifier.t_ == before["t_"]
