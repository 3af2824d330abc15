"""``python -m tests.benchmarks [name ...] [--full]``: run the benchmarks, print their tables and save them.

Each is a function that prints markdown; what it prints is also written to ``results/<name>.md`` beside this file.
A new one needs its line in `BENCHMARKS`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results"

# Name: what it measures. The function is `main` of the module of that name; it takes `full` where a longer run exists.
BENCHMARKS = {
    "engine": "whole range test / bare loop, beside the peers",
    "engine_live": "the same with the live widget on",
    "engine_state": "saving and restoring: time and memory",
    "engine_suggest": "time to suggest and to diagnose",
    "engine_imports": "time to import",
    "engine_traces": "what each peer leaves behind",
    "live_browser": "the live widget in JupyterLab: refreshes, Stop, sliders, marker, the end of a run",
    "long_browser": "long use in JupyterLab: memory, messages, threads",
    "log_cost": "what the log and the progress bar add to a step",
    "rank_talk": "what keeping two ranks in step adds to a step",
    "sweep_speed": "a sweep on two processes",
    "watch_delay": "from a step's flush in another process to the screen",
}
_WITH_FULL = {"engine", "engine_live", "engine_state", "live_browser"}


class _Tee(io.StringIO):
    """Keeps what is printed and prints it."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def run(name: str, full: bool) -> None:
    """Run one benchmark and save its output."""
    function: Callable[..., None] = import_module(f"tests.benchmarks.{name}").main
    out = _Tee()
    with contextlib.redirect_stdout(out):
        if name in _WITH_FULL:
            function(full=full)
        else:
            function()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(out.getvalue().rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Run those that are named, or all."""
    listing = "\n".join(f"  {name}: {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", epilog=listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help="which to run; all by default")
    parser.add_argument(
        "--full",
        action="store_true",
        help="more of everything: hours instead of some 20 minutes",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"need names among {', '.join(BENCHMARKS)}, got {', '.join(sorted(unknown))}")
    for name in arguments.names or BENCHMARKS:
        run(name, arguments.full)
        print()


if __name__ == "__main__":
    main()
