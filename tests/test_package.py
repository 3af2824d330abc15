"""The package as users get it: built, installed away from the repository, used."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

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
    """Who builds from source can test too."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "lrwidget/finder.py",
        "tests/test_finder.py",
    } <= names


def test_the_installed_wheel_works_without_the_repository(dist, tmp_path):
    """Installed into an environment of its own, beside the same dependencies, it runs a range test."""
    (wheel,) = dist.glob("*.whl")
    environment = tmp_path / "env"
    run = {"check": True, "capture_output": True, "text": True, "cwd": tmp_path}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], **run)
    python = environment / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, **run).stdout.strip())
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, *install], **run)
    # The dependencies come from here, behind the environment's own packages.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    version = subprocess.run([str(python), "-W", "error::DeprecationWarning:lrwidget", "-c", USE], **run).stdout.strip()
    assert f"-{version}-" in wheel.name


def test_the_installed_requirements_agree():
    """`pip check` finds no conflict in the environment that the tests run in."""
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
