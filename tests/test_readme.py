"""The README is run: its Python from top to bottom as one script, its commands as far as they harm nobody."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.regret.scoring import load_tasks, score

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def blocks(*languages: str) -> list[str]:
    """The fenced code blocks in these languages, in order."""
    return [code for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S) if language in languages]


def commands() -> list[list[str]]:
    """Every line of every shell block, as words, without comments."""
    lines = "\n".join(blocks("bash", "sh", "shell", "console")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line.removeprefix("$ "), comments=True))]


# In front of the script: no import system finds a module that its reader has not installed.
NOT_INSTALLED = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {names!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
"""


def installed_by(requirement: Requirement, found: set[str]) -> None:
    """Add the names of all distributions that pip installs for a requirement, its extras' too."""
    name = canonicalize_name(requirement.name)
    found.add(name)
    for text in requires(name) or ():
        needed = Requirement(text)
        extras = requirement.extras or {""}
        wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
        if wanted and (needed.extras or canonicalize_name(needed.name) not in found):
            installed_by(needed, found)


def what_the_reader_lacks() -> set[str]:
    """Of the modules that this package or the README imports, those that the README's own `pip install` does not bring.

    Others are left alone: PyTorch does not expect that an installed distribution cannot be imported.
    """
    first = next(command[2] for command in INLINE if command[:2] == ["pip", "install"])
    assert first.startswith("lrwidget[")
    found: set[str] = set()
    installed_by(Requirement(first), found)
    sources = [TEXT, *(path.read_text(encoding="utf-8") for path in (ROOT / "lrwidget").rglob("*.py"))]
    imported = set(re.findall(r"^ *(?:import|from) (\w+)", "\n".join(sources), re.M))
    homes = packages_distributions()
    return {name for name in imported if name in homes and not found & set(map(canonicalize_name, homes[name]))}


def test_every_block_is_run_or_checked() -> None:
    """There is no block in a language that these tests do not look at, and none without a language."""
    fences = re.findall(r"^```(.*)$", TEXT, re.M)
    assert set(fences[1::2]) == {""}
    assert set(fences[::2]) == {"python", "bash"}


def test_python_blocks_run(tmp_path: Path) -> None:
    """The blocks, pasted one after the other, run without error or warning, and with nothing installed but what the
    README says."""
    parts = [f"# --- block {number} ---\n{code}" for number, code in enumerate(blocks("python"), 1)]
    assert parts
    lacking = what_the_reader_lacks()
    assert {"keras", "matplotlib"} <= lacking
    script = tmp_path / "readme.py"
    script.write_text("\n".join([NOT_INSTALLED.format(names=lacking), *parts]), encoding="utf-8")
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning:bqscales.traits"]
    run = subprocess.run(
        [sys.executable, *warnings, script], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr


# Commands in running text.
INLINE = [
    shlex.split(code)
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S))
    if code.split()[0] in ("make", "pip", "python")
]


@pytest.mark.parametrize("command", [*commands(), *INLINE], ids=" ".join)
def test_command_is_real(command: list[str]) -> None:
    """Each command names a target, an extra, a program or a module that exists; one of an unknown kind fails."""
    match command:
        case ["make", *targets]:
            plan = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
            assert plan.returncode == 0, plan.stderr
        case ["pip", "install", *packages]:
            for extras in re.findall(r"(?:lrwidget|\.)\[(.*?)\]", " ".join(packages)):
                assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
        case ["git", "clone", address]:
            assert address.removesuffix(".git") == PROJECT["urls"]["Homepage"]
        case ["cd", folder]:
            assert folder == PROJECT["name"]
        case ["jupyter", app, *_]:
            assert shutil.which(f"jupyter-{app}", path=str(Path(sys.executable).parent))
        case ["python", "-m", module, *_]:
            explain = [sys.executable, "-m", module, "--help"]
            run = subprocess.run(explain, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
            assert run.stdout.startswith("usage:")  # not its hours of work
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


def rows(title: str) -> list[list[str]]:
    """The rows of the table whose first column has this title, as texts."""
    [table] = re.findall(rf"^\| {re.escape(title)} \|.*\n\|[- |]+\n((?:\|.*\n)+)", TEXT, re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_table_of_traces_is_the_measured_one() -> None:
    """Every row of what the finders leave behind stands, word for word, in the benchmark's result."""
    measured = (ROOT / "tests/benchmarks/results/engine_traces.md").read_text(encoding="utf-8")
    shown = rows("")
    assert len(shown) >= 8
    assert [row for row in shown if f"| {' | '.join(row)} |" not in measured] == []


def test_the_table_of_costs_is_the_measured_one() -> None:
    """Its ratios are those of the benchmark's runs of 100 steps, rounded; and what is said of 1,000 steps is too."""
    lines = (ROOT / "tests/benchmarks/results/engine.md").read_text(encoding="utf-8").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    measured = {tuple(row[:3]): [float(cell.split()[0]) for cell in row[3:]] for row in cells if row[2].isdigit()}
    expected = []
    for (model, optimizer, num_steps), (bare, ours, _, _, *peers) in measured.items():
        if num_steps == "100":
            step = f"{bare:.2f}" if bare < 1 else f"{bare:.1f}"
            expected.append([f"{model}, {optimizer}", f"{step} ms", *(f"{ratio:.2f}" for ratio in (ours, *peers))])
    assert rows("model, optimizer") == expected
    sgd, adam = (f"{measured['tiny MLP', optimizer, '1000'][1]:.2f}" for optimizer in ("SGD", "Adam"))
    assert f"with 1,000 steps the tiny MLPs are at {sgd} (SGD) and {adam} (Adam)" in " ".join(TEXT.split())


# The name of a rule in the README: that in RULES.
RULES_SHOWN = {
    "lrwidget": "default",
    "the minimum's rate / 10": "minimum_tenth",
    "the explosion's rate / 10": "explosion_tenth",
    "fastai, minimum": "fastai_minimum",
    "fastai, valley (its default)": "fastai_valley",
    "torch-lr-finder": "torch_lr_finder",
    "ignite": "ignite",
    "Lightning, before 2.5.3": "lightning_before_2_5_3",
    "Lightning, since": "lightning",
}


def test_the_table_of_regrets_is_what_make_regret_prints() -> None:
    """The regrets are those of the rules as they are today, on the recorded trainings."""
    tasks = load_tasks()
    expected = []
    for shown, rule in RULES_SHOWN.items():
        result = score(rule, tasks, "single")
        low, high = result.interval()
        expected.append([shown, f"{result.mean:.3f}", f"{low:.3f} – {high:.3f}", f"{result.share_above(0.5):.0%}"])
    assert rows("rule") == expected


def test_the_regrets_of_further_tasks_are_those_of_today() -> None:
    """The sentence after the table has the figures that the rules have on these tasks."""
    tasks, text = load_tasks("further"), " ".join(TEXT.split())
    single, long, vote = (f"{score('default', tasks, kind).mean:.3f}" for kind in ("single", "long", "vote"))
    tenth, fastai = (f"{score(rule, tasks, 'single').mean:.3f}" for rule in ("minimum_tenth", "fastai_minimum"))
    assert f"it has {single} (300 steps: {long}, three tests: {vote})" in text
    assert f"the minimum's rate / 10 has {tenth} and fastai's minimum {fastai}" in text
