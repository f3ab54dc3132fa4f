"""A merge of models of the hub, through the command line of a process of its own."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from merger.cli.common import words_for_bytes
from merger.recipe import Recipe
from tests.engine.folders import read
from tests.hub import FakeHub, Repo, failing, serving

ROOT = Path(__file__).parents[2]
RECIPE = """
method: task_arithmetic
base: hub:org/base
experts: [hub:org/alpha, hub:org/beta]
"""


def merge(hub: FakeHub, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    return run(hub, folder, "merge", "--out", str(folder / "out"), *words, **more)


def run(
    hub: FakeHub, folder: Path, command: str, *words: str, **more: str
) -> subprocess.CompletedProcess:
    (folder / "recipe.yaml").write_text(RECIPE)
    names = ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_XET")
    plain = {name: text for name, text in os.environ.items() if name not in names}
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-m", "merger", command, str(folder / "recipe.yaml"), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env=plain | own | more,
    )  # fmt: skip


def is_weights(name: str) -> bool:
    return name.endswith(".safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_models_of_the_hub_are_fetched_with_the_user_s_token_and_then_merged(folder, family):
    with serving() as hub:
        for name in ("base", "alpha", "beta"):
            files = {p.name: p.read_bytes() for p in (family / name).iterdir() if p.is_file()}
            hub.repos[f"org/{name}"] = Repo(files | {"pytorch_model.bin": b"\x80"})
        look = run(hub, folder, "doctor")
        assert look.returncode == 0, look.stderr
        weights = [c for r in hub.repos.values() for n, c in r.files.items() if is_weights(n)]
        headers = sum(8 + struct.unpack("<Q", content[:8])[0] for content in weights)
        assert hub.sent_of_weights() == headers < sum(map(len, weights)) / 2
        assert f"to fetch:   {words_for_bytes(sum(map(len, weights)))} from the hub" in look.stdout
        hub.repos["org/beta"].gated = True
        refused = merge(hub, folder)
        assert refused.returncode == 1 and "org/beta is gated" in refused.stderr
        assert not (folder / "out").exists()
        # The hub stumbles once in the middle of a file.
        hub.fault = failing("org/beta/resolve", "cut", 1)
        done = merge(hub, folder, "--progress", HF_TOKEN="hf_owner")
        assert done.returncode == 0, done.stderr
        assert "/beta: model-" in done.stderr and "Traceback" not in done.stderr
        assert "pytorch_model.bin" not in hub.fetched()
        hub.asked.clear()
        again = merge(hub, folder, "--force", HF_HUB_OFFLINE="1")
        assert again.returncode == 0, again.stderr
        cached = run(hub, folder, "doctor", HF_HUB_OFFLINE="1")
        assert "to fetch:   nothing, the models of the hub are in the cache" in cached.stdout
        assert hub.asked == []
    local = RECIPE.replace("hub:org/", f"file:{family}/")
    from merger.engine import merge as merge_here

    near = read(merge_here(Recipe.from_yaml(local), folder / "near"))
    assert all((read(folder / "out")[key] == value).all() for key, value in near.items())
    assert "hf_owner" not in done.stdout + done.stderr
    assert not [
        path for path in folder.rglob("*") if path.is_file() and b"hf_owner" in path.read_bytes()
    ]
