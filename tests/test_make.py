"""The commands of the Makefile, and what Binder will find."""

import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.browser.servers import free_port, isolated_environment, wait_until_it_answers

ROOT = Path(__file__).parents[1]
PINS = dict(line.split("==") for line in (ROOT / ".ci/constraints.txt").read_text().split())


def test_make_lab_serves_the_quickstart(tmp_path: Path) -> None:
    """`make lab` starts JupyterLab with the quickstart open, and says where."""
    port = free_port()
    options = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token="
    # What is installed is not the question here, so the stamp is taken as it is.
    command = ["make", "-o", ".venv/.lab", "lab", f"LAB_ARGS={options}"]
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=isolated_environment(tmp_path), stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait_until_it_answers(process, f"http://127.0.0.1:{port}/api/status", log)
            with urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                address = response.url  # where the front page leads
                assert b"JupyterLab" in response.read()
            path = address.partition("/lab/tree/")[2]
            assert re.fullmatch(r"notebooks/[\d-]*quickstart\.ipynb", path)
            assert address in log.read_text()
            with urlopen(f"http://127.0.0.1:{port}/api/contents/{path}", timeout=30) as response:
                assert json.load(response)["content"]["cells"]
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=60)


def test_make_says_which_python_it_needs() -> None:
    """Without a Python that is new enough nothing is made, and the message says what to do."""
    command = ["make", "VENV=no-such-folder", "PYTHONS=no-such-python false", "no-such-folder/bin/python"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "need Python 3.11 or newer, found none of: no-such-python false; install it" in run.stderr


def test_continuous_integration_runs_make_test(tmp_path: Path) -> None:
    """.ci/run hands over to `make test` in the root of the repository, from wherever it is called."""
    fake_make = tmp_path / "make"
    fake_make.write_text('#!/bin/sh\necho make "$@" in "$PWD"\n')
    fake_make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run([ROOT / ".ci/run"], cwd="/", env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == f"make test in {ROOT}\n"


def test_constraints_fit_the_project() -> None:
    """Every requirement of the project, extras included, is pinned to a version that it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    requirements = [r for r in map(Requirement, wanted) if r.name != "lrwidget"]
    assert [str(r) for r in requirements if not r.specifier.contains(Version(PINS[r.name.lower()]))] == []


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    """`make test-lowest` gets each dependency at its lower bound, and everything else as the other tests have it."""
    command = [sys.executable, ".ci/lowest.py"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lowest = dict(line.split("==") for line in printed.split())
    needed = [Requirement(r) for r in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
    for requirement in needed:
        assert f">={lowest[requirement.name]}" in str(requirement.specifier).split(",")
    names = {requirement.name for requirement in needed}
    assert {"numpy", "pandas", "ipywidgets", "bqplot"} <= names
    assert {name: pin for name, pin in lowest.items() if name not in names} == {
        name: pin for name, pin in PINS.items() if name not in names
    }


def test_what_the_lowest_versions_leave_out_exists() -> None:
    """Every path that `make test-lowest` ignores is there: none was renamed, and so brought back or lost unseen."""
    plan = subprocess.run(["make", "--dry-run", "test-lowest"], cwd=ROOT, capture_output=True, text=True, check=True)
    ignored = re.findall(r"--ignore=(\S+)", plan.stdout)
    assert ignored
    assert [path for path in ignored if not (ROOT / path).exists()] == []


def test_binder_installs_what_was_tested() -> None:
    """Binder gets the tested Python and PyTorch (the CPU build), and nothing that repo2docker would not read."""
    assert {path.name for path in (ROOT / "binder").iterdir()} == {"requirements.txt", "runtime.txt"}
    assert (ROOT / "binder/runtime.txt").read_text().strip() == "python-3.11"
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    assert f"torch=={PINS['torch']}+cpu" in lines
    # What repo2docker puts into every image is renewed with JupyterLab: an older notebook would not go with it.
    assert {"-e .[notebooks]", "notebook"} <= set(lines)
    assert (ROOT / "binder" / next(line[3:] for line in lines if line.startswith("-c "))).resolve().is_file()


def test_binder_needs_nothing_beside_what_was_tested(tmp_path: Path) -> None:
    """pip, given Binder's file in the tests' environment, would install this package and nothing else: every version
    that Binder will have is here, and they agree."""
    report = tmp_path / "report.json"
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    # Which build of PyTorch is here does not matter, nor where Binder gets it.
    asked = [line.replace("+cpu", "") for line in lines if not line.startswith(("#", "--extra-index-url"))]
    arguments = [word.replace("../", "") for line in asked for word in line.removeprefix("-e ").split()]
    options = ["--dry-run", "--no-index", "--no-build-isolation", "--quiet", f"--report={report}"]
    command = [sys.executable, "-m", "pip", "install", *options, *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    installed = [entry["metadata"]["name"] for entry in json.loads(report.read_text())["install"]]
    assert installed == ["lrwidget"]


def test_the_widgets_extensions_are_enabled() -> None:
    """JupyterLab finds the extensions that draw the widgets, prebuilt, as Binder's will: enabled and fit for it."""
    command = [sys.executable, "-m", "jupyter", "labextension", "list"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    listing = re.sub(r"\x1b\[\d+m", "", run.stdout + run.stderr)
    for name in ("@jupyter-widgets/jupyterlab-manager", "bqplot"):
        assert re.search(rf"^ *{name} v\S+ +enabled +OK", listing, re.MULTILINE), listing


@pytest.mark.parametrize(
    "target", ["lab", "test", "test-lowest", "check", "bench", "regret", "pictures", "dist", "lock", "clean"]
)
def test_every_target_is_explained_and_exists(target: str) -> None:
    """`make` alone lists the targets, and make knows how to make each of them."""
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^make {target} +\w", listing, re.MULTILINE)
    plan = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr
