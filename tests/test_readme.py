"""The README is run: its Python from top to bottom as one script, its commands as far as they harm nobody."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# What the README takes for granted: the reader has a model and data.
PRELUDE = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
inputs = torch.randn(256, 4)
targets = inputs[:, :3].argmax(dim=1)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_size=32, shuffle=True)
"""


def blocks(*languages: str) -> list[str]:
    """The fenced code blocks in these languages, in order."""
    return [code for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S) if language in languages]


def commands() -> list[list[str]]:
    """Every line of every shell block, as words, without comments."""
    lines = "\n".join(blocks("bash", "sh", "shell", "console")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line.removeprefix("$ "), comments=True))]


def test_python_blocks_run(tmp_path: Path) -> None:
    """The blocks, pasted one after the other below a model and data, run without error or warning."""
    parts = [f"# --- block {number} ---\n{code}" for number, code in enumerate(blocks("python"), 1)]
    assert parts
    script = tmp_path / "readme.py"
    script.write_text("\n".join([PRELUDE, *parts]), encoding="utf-8")
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning:bqscales.traits"]
    run = subprocess.run(
        [sys.executable, *warnings, script], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_command_is_real(command: list[str]) -> None:
    """Each command names a target, an extra, a program or a module that exists; one of an unknown kind fails."""
    match command:
        case ["make", *targets]:
            plan = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
            assert plan.returncode == 0, plan.stderr
        case ["pip", "install", *packages]:
            for extras in re.findall(r"lrwidget\[(.*?)\]", " ".join(packages)):
                assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
        case ["git", "clone", address]:
            assert address.removesuffix(".git") == PROJECT["urls"]["Homepage"]
        case ["cd", folder]:
            assert folder == PROJECT["name"]
        case ["jupyter", app, *_]:
            assert shutil.which(f"jupyter-{app}", path=str(Path(sys.executable).parent))
        case ["python", "-m", module, *_]:
            subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, check=True)
        case [script, *_] if script in PROJECT.get("scripts", {}):
            program = Path(sys.executable).with_name(script)
            subprocess.run([program, "--help"], capture_output=True, check=True)
        case _:
            pytest.fail(f"no way to check {' '.join(command)!r}; teach this test one")


def test_links_inside_the_repository_lead_somewhere() -> None:
    """Files that the README links to or shows exist, by relative path or by their address on GitHub."""
    addresses = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", TEXT)
    here = re.compile(
        rf"{re.escape(PROJECT['urls']['Homepage'])}/(?:blob|tree|raw)/main/|"
        r"https://raw\.githubusercontent\.com/lrwidget/lrwidget/main/|(?!https?:|#)"
    )
    paths = [
        here.sub("", address, count=1) for pair in addresses for address in pair if address and here.match(address)
    ]
    assert [path for path in paths if not (ROOT / path.partition("#")[0]).exists()] == []


def test_binder_opens_a_notebook_that_exists() -> None:
    """The badge's link leads to a notebook of this repository in JupyterLab."""
    [path] = set(re.findall(r"mybinder\.org/v2/gh/[^?\s]+\?urlpath=lab/tree/([^)\s]+)", TEXT))
    assert (ROOT / path).is_file()
