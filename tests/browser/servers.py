"""Real Jupyter servers for the tests: JupyterLab, Notebook 7 and Voila, each with nothing of the user's around it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

START_SECONDS = 120  # on a loaded machine


@dataclass(frozen=True)
class Server:
    """A running server: where it answers, the folder whose notebooks it serves, and its environment."""

    url: str
    root: Path
    environment: Mapping[str, str]

    def add_notebook(self, name: str, *cells: str) -> str:
        """Write a notebook with these code cells into the folder and return its name."""
        import nbformat

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        return name

    def trust(self, name: str) -> None:
        """Sign a notebook that was run elsewhere, as its reader does who trusts it."""
        command = [sys.executable, "-m", "jupyter", "trust", str(self.root / name)]
        subprocess.run(command, env=dict(self.environment), check=True, stdout=subprocess.DEVNULL)

    def stop_kernels(self) -> None:
        """Shut down every kernel, so that no test finds or feeds that of another."""
        for kernel in json.loads(self._request("GET", "/api/kernels")):
            self._request("DELETE", f"/api/kernels/{kernel['id']}")

    def _request(self, method: str, path: str) -> bytes:
        with urlopen(Request(self.url + path, method=method), timeout=30) as response:
            return response.read()


@contextmanager
def serve(app: str, scratch: Path) -> Iterator[Server]:
    """Run ``lab``, ``notebook`` or ``voila`` on a free port and stop it, with its kernels, in the end."""
    root = scratch / "root"
    root.mkdir(parents=True)
    port = free_port()
    log = scratch / "log.txt"
    environment = isolated_environment(scratch)
    with log.open("wb") as output:
        process = subprocess.Popen(_command(app, port, root), env=environment, stdout=output, stderr=output)
        try:
            server = Server(f"http://127.0.0.1:{port}", root, environment)
            wait_until_it_answers(process, server.url + ("/" if app == "voila" else "/api/status"), log)
            yield server
        finally:
            process.terminate()  # the server shuts its kernels down
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def isolated_environment(scratch: Path) -> dict[str, str]:
    """The environment for a server that neither reads nor writes the user's settings."""
    places = {
        name: str(scratch / name.lower())
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    settings = Path(places["JUPYTER_CONFIG_DIR"], "lab", "user-settings", "@jupyterlab", "apputils-extension")
    settings.mkdir(parents=True, exist_ok=True)
    # No question about news may cover the page.
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    # Nor need the server find out with Node.js, for each page, whether it has to be built anew.
    page_config = Path(places["JUPYTER_CONFIG_DIR"], "labconfig", "page_config.json")
    page_config.parent.mkdir(exist_ok=True)
    page_config.write_text('{"buildAvailable": false, "buildCheck": false}')
    return {**os.environ, **places, "OMP_NUM_THREADS": "1"}


def _command(app: str, port: int, root: Path) -> list[str]:
    if app == "voila":
        options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", "--show_tracebacks=True"]
        return [sys.executable, "-m", "voila", *options, str(root)]
    modules = {"lab": "jupyterlab", "notebook": "notebook"}
    apps = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}
    return [
        *(sys.executable, "-m", modules[app], "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
        *(f"--ServerApp.root_dir={root}", f"--{apps[app]}.expose_app_in_browser=True"),
    ]


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server that the process runs answers; if it does not, say what it has logged."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the server at {url} does not answer (exit status {process.poll()}):\n{log.read_text()}")
