"""Print the constraints of `make test-lowest`: the oldest dependencies that pyproject.toml allows.

Everything else has the version of constraints.txt, as in the other tests.
"""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def lowest_pins() -> dict[str, str]:
    """Each dependency of the project and its lower bound; one without a bound is an error."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {}
    for requirement in project["dependencies"]:
        match = re.match(r"([\w-]+)>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: need a dependency as name>=version, got {requirement!r}")
        pins[match[1]] = match[2]
    return pins


def main() -> None:
    """Print one `name==version` per line."""
    lines = (HERE / "constraints.txt").read_text(encoding="utf-8").split()
    pins = dict(line.split("==") for line in lines) | lowest_pins()
    for name, version in sorted(pins.items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
