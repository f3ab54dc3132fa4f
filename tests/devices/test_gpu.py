"""Merges on a real GPU; where there is none, `tests/devices/far.py` is all that is tested."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.devices.device import Staged
from merger.devices.draws import uniforms_on
from merger.devices.drivers import Driver, open_driver
from merger.devices.names import pick_device
from merger.devices.philox import compiled_words
from merger.engine import merge
from merger.randomness import uniforms
from merger.spec import METHODS
from tests.contract.cases import variants
from tests.contract.test_same_bytes import larger
from tests.devices.merging import experts_of, merged, plan_of, same_bits
from tests.engine.folders import contents, family, read

ROOT = Path(__file__).parents[2]
HAS_CUDA = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)
HAS_MPS = pytest.mark.skipif(
    not torch.backends.mps.is_available(), reason="this machine has no Apple GPU"
)
GPUS = [
    pytest.param("cuda", marks=[pytest.mark.gpu, HAS_CUDA]),
    pytest.param("mps", marks=[pytest.mark.gpu, HAS_MPS]),
]
CLOSE = 1e-4
# Where the last bit of a sum or a logarithm decides whether an entry is kept, it may be decided
# otherwise for so many.
ON_THE_EDGE = 1e-3
SMALL_BLOCKS = 13_000_000


def driver_of(name: str) -> Driver:
    """Return the driver of a GPU."""
    driver = open_driver(name).driver
    assert driver is not None
    return driver


def assert_near(found, expected) -> None:
    """Check that tensors are equal within a tolerance, but for entries on an edge."""
    for key, values in expected.items():
        a, b = found[key].float(), values.float()
        far = (a - b).abs() > CLOSE * (1.0 + b.abs())
        assert int(far.sum()) <= max(3, ON_THE_EDGE * far.numel()), key


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_gives_nearly_what_the_processor_gives(name: str, gpu: str) -> None:
    n = experts_of(name)
    first, others = larger(n)
    base = MemoryCheckpoint(first, "base")
    experts = [MemoryCheckpoint(tensors, f"e{i}") for i, tensors in enumerate(others)]
    driver = driver_of(gpu)
    short = {"steps": 3} if any(p.name == "steps" for p in METHODS[name].params) else {}
    for settings in variants(name, n):
        planned = plan_of(name, base, experts, short | settings)
        device = Staged(driver, driver.free_bytes() // 2, 3)
        found = merged(planned, base, experts, device, size=20_000, threads=3)
        assert device.notice() is None
        assert_near(found, merged(planned, base, experts, size=20_000))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("name", ["task_arithmetic", "ties", "dare_ties", "emr"])
def test_lanes_beside_each_other_give_the_bits_of_one(name: str, gpu: str) -> None:
    first, others = larger(3)
    base = MemoryCheckpoint(first, "base")
    experts = [MemoryCheckpoint(tensors, f"e{i}") for i, tensors in enumerate(others)]
    planned, driver = plan_of(name, base, experts), driver_of(gpu)
    one = merged(planned, base, experts, Staged(driver, 1 << 30, 1), size=3000)
    for _ in range(3):
        many = Staged(driver, 1 << 30, 3, slots=2, slot_bytes=4096)
        assert same_bits(merged(planned, base, experts, many, size=3000, threads=6), one)


@pytest.mark.parametrize("gpu", GPUS)
def test_draws_are_bit_for_bit_those_of_main_memory(gpu: str) -> None:
    keys = (7, 0, (1 << 64) - 3)
    for start, stop in ((0, 1), (5, 5), (33, 50), (1000, 40_000_000), (1 << 40, (1 << 40) + 77)):
        found = uniforms_on(driver_of(gpu).device, keys, start, stop).cpu().numpy()
        for key, row in zip(keys, found, strict=True):
            assert np.array_equal(row, uniforms(key, start, stop))
    assert gpu != "cuda" or compiled_words(driver_of(gpu).device) is not None


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("method", ["linear", "ties", "dare_ties", "tsv_m"])
def test_a_merge_made_again_has_the_same_bytes(tmp_path: Path, gpu: str, method: str) -> None:
    recipe = replace(family(tmp_path / "in", dtype=torch.bfloat16), method=method)
    outs = [merge(recipe, tmp_path / f"{i}" / "out", device=gpu) for i in range(2)]
    assert contents(outs[0]) == contents(outs[1])
    assert_near(read(outs[0]), read(merge(recipe, tmp_path / "near", device="cpu")))
    assert f"computed on {gpu}" in (outs[0] / "README.md").read_text()


@pytest.mark.parametrize("gpu", GPUS)
def test_what_finds_no_memory_is_merged_by_the_processor(tmp_path: Path, gpu: str) -> None:
    first, others = larger(3)
    base = MemoryCheckpoint(first, "base")
    experts = [MemoryCheckpoint(tensors, f"e{i}") for i, tensors in enumerate(others)]
    planned, driver = plan_of("ties", base, experts), driver_of(gpu)
    recipe = replace(family(tmp_path / "in"), method="ties")
    # The merge is told of plenty, and torch gives it next to nothing.
    device = Staged(driver, 1 << 40, 3)
    told: list[str] = []
    room = torch.cuda if gpu == "cuda" else torch.mps
    driver.tidy()
    room.set_per_process_memory_fraction(1e-5)
    try:
        found = merged(planned, base, experts, device, size=3000, threads=3)
        out = merge(recipe, tmp_path / "far", device=gpu, tell=told.append)
    finally:
        room.set_per_process_memory_fraction(1.0)
    assert "is short of memory" in (device.notice() or "")
    assert_near(found, merged(planned, base, experts, size=3000))
    assert len(told) == 1 and "computed on the processor" in told[0]
    assert_near(read(out), read(merge(recipe, tmp_path / "near", device="cpu")))


SCRIPT = """
import os, signal, sys
from pathlib import Path
from merger.engine import merge
from merger.recipe import Recipe
recipe, out, device, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
def report(progress):
    if progress.unit == "bytes" and progress.done >= kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
merge(Recipe.load(recipe), out, device=device, memory=13_000_000, resume=True, report=report)
"""


@pytest.mark.parametrize("gpu", GPUS)
def test_a_killed_merge_goes_on_with_the_same_bytes(tmp_path: Path, gpu: str) -> None:
    recipe = replace(family(tmp_path / "in"), method="dare_ties")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    whole = merge(recipe, tmp_path / "whole" / "out", device=gpu, memory=SMALL_BLOCKS)
    out = tmp_path / "killed" / "out"
    for kill_at, code in ((1_000_000, -9), (10**12, 0)):
        words = [str(path), str(out), gpu, str(kill_at)]
        done = subprocess.run([sys.executable, "-c", SCRIPT, *words], cwd=ROOT, env=os.environ)
        assert done.returncode == code
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("gpu", GPUS)
def test_a_device_is_found_by_its_name_or_by_itself(gpu: str) -> None:
    assert pick_device(gpu) == gpu
    assert pick_device("auto") in ("cuda", "mps")
    if gpu == "cuda":
        assert pick_device("cuda:0") == "cuda:0"
        assert driver_of("cuda:0").kind == driver_of("cuda").kind
