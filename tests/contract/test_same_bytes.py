"""The bytes of a merge depend on the recipe and the models, and on nothing else."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from merger import flat_view, passes, pieces, ranking
from merger.checkpoint import MemoryCheckpoint
from merger.compute import prepare
from merger.flat import FlatInputs, SurveyCache, merge_flat
from merger.plan import plan
from merger.recipe import Depth, Expert, Recipe, Rule, Step
from merger.spec import METHODS
from merger.stack import stack_experts
from tests.contract.cases import models, run, variants
from tests.contract.laws import grid

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]
AFTER = [m.name for m in METHODS.values() if m.stage == "after"]
RULES = (
    Rule("layers.0.*", weights=(0.5, 0.25, 2.0)),
    Rule("embed.*", take="e1"),
    Rule("logit_scale", take="base"),
)
ROOT = Path(__file__).parents[2]


def recipe(name: str, n: int, params=None, **options) -> Recipe:
    experts = tuple(Expert(f"memory:e{i}", f"e{i}") for i in range(n))
    return Recipe(name, experts, "memory:base", params=params or {}, **options)


def checkpoints(n: int, mixed: bool = False):
    base, experts = models(n, seed=n)
    if mixed:
        # Values that float32 cannot take back exactly: theta - base + base differs from theta.
        generator = torch.Generator().manual_seed(5)
        for expert in experts:
            for key, value in expert.items():
                expert[key] = torch.randn(value.shape, generator=generator) ** 3
        words = [torch.bfloat16, torch.float16, torch.float64]
        for key, dtype in zip(sorted(base), words, strict=False):
            base[key] = base[key].to(dtype)
    named = [MemoryCheckpoint(e, f"e{i}") for i, e in enumerate(experts)]
    return MemoryCheckpoint(base, "base"), named


def in_blocks(planned, base, experts, size: int) -> dict[str, torch.Tensor]:
    prepared = prepare(planned, base, experts)
    parts: dict[str, list[torch.Tensor]] = {}
    for block in prepared.blocks(size):
        parts.setdefault(block.key, []).append(prepared.merge_block(block))
    return {key: torch.cat(found, -1) for key, found in parts.items()}


def digest(model: dict[str, torch.Tensor]) -> str:
    total = hashlib.sha256()
    for key in sorted(model):
        total.update(key.encode())
        total.update(model[key].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, n in grid() if name in MERGES])
def test_blocks_of_any_length_give_the_same_bytes(name, n):
    base, experts = checkpoints(n)
    planned = plan(recipe(name, n), base, experts)
    whole = digest(in_blocks(planned, base, experts, 10**9))
    for size in (1, 7, 13):
        assert digest(in_blocks(planned, base, experts, size)) == whole


def assert_flat_is_the_same(made: Recipe, base, experts) -> None:
    """Check that the live form gives what blocks give, byte by byte."""
    planned = plan(made, base, experts)
    names = [e.name for e in made.experts]
    stack = stack_experts(base, experts, names)
    flat = FlatInputs(stack, experts)
    saved = in_blocks(planned, base, experts, 11)
    cache = SurveyCache()
    for _ in range(2):
        live = merge_flat(planned, flat, cache)
        for slot in stack.slots:
            expected = saved[slot.key].to(torch.float32)
            found = live[..., slot.start : slot.stop]
            assert torch.equal(found.view(torch.int32), expected.view(torch.int32)), slot.key


@pytest.fixture
def small_pieces(monkeypatch):
    """Cut the models of the contract tests into many pieces."""
    monkeypatch.setattr(flat_view, "FLAT_BLOCK", 10)
    monkeypatch.setattr(pieces, "BLOCK", 16)
    monkeypatch.setattr(passes, "BLOCK", 16)


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("mixed", [False, True], ids=["exact", "mixed"])
def test_the_live_form_gives_the_bytes_of_the_saved_one(small_pieces, name, mixed):
    n = min(3, METHODS[name].experts[1] or 3)
    base, experts = checkpoints(n, mixed)
    for settings in variants(name, n):
        assert_flat_is_the_same(recipe(name, n, settings), base, experts)


@pytest.mark.parametrize("name", MERGES)
def test_the_live_form_follows_rules_depth_and_coefficients(small_pieces, name):
    base, experts = checkpoints(3, mixed=True)
    weights = (0.5, Depth((1.0, -0.5)), 2.0)
    assert_flat_is_the_same(recipe(name, 3, weights=weights, rules=RULES), base, experts)
    assert_flat_is_the_same(recipe(name, 3, weights=weights, seed=9), base, experts)


@pytest.mark.parametrize("name", [m for m in MERGES if METHODS[m].output != "per_task"])
@pytest.mark.parametrize("verb", AFTER)
def test_the_live_form_follows_verbs(small_pieces, name, verb):
    n = min(3, METHODS[name].experts[1] or 3)
    base, experts = checkpoints(n)
    for settings in variants(verb, n):
        made = recipe(name, n, after=(Step(verb, settings),))
        assert_flat_is_the_same(made, base, experts)


def test_switching_experts_off_and_on_is_the_same_with_a_warm_cache(small_pieces):
    base, experts = checkpoints(3)
    names = ["e0", "e1", "e2"]
    flat = FlatInputs(stack_experts(base, experts, names), experts)
    cache = SurveyCache()
    for name in ("ties", "dare_ties", "slerp", "model_stock", "task_arithmetic"):
        for active in ([0, 1, 2], [2, 0], [1, 2], [0, 1, 2]):
            made = Recipe(name, tuple(Expert(f"m:e{i}", f"e{i}") for i in active), "b")
            planned = plan(made, base, [experts[i] for i in active])
            warm = merge_flat(planned, flat, cache)
            assert torch.equal(warm, merge_flat(planned, flat, SurveyCache()))


def test_a_small_cache_forgets_and_stays_right(small_pieces):
    base, experts = checkpoints(3)
    flat = FlatInputs(stack_experts(base, experts, ["e0", "e1", "e2"]), experts)
    for name in ("ties", "dare_ties", "dare_linear"):
        planned = plan(recipe(name, 3), base, experts)
        tiny = merge_flat(planned, flat, SurveyCache(100))
        assert torch.equal(tiny, merge_flat(planned, flat, SurveyCache()))


def test_streamed_ranks_give_the_bytes_of_ranks_in_memory(monkeypatch, small_pieces):
    base, experts = checkpoints(3)
    for name in ("ties", "dare_ties"):
        for settings in ({}, {"trim": "tensor"}):
            planned = plan(recipe(name, 3, settings), base, experts)
            in_memory = digest(in_blocks(planned, base, experts, 11))
            monkeypatch.setattr(ranking, "IN_MEMORY", 0)
            assert digest(in_blocks(planned, base, experts, 11)) == in_memory
            monkeypatch.undo()


def larger(n: int = 6):
    generator = torch.Generator().manual_seed(1)
    shapes = {"layers.0.w": (150, 223), "layers.1.w": (37001,), "layers.1.b": (5,)}
    base = {k: torch.randn(s, generator=generator) for k, s in shapes.items()}
    experts = [
        {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in base.items()}
        for _ in range(n)
    ]
    return base, experts


def test_three_processes_with_other_hash_seeds_and_threads_agree():
    code = (
        "import sys, torch\n"
        "torch.set_num_threads(int(sys.argv[1]))\n"
        "from tests.contract.test_same_bytes import digest, larger\n"
        "from tests.contract.cases import run\n"
        "from merger.spec import METHODS\n"
        "base, experts = larger()\n"
        "for name in METHODS:\n"
        "    print(name, digest(run(name, experts, base, names=list('zyxwvu'))))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, threads],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
        )
        for seed, threads in (("0", "1"), ("1", "2"), ("77", "1"))
    ]  # fmt: skip
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(said[0].splitlines()) == len(METHODS)
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("name", list(METHODS))
def test_the_number_of_threads_of_torch_changes_nothing(name):
    base, experts = larger()
    before = torch.get_num_threads()
    found = set()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.add(digest(run(name, experts, base)))
    torch.set_num_threads(before)
    assert len(found) == 1


def test_the_order_of_tensors_in_a_mapping_changes_nothing():
    base, experts = models(3)
    turned = [dict(reversed(list(m.items()))) for m in (base, *experts)]
    for name in MERGES:
        n = min(3, METHODS[name].experts[1] or 3)
        first = run(name, experts[:n], base)
        again = run(name, turned[1 : n + 1], turned[0])
        assert digest(first) == digest(again)
