"""One server of each kind and one browser for the whole session; one page and fresh kernels for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser import chromium
from tests.browser.pages import FrontEnd, LabPage, NotebookPage, VoilaPage
from tests.browser.servers import Server, serve

ARGUMENTS = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        pytest.fail("need Chromium for the browser tests, got none: run them with `make test`, which installs one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1200, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)  # many times what it takes: machines of tests are shared
    yield context
    context.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("lab", tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("notebook", tmp_path_factory.mktemp("notebook")) as server:
        yield server


@pytest.fixture(scope="session")
def voila_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as server:
        yield server


@pytest.fixture
def lab(context: BrowserContext, lab_server: Server) -> Iterator[LabPage]:
    """A page of JupyterLab; the test fails if the browser's console has shown an error."""
    page = LabPage(context.new_page(), lab_server)
    yield page
    _check_and_close(page)
    lab_server.stop_kernels()


@pytest.fixture
def notebook(context: BrowserContext, notebook_server: Server) -> Iterator[NotebookPage]:
    """A page of Notebook 7; the test fails if the browser's console has shown an error."""
    page = NotebookPage(context.new_page(), notebook_server)
    yield page
    _check_and_close(page)
    notebook_server.stop_kernels()


@pytest.fixture
def voila(context: BrowserContext, voila_server: Server) -> Iterator[VoilaPage]:
    """A page of Voila; the test fails if the browser's console has shown an error."""
    page = VoilaPage(context.new_page(), voila_server)
    yield page
    _check_and_close(page)


def _check_and_close(page: FrontEnd) -> None:
    errors = page.errors[:]
    page.page.close(run_before_unload=True)  # Voila's page tells the server that its kernel is no longer needed
    assert errors == [], "errors in the browser's console"
