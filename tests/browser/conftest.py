"""One server of each kind and one browser for all tests, a window of JupyterLab too; fresh kernels for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser import chromium
from tests.browser.pages import VIEWPORT, FrontEnd, LabPage, NotebookPage, VoilaPage
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


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=VIEWPORT, accept_downloads=True)
    context.set_default_timeout(60_000)  # many times what it takes: machines of tests are shared
    return context


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = new_context(browser)
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


@pytest.fixture(scope="session")
def lab_windows() -> list[LabPage]:
    """The window of JupyterLab that the test before has given back: a page takes longer to load than to use."""
    return []


@pytest.fixture
def lab(
    request: pytest.FixtureRequest, browser: Browser, lab_server: Server, lab_windows: list[LabPage]
) -> Iterator[LabPage]:
    """A window of JupyterLab; the test fails if the browser's console has shown an error.

    Nothing is open in it, but other tests may have used it, unless one of them has failed.
    """
    lab = lab_windows.pop() if lab_windows else LabPage(new_context(browser).new_page(), lab_server)
    num_failed = request.session.testsfailed
    yield lab
    errors = lab.errors[:]
    if errors or request.session.testsfailed > num_failed:
        lab.page.context.close()
        lab_server.stop_kernels()
    else:
        lab.clear()
        lab_windows.append(lab)
    assert errors == [], "errors in the browser's console"


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
