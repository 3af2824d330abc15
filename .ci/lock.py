"""Write constraints.txt: the exact versions of everything in the environment but the project itself."""

import re
from importlib.metadata import distributions
from pathlib import Path

TOOLS = {"lrwidget", "pip", "setuptools", "wheel"}  # ours, and what makes the environment


def main() -> None:
    """Pin each installed distribution; local labels (2.13.0+cpu) go, so that any build of the version will do."""
    pins = {}
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name not in TOOLS:
            pins[name] = distribution.version.partition("+")[0]
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    Path(__file__).with_name("constraints.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
