"""The order of all tests, and how two runs beside each other share them (`make test`)."""

from pathlib import Path

import pytest

SHARED_APPS = {"zoo_app", "llama_app"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `tests/halves.py` say which half this run is, and where files are claimed."""
    parser.addoption("--half", choices=("browser", "rest"), help="which end to begin from")
    parser.addoption("--claims", type=Path, help="folder in which halves say what they took")


def pytest_configure(config: pytest.Config) -> None:
    """Share the work where another half runs."""
    if config.getoption("--claims"):
        config.pluginmanager.register(Claims(config.getoption("--claims")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark browser tests, and run them last: Playwright keeps an event loop in this thread."""
    stories = [item for item in items if "/e2e/" in item.path.as_posix()]
    for item in stories:
        item.add_marker(pytest.mark.e2e)
    told = set(stories)
    rest = [item for item in items if item not in told]
    half = config.getoption("--half")
    if half is None:
        items[:] = rest + stories
    elif half == "browser":
        items[:] = _files_by_app(stories)
        config.hook.pytest_deselected(items=rest)
    else:
        items[:] = rest + _files_by_app(stories, backwards=True)


def _files_by_app(stories: list[pytest.Item], backwards: bool = False) -> list[pytest.Item]:
    """Put files that need the apps of the session first: the other half may never start them."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in stories:
        files.setdefault(item.path, []).append(item)
    shared = {
        path
        for path, found in files.items()
        if any(SHARED_APPS & set(getattr(item, "fixturenames", ())) for item in found)
    }
    order = sorted(files, key=lambda path: (path not in shared, path), reverse=backwards)
    return [item for path in order for item in files[path]]


class Claims:
    """Leaves a file of tests to the half that comes to it first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mine: dict[Path, bool] = {}

    def is_mine(self, path: Path) -> bool:
        """Return whether this half runs a file; the first to ask gets it."""
        if path not in self.mine:
            try:
                (self.folder / "-".join(path.parts[1:])).touch(exist_ok=False)
            except FileExistsError:
                self.mine[path] = False
            else:
                self.mine[path] = True
        return self.mine[path]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Pass over tests that the other half runs."""
        return None if self.is_mine(item.path) else True
