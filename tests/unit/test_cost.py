"""What a merge is said to take follows what the engine holds and does; headers alone are read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from merger.cost import LOOP_BYTES, PROGRAM_BYTES, Cost
from merger.doctor import doctor
from merger.recipe import Expert, Recipe
from merger.spec import METHODS

WIDTH = 512
LAYERS = 12


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes of models whose weights are holes."""
    folder = tmp_path_factory.mktemp("models")
    for kind, width in (("large", 4 * WIDTH), ("small", WIDTH)):
        for number, name in enumerate(("base", "a", "b", "c", "d")):
            _save(folder / kind / name, width, number)
    return folder


def _save(folder: Path, width: int, number: int) -> None:
    folder.mkdir(parents=True)
    header, at = {}, 0
    for layer in range(LAYERS):
        size = 2 * width * width
        header[f"model.layers.{layer}.mlp.up_proj.weight"] = {
            "dtype": "BF16", "shape": [width, width], "data_offsets": [at, at + size],
        }  # fmt: skip
        at += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
        file.seek(8 + len(text) + 2 * number)
        file.write(b"\x01")
    (folder / "config.json").write_text('{"model_type": "llama"}')


def cost(models: Path, method: str, names: str = "abcd", kind: str = "large") -> Cost:
    experts = tuple(Expert(str(models / kind / name), name) for name in names)
    told = doctor(Recipe(method, experts, str(models / kind / "base")))
    assert told.is_well, told.verdict
    return Cost(told.parameters, told.peak_bytes, told.disk_bytes, told.seconds)


FIT = {m.name: m for m in METHODS.values() if m.stage == "merge"}


@pytest.mark.parametrize("method", sorted(FIT))
def test_every_method_is_given_a_cost(models, method):
    for names in ("abcd", "ab", "a"):
        experts = tuple(Expert(str(models / "small" / name), name) for name in names)
        told = doctor(Recipe(method, experts, str(models / "small" / "base")))
        if told.is_well:
            assert told.peak_bytes >= PROGRAM_BYTES and told.seconds > 0
            assert told.rough_seconds == told.seconds and "nothing was merged" in told.basis
            return
    assert method in ("analogy", "wudi", "passthrough"), told.verdict  # want another number


def test_blocks_of_compiled_loops_take_the_same_memory_whatever_the_model(models):
    small, large = cost(models, "ties", "abcd", "small"), cost(models, "ties")
    # 12 matrices of 512 x 512 are too little for compiled loops.
    assert large.peak_bytes - small.peak_bytes < 4 * LOOP_BYTES
    assert large.parameters == 16 * small.parameters and large.disk_bytes == 2 * large.parameters
    assert large.seconds > small.seconds


def test_methods_that_need_whole_matrices_take_them(models):
    matrix = 4 * (4 * WIDTH) ** 2
    assert cost(models, "iso_c").peak_bytes > PROGRAM_BYTES + 6 * matrix
    assert cost(models, "linear").peak_bytes < PROGRAM_BYTES + LOOP_BYTES + 6 * matrix


def test_more_experts_and_dearer_methods_take_longer(models):
    assert cost(models, "ties").seconds > cost(models, "ties", "ab").seconds
    assert cost(models, "della").seconds > cost(models, "linear").seconds
    assert cost(models, "iso_c").seconds > cost(models, "linear").seconds


def test_a_cost_needs_neither_torch_nor_compiled_loops(models):
    code = (
        "import sys; from merger.cli import main; main(['doctor', sys.argv[1], '--json'])\n"
        "large = {'torch', 'numba', 'transformers'} & set(sys.modules)\nassert not large, large"
    )
    for method in ("ties", "della", "iso_c"):
        recipe = models / f"{method}.yaml"
        experts = [str(models / "large" / name) for name in "abcd"]
        base = models / "large" / "base"
        recipe.write_text(f"method: {method}\nbase: {base}\nexperts: {json.dumps(experts)}\n")
        command = [sys.executable, "-c", code, str(recipe)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
