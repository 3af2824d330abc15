"""The package as users get it: built, installed away from the repository, used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent

USE = """
import sys, numpy, lrwidget
from lrwidget import LearningRateFinder
assert "site-packages" in lrwidget.__file__, lrwidget.__file__
weights = {"w": 3.0}
def train_step(lr):
    loss = weights["w"] ** 2
    weights["w"] -= lr * 2 * weights["w"]
    return loss
result = LearningRateFinder().range_test(train_step)
assert 1e-3 < result["suggested_lr"] < 1, result
print(lrwidget.__version__)
"""


@pytest.mark.parametrize("part", ["live", "ui", "steps"])
def test_the_map_of_a_part_names_all_its_modules(part):
    """Its docstring is where a reader begins: no module is missing there, and none is named that is gone."""
    folder = ROOT / "lrwidget" / part
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert set(re.findall(r"(?<!`)`([a-z_]+)`", docstring)) == modules


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Wheel and sdist, built with what is installed."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(dist):
    """All modules, the typing marker and the licence are in; tests and notebooks are not."""
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "lrwidget").rglob("*.py")}
    assert modules | {"lrwidget/py.typed"} <= names
    assert {name.split("/")[0] for name in names - modules} <= {"lrwidget", wheel.name.split("-py3")[0] + ".dist-info"}
    assert any(name.endswith("LICENSE") for name in names)


def test_the_sdist_holds_what_the_tests_need(dist):
    """Who builds from source can test too: all that is in the repository, but for what says what git ignores."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.split("/", 1)[-1] for member in archive.getmembers() if member.isfile()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert set(tracked) - {".gitignore"} <= names
    assert {
        "pyproject.toml",
        "Makefile",
        "README.md",
        "CONTRIBUTING.md",
        "lrwidget/finder.py",
        "tests/test_finder.py",
    } <= names


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
    """The Python of an environment of its own, in which the wheel is installed beside the same dependencies."""
    (wheel,) = dist.glob("*.whl")
    folder = tmp_path_factory.mktemp("installed")
    run = {"check": True, "capture_output": True, "text": True, "cwd": folder}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "env"], **run)
    python = folder / "env" / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, **run).stdout.strip())
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, *install], **run)
    # The dependencies come from here, behind the environment's own packages.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def use(python, code, folder):
    """Run code without the repository, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), "-W", "error::DeprecationWarning:lrwidget", "-c", code]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_installed_wheel_works_without_the_repository(dist, installed, tmp_path):
    """Installed elsewhere, it runs a range test, and says the version that the wheel has."""
    (wheel,) = dist.glob("*.whl")
    assert f"-{use(installed, USE, tmp_path).strip()}-" in wheel.name


def test_the_installed_wheel_runs_the_quickstart(installed, tmp_path):
    """The quickstart's cells, as a script, find a rate and train with it, in a fraction of the 2 GB of a Binder."""
    (path,) = (ROOT / "notebooks").glob("*quickstart.ipynb")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    before = "import lrwidget\nassert 'site-packages' in lrwidget.__file__"
    # Of this process alone: ru_maxrss keeps, beyond exec, what the process that forked it had in memory.
    after = "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    printed = use(installed, "\n".join([before, *cells, after]), tmp_path)
    accuracies = [float(share) for share in re.findall(r"([\d.]+)% of the unseen digits", printed)]
    assert len(accuracies) == 5
    assert accuracies[-1] > 90
    (peak_kb,) = re.findall(r"VmHWM:\s*(\d+) kB", printed)
    assert int(peak_kb) < 1_000_000


def test_the_installed_requirements_agree():
    """`pip check` finds no conflict in the environment that the tests run in."""
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
