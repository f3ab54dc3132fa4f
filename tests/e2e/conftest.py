"""One browser and one static page server for the session; a strict page for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_llama_family, forget_base
from tests.e2e import static_page
from tests.e2e.app_fixture import App, Desk, running_app
from tests.e2e.browser import launch_keeping


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The profile of the one Chromium of the session, which keeps compiled scripts."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        context = launch_keeping(playwright, tmp_path_factory.mktemp("profile"))
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(home: Any) -> Any:
    """The one Chromium of the session, for whoever needs a second visitor."""
    return home.browser


@pytest.fixture(scope="session")
def static_url() -> Iterator[str]:
    """Address of the page with cards but without Gradio."""
    with static_page.serve() as url:
        yield url


@pytest.fixture
def page(home: Any) -> Iterator[Any]:
    """A fresh visitor's page; fails on page errors, console errors and requests to elsewhere."""
    page = home.new_page()
    faults: list[str] = []
    seen: set[str] = set()
    page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    page.on("console", lambda message: _is_quiet(message, faults))
    page.on("request", lambda request: _stays_here(request.url, faults))
    page.on("request", lambda request: seen.add("/".join(request.url.split("/")[:3])))
    yield page
    page.close()
    _forget(home, seen)
    assert faults == []


def _forget(home: Any, origins: set[str]) -> None:
    """Leave nothing of a visitor but what the browser itself keeps of scripts."""
    home.clear_cookies()
    home.clear_permissions()
    tools = home.new_cdp_session(home.pages[0])
    for origin in sorted(origins):
        tools.send(
            "Storage.clearDataForOrigin",
            {"origin": origin, "storageTypes": "local_storage,indexeddb,cache_storage"},
        )
    tools.detach()


def _is_quiet(message: Any, faults: list[str]) -> None:
    if message.type == "error":
        faults.append(f"console: {message.text}")


def _stays_here(url: str, faults: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        faults.append(f"request leaves this machine: {url}")


@pytest.fixture(scope="session")
def zoo_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as `make run` starts it, on the bundled experts."""
    with running_app(tmp_path_factory.mktemp("zoo") / "workspace") as app:
        yield app


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Llama-shaped models saved by transformers, with a text to score."""
    return build_llama_family(tmp_path_factory.mktemp("llama") / "family", train_steps=30)


@pytest.fixture(scope="session")
def nameless_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of which none says what it was tuned from."""
    folder = build_llama_family(tmp_path_factory.mktemp("models") / "nameless", seed=7)
    return forget_base(folder, "zeta")


@pytest.fixture(scope="session")
def llama_app(
    tmp_path_factory: pytest.TempPathFactory, llama_folder: Path, nameless_folder: Path
) -> Iterator[App]:
    """The app on folders of language models."""
    workspace = tmp_path_factory.mktemp("llama-app") / "workspace"
    with running_app(workspace, "--models", str(llama_folder), str(nameless_folder)) as app:
        yield app


@pytest.fixture
def zoo(page: Any, zoo_app: App) -> Desk:
    """A visitor who looks at the bundled experts."""
    return Desk(page, zoo_app.url).open()


@pytest.fixture
def llama(page: Any, llama_app: App) -> Desk:
    """A visitor who looks at language models."""
    return Desk(page, llama_app.url).open()
