"""Who may import whom, and what an import costs: each question is asked in a fresh interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lrwidget

PACKAGE = Path(lrwidget.__file__).parent
HEAVY = {"torch", "pandas", "ipywidgets", "traitlets", "bqplot", "matplotlib", "tqdm", "distributed", "keras"}
FRAMEWORKS = {"torch", "keras", "jax", "lightning", "transformers", "tensorflow"}


def loaded_after(code: str) -> set[str]:
    """The modules, with their packages, that are loaded once the code has run in a new interpreter."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def layer(module: str) -> str:
    """Which part of the package a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ("steps", "live", "ui", "schedules") else "core"


def modules() -> list[str]:
    """Every module of the package."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(PACKAGE.rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]


def framework(module: str) -> str | None:
    """The framework that a module is for, by its name: these are the only files that may import it."""
    stem = module.rpartition(".")[2]
    return next((name for name in ("torch", "keras") if stem.startswith(name)), None)


def plain(part: str) -> list[str]:
    """The modules of a part that are for no framework."""
    return [name for name in modules() if layer(name) == part and framework(name) is None]


def imports(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names)


def test_import_of_the_package_is_light() -> None:
    """`import lrwidget` loads nothing heavy; not even numpy is needed until a name is used."""
    assert not loaded_after("import lrwidget") & (HEAVY | {"numpy"})


def test_the_engine_runs_on_numpy_alone() -> None:
    """A whole range test with its suggestion, verdict, picture and file needs neither framework, pandas nor widget."""
    code = """
import os, tempfile
from lrwidget import LearningRateFinder, RangeTestResult
result = LearningRateFinder(num_steps=40).range_test(lambda lr: 2 - min(lr, 1e-2) * 50 + max(0, lr - 1))
result.suggested_lr, result.diagnosis, str(result), result._repr_svg_()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "result.jsonl")
    result.save(path)
    assert RangeTestResult.load(path) == result
"""
    assert not loaded_after(code) & HEAVY


@pytest.mark.parametrize(
    ("names", "forbidden"),
    [
        pytest.param(plain("core"), HEAVY | {"lrwidget.ui", "lrwidget.live"}, id="core"),
        pytest.param(plain("schedules"), HEAVY | {"lrwidget.ui", "lrwidget.live", "lrwidget.finder"}, id="schedules"),
        pytest.param(plain("live"), HEAVY - {"traitlets"} | {"lrwidget.ui", "IPython"}, id="live"),
        pytest.param(plain("steps"), HEAVY | {"lrwidget.ui", "lrwidget.live", "lrwidget.finder"}, id="steps"),
    ],
)
def test_lower_layers_know_nothing_of_higher_ones(names: list[str], forbidden: set[str]) -> None:
    """Importing every module of a layer loads no part that builds on it and no library that is not its business."""
    assert names
    assert not loaded_after(imports(names)) & forbidden


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_steps_know_their_framework_and_no_engine(name: str) -> None:
    """The steps for a framework load neither the loop, nor anything of the screen, nor (but for Keras) another one."""
    steps = [module for module in modules() if layer(module) == "steps" and framework(module) == name]
    others = {"torch": FRAMEWORKS - {"torch"}, "keras": set()}[name]  # Keras itself loads its backend
    forbidden = {"lrwidget.finder", "lrwidget.loop", "lrwidget.live", "lrwidget.ui", "ipywidgets", "bqplot"} | others
    assert steps
    assert not loaded_after(imports(steps)) & forbidden


def test_the_widget_needs_no_framework() -> None:
    """Whoever trains with plain callables loads no framework with the widget."""
    assert not loaded_after("from lrwidget import LRFinderWidget") & FRAMEWORKS


def test_every_public_name_can_be_imported() -> None:
    """Each name that `dir` lists is found, and an unknown one is an AttributeError that names it."""
    assert [name for name in dir(lrwidget) if getattr(lrwidget, name, None) is None] == []
    assert set(lrwidget.__all__) <= set(dir(lrwidget))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lrwidget.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("before", "steps"),
    [
        ("", {"TorchStep"}),
        ("sys.modules['torch'] = None", set()),
        ("os.environ['KERAS_BACKEND'] = 'torch'; import keras", {"TorchStep", "KerasStep"}),
    ],
    ids=["with PyTorch", "without", "with Keras loaded"],
)
def test_a_star_import_takes_what_is_there(before: str, steps: set[str]) -> None:
    """It fails for no framework that is missing, and loads none that has no backend: Keras without one cannot be."""
    code = f"import os, sys; {before}\nfrom lrwidget import *\nprint(*(name for name in globals() if name[0] != '_'))"
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    names = set(done.stdout.split())
    assert {"LearningRateFinder", "LRFinderWidget", "suggest", "schedules"} <= names
    assert names & {"TorchStep", "KerasStep"} == steps


def test_import_costs_little_beyond_numpy() -> None:
    """`import lrwidget` takes at most 20 ms of processor time more than `import numpy`; the least of five counts."""
    code = "import time, numpy; t = time.process_time(); import lrwidget; print(time.process_time() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(times) < 0.02
