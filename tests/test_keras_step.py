"""KerasStep: Keras 3 on its PyTorch backend, with the real library; and once on JAX."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import torch
from keras import layers

from lrwidget import KerasStep, LearningRateFinder, StopReason
from lrwidget.steps.parts import RestoreError

# Keras's own, on PyTorch with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

finder = LearningRateFinder(min_lr=1e-4, max_lr=0.1, num_steps=8, divergence="never")
LRS = [1e-3, 1e-2, 1e-1, 1.0]


def make_model(optimizer="adam", dropout=0.2, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout, seed=3),
            layers.GaussianNoise(dropout, seed=4),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    return model


def make_batches(num_batches=4):
    rng = np.random.default_rng(1)
    return [(rng.normal(size=(8, 5)).astype("float32"), rng.integers(0, 3, 8)) for _ in range(num_batches)]


def state_of(model):
    variables = (*model.variables, *model.metrics_variables, *model.optimizer.variables)
    return [(v.path, np.array(keras.ops.convert_to_numpy(v.value))) for v in variables]


def assert_same(before, after):
    for (name, value), (_, other) in zip(before, after, strict=True):
        assert np.array_equal(value, other), name


def train(model, batches):
    return [model.train_on_batch(x, y, return_dict=True)["loss"] for x, y in batches]


@pytest.mark.parametrize("optimizer", ["adam", keras.optimizers.SGD(momentum=0.9), keras.optimizers.RMSprop()])
def test_a_keras_model_in_two_lines(optimizer):
    """A range test over a compiled model: the raw loss of each batch at each rate, and no trace."""
    model = make_model(optimizer)
    train(model, make_batches())
    before, numpy_state, python_state = state_of(model), np.random.get_state(), random.getstate()  # noqa: NPY002

    step = KerasStep(model, make_batches())
    result = finder.range_test(step)

    assert len(result) == 8
    assert result.stop_reason == StopReason.COMPLETED
    assert_same(before, state_of(model))
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert random.getstate() == python_state


def test_the_rate_of_the_training_to_come():
    """The line of code, executed, and `set_lr` both set the optimizer's learning rate."""
    model = make_model()
    step = KerasStep(model, make_batches())
    exec(step.code("3.2e-2"), {"model": model})
    assert float(model.optimizer.learning_rate) == pytest.approx(0.032)
    step.set_lr(0.004)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.004)


def test_losses_are_those_of_training_by_hand():
    """Each loss is that of its own batch at its own rate, as train_on_batch gives it."""
    model, twin = make_model(), make_model()
    with KerasStep(model, make_batches()) as step:
        losses = [float(step(lr)) for lr in LRS]
    expected = []
    for lr, (x, y) in zip(LRS, make_batches(), strict=True):
        twin.optimizer.learning_rate = lr
        twin.reset_metrics()
        expected.append(float(twin.train_on_batch(x, y, return_dict=True)["loss"]))
    assert losses == expected


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_the_training_that_follows_is_undisturbed(kind):
    """After a run that breaks, training goes on bitwise as if there had been none, dropout's noise included."""
    model, twin = make_model(), make_model()
    assert train(model, make_batches()) == train(twin, make_batches())

    def breaking():
        yield from make_batches(3)
        raise kind

    with pytest.raises(kind) as caught:
        finder.range_test(KerasStep(model, breaking()))
    assert len(caught.value.partial_result) == 3
    assert_same(state_of(twin), state_of(model))
    assert train(model, make_batches(10)) == train(twin, make_batches(10))


def test_gradients_are_put_back():
    """On the PyTorch backend: None stays None, and a gradient that was there is the same object with its numbers."""
    model = make_model()
    for has_gradients in (False, True):
        before = [variable.value.grad for variable in model.trainable_variables]
        assert all((gradient is not None) == has_gradients for gradient in before)
        numbers = [gradient.clone() for gradient in before if gradient is not None]
        finder.range_test(KerasStep(model, make_batches()))
        after = [variable.value.grad for variable in model.trainable_variables]
        assert all(a is b for a, b in zip(after, before, strict=True))
        assert all(map(torch.equal, (gradient for gradient in after if gradient is not None), numbers))
        train(model, make_batches(1))


def test_noise_without_a_seed_of_its_own_is_restored():
    """The generator that all Keras functions share is put back, or gone if the run made it."""
    from keras.src.backend.common import global_state

    model = make_model()
    global_state.set_global_attribute("global_seed_generator", None)

    class Noisy:
        def __iter__(self):
            while True:
                noise = keras.ops.convert_to_numpy(keras.random.normal((8, 5)))
                yield noise, np.zeros(8)

    finder.range_test(KerasStep(model, Noisy()))
    assert global_state.get_global_attribute("global_seed_generator") is None
    next(iter(Noisy()))
    first = finder.range_test(KerasStep(model, Noisy()))
    second = finder.range_test(KerasStep(model, Noisy()))
    assert first.losses.tolist() == second.losses.tolist()


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return make_batches(3)[index]


class Drawing(keras.utils.PyDataset):
    """Noise from a generator of its own, that grows with each batch."""

    def __init__(self):
        super().__init__()
        self.rng, self.count = np.random.default_rng(0), 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.count += 1
        inputs, targets = make_batches(3)[index]
        return inputs + self.count * self.rng.normal(), targets


def shuffled_loader():
    dataset = torch.utils.data.TensorDataset(torch.arange(40.0).reshape(8, 5), torch.zeros(8, dtype=torch.long))
    generator = torch.Generator().manual_seed(0)
    return torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True, generator=generator)


@pytest.mark.parametrize("make_source", [Drawing, shuffled_loader])
def test_what_gives_the_batches_is_put_back(make_source):
    """The next pass over a data set or a loader that draws by itself is that over one that no run has used."""
    used, unused = make_source(), make_source()
    finder.range_test(KerasStep(make_model(), used))
    passes = (
        [np.asarray(source[i][0]) for i in range(3)]
        if isinstance(source, Drawing)
        else [np.asarray(inputs) for inputs, _ in source]
        for source in (used, unused)
    )
    assert all(map(np.array_equal, *passes))


@pytest.mark.parametrize(
    ("batches", "num_steps"),
    [
        (make_batches(2), 8),
        (Pairs(), 8),
        (make_batches(1)[0], 8),
        (iter(make_batches(3)), 3),
        ([(*make_batches(1)[0], np.ones(8))], 8),
    ],
    ids=["list", "PyDataset", "one batch", "generator", "sample weights"],
)
def test_sources_of_batches(batches, num_steps):
    """Lists, PyDatasets, one batch by itself, generators until they end, sample weights."""
    assert len(finder.range_test(KerasStep(make_model(), batches))) == num_steps


@pytest.mark.parametrize("batches", [make_batches(6), Pairs()])
def test_reseeding_draws_other_batches_and_noise(batches):
    """The same seed gives the same run, another seed another, and none is the plain run."""
    model = make_model()
    keras.random.normal((1,))  # the shared generator exists

    def run(seed):
        with KerasStep(model, batches) as step:
            if seed is not None:
                step.reseed(seed)
            return tuple(float(step(lr)) for lr in LRS)

    assert run(1) == run(1)
    assert len({run(None), run(0), run(1), run(2)}) == 4
    assert run(None) == run(None)


def test_batches_that_can_be_read_once_are_refused_for_several_runs():
    """Before the first one trains."""
    batches = iter(make_batches(9))
    with pytest.raises(ValueError, match="need batches that can be read again for 3 runs"):
        finder.repeat(KerasStep(make_model(), batches))
    assert len(list(batches)) == 9


def test_an_error_says_what_the_batch_was():
    """A loader's odd batch comes late: its form is told."""
    odd = (np.zeros((3, 4), "float32"), np.zeros(3, int))
    with pytest.raises(ValueError, match="shape") as caught:
        finder.range_test(KerasStep(make_model(), [make_batches()[0], odd]))
    assert [note for note in caught.value.__notes__ if "the batch was" in note] == [
        "lrwidget: the batch was (ndarray float32 [3, 4], ndarray int64 [3])"
    ]


def test_reseeding_is_refused_where_nothing_would_undo_it():
    """Outside of a run no state is saved."""
    with pytest.raises(RuntimeError, match=r"need an entered train step to reseed, got one .*; use it in a with block"):
        KerasStep(make_model(), make_batches()).reseed(1)


def test_random_states_after_runs_that_overlap_are_those_before_the_first():
    """In two threads, whichever ends first."""
    steps = [KerasStep(make_model(), make_batches()) for _ in range(2)]
    random.seed(3)
    before = random.getstate()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        for thread, step in zip((one, two), steps, strict=True):
            thread.submit(step.__enter__).result()
            random.random()
        for thread, step in zip((one, two), steps, strict=True):
            thread.submit(step.__exit__).result()
    assert random.getstate() == before


def test_a_loss_scaled_model():
    """An optimizer wrapped for half precision gets its rate, and its loss scale back."""
    model = make_model(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
    before_rate = float(model.optimizer.learning_rate)
    assert len(finder.range_test(KerasStep(model, make_batches()))) == 8
    assert float(model.optimizer.learning_rate) == before_rate


def refused(error, match, model, batches=None):
    with pytest.raises(error, match=match):
        finder.range_test(KerasStep(model, make_batches() if batches is None else batches))


def test_refuses_what_cannot_be_trained():
    """Wanted, got, remedy, before anything is trained."""
    refused(TypeError, r"need a keras.Model, got int 3", 3)
    refused(ValueError, r"need a built model", keras.Sequential([layers.Dense(1)]))
    refused(ValueError, r"need a compiled model", keras.Sequential([layers.Input((1,)), layers.Dense(1)]))
    frozen = make_model()
    frozen.trainable = False
    refused(ValueError, r"need at least one weight to train, got a frozen model", frozen)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    following = keras.optimizers.SGD(schedule)
    for optimizer in (following, keras.optimizers.LossScaleOptimizer(following)):
        refused(ValueError, r"got one that follows a schedule; compile the model with a number", make_model(optimizer))
    match = r"got \{'x': ndarray float64 \[2\]\}; let the source yield tuples"
    refused(ValueError, match, make_model(), {"x": np.ones(2)})
    refused(ValueError, r"need at least one batch, got an empty source", make_model(), [])
    with pytest.raises(RuntimeError, match="need an entered train step"):
        KerasStep(make_model(), make_batches())(0.1)


class OwnTraining(keras.Model):
    """Trains by functions of its own, as the GANs on keras.io do: with optimizers that compile() does not know."""

    def __init__(self, logs):
        super().__init__()
        self.net = make_model()
        self.built = True
        self.logs = logs

    def call(self, x):
        return self.net(x)

    def train_step(self, data):
        return dict.fromkeys(self.logs, 0.5)


@pytest.mark.parametrize("hold", [lambda optimizer: optimizer, lambda optimizer: [optimizer]], ids=["bare", "list"])
def test_refuses_optimizers_besides_the_compiled_one(hold):
    """Nothing sets their rates or puts them back, so nothing is trained."""
    model = OwnTraining(["loss"])
    model.compile("adam")
    model.alias = model.optimizer
    assert len(finder.range_test(KerasStep(model, make_batches()))) == 8
    model.d_optimizer, model.g_optimizer = hold(keras.optimizers.Adam()), hold(keras.optimizers.SGD())
    match = r"got a OwnTraining with others, d_optimizer, g_optimizer, whose rates .* RestoringStep\(train_fn, save="
    refused(ValueError, match, model)


def test_refuses_training_that_returns_no_loss():
    """The logs are named."""
    model = OwnTraining(["d_loss", "g_loss"])
    model.compile("adam")
    refused(ValueError, r'^need a "loss" among .* returns, got d_loss, g_loss; return \{"loss": ...\}', model)


def test_one_run_per_model():
    """A second run over the same model, or one that shares a layer, is refused until the first is left."""
    model = make_model()
    step, other = KerasStep(model, make_batches()), KerasStep(model, make_batches())
    with step, pytest.raises(RuntimeError, match="need a model that no other run is training, got a Sequential in use"):
        other.__enter__()
    assert len(finder.range_test(other)) == 8


def test_a_layer_that_two_models_share_deep_inside_is_trained_by_one_run():
    """As in PyTorch, where any common submodule is refused; keras.Model.layers has the direct ones only."""
    shared = keras.layers.Dense(3, name="shared")
    models = [keras.Sequential([keras.Input((4,)), keras.Sequential([shared])]) for _ in range(2)]
    for model in models:
        model.compile("sgd", "mse")
    batches = [(np.ones((2, 4)), np.ones((2, 3)))]
    step, other = (KerasStep(model, batches) for model in models)
    with step, pytest.raises(RuntimeError, match="need a model that no other run is training"):
        other.__enter__()


def test_what_cannot_be_restored_is_named(monkeypatch):
    """A variable that refuses its value is named, and all others are restored."""
    model = make_model()
    step = KerasStep(model, make_batches())
    kernel = model.layers[0].kernel
    finder.range_test(step)
    before = state_of(model)
    step.__enter__()
    step(0.1)
    original = kernel.assign

    def refuse(value):
        raise ValueError("no")

    monkeypatch.setattr(kernel, "assign", refuse)
    with pytest.raises(
        RestoreError, match=rf"could not restore {kernel.path} \(ValueError: no\); all else is as it was"
    ):
        step.__exit__(None, None, None)
    original(dict(before)[kernel.path])
    assert_same(before, state_of(model))


ON_JAX = """
import numpy as np, keras, random
from lrwidget import KerasStep, LearningRateFinder
assert keras.backend.backend() == "jax"
model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dropout(0.1), keras.layers.Dense(1)])
model.compile("adam", "mse")
class Noise(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)
    def __len__(self):
        return 2
    def __getitem__(self, index):
        return self.rng.normal(size=(4, 5)), np.zeros((4, 1))
batches = Noise()
model.train_on_batch(np.ones((4, 5)), np.zeros((4, 1)))
states = lambda: [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
before, python_state, numpy_state = states(), random.getstate(), np.random.get_state()
step = KerasStep(model, batches)
result = LearningRateFinder(1e-4, 0.1, 6, divergence="never").repeat(step, num_runs=2)
assert all(np.array_equal(a, b) for a, b in zip(before, states(), strict=True))
assert np.array_equal(batches[0][0], Noise()[0][0])
assert random.getstate() == python_state
assert np.array_equal(np.random.get_state()[1], numpy_state[1])
assert "torch" not in __import__("sys").modules
"""


def test_on_another_backend():
    """On JAX the same step works and restores, and PyTorch is not imported."""
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", ON_JAX], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
