"""A tiny model family, and the command line called in this process."""

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from merger.cli import main
from tests.builders import build_llama_family


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output, which must be nothing but JSON."""
        return json.loads(self.out)


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs one command, with text or bytes as its input."""

    def call(*words: object, given: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), "utf-8"))
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture(scope="session", autouse=True)
def no_answers_of_yesterday(tmp_path_factory):
    """Keep what commands remember out of the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    """A Llama-shaped base and three experts."""
    return build_llama_family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def recipe(family, tmp_path):
    """Return a function that writes a recipe over the family and gives its path."""

    def write(text: str = "", method: str = "task_arithmetic", experts: str | None = None):
        names = experts or ", ".join(f"file:{family}/{n}" for n in ("alpha", "beta", "gamma"))
        path = tmp_path / "recipe.yaml"
        head = f"method: {method}\nbase: file:{family}/base\nexperts: [{names}]\n"
        path.write_text(head + text)
        return path

    return write
