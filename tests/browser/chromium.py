"""The Chromium that the browser tests drive: find one, or (run as a script) install one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_REMEDY = "install chromium or google-chrome, or set CHROMIUM to the path of one, and run make again"


def find() -> str | None:
    """The path of a Chromium: $CHROMIUM, one on the PATH, Playwright's own; None if there is none."""
    chosen = os.environ.get("CHROMIUM")
    if chosen is not None:
        return shutil.which(chosen)
    on_path = next(filter(None, map(shutil.which, _NAMES)), None)
    if on_path is not None:
        return on_path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Install one: as a package of the system where that is possible, else Playwright's own."""
    if "CHROMIUM" in os.environ:
        return  # the user has chosen; nothing else would be used
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    has_packages = bool(shutil.which("apt-get") and (not as_root or shutil.which("sudo")))
    if has_packages:
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "chromium"]):
            if subprocess.run([*as_root, *command], check=False).returncode:
                break  # Ubuntu has no such package; Playwright brings its own
        if find():
            return
    libraries = ["--with-deps"] if has_packages else []
    subprocess.run([sys.executable, "-m", "playwright", "install", *libraries, "chromium"], check=False)


def works(path: str) -> bool:
    """Whether the browser starts at all: a package may lack its libraries."""
    return subprocess.run([path, "--version"], check=False, stdout=subprocess.DEVNULL).returncode == 0


def main() -> None:
    """Make sure there is a browser, or say what to do."""
    path = find()
    if path is None:
        install()
        path = find()
    if path is None or not works(path):
        sys.exit(f"need Chromium for the browser tests, got {path or 'none'}: {_REMEDY}")


if __name__ == "__main__":
    main()
