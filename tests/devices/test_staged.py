"""What is merged on a device is what the processor merges, bit for bit where it computes so too.

"cpu" stages and computes on the processor. "far" is a device of its own, whose tensors go with
no tensor of main memory; "far late" copies as late as it may, as CUDA does, and "far single" knows
no double precision, as Apple's GPUs.
"""

from pathlib import Path

import pytest
import torch

from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import MemoryCheckpoint
from merger.devices import double
from merger.errors import FeedError, MergeError
from merger.models import open_models
from merger.plan import plan
from merger.recipe import Depth, Expert, Recipe, Rule
from merger.spec import METHODS
from merger.tokenizer_choice import build_tokenizer
from tests.adapters import factors, save_adapter
from tests.contract.cases import variants
from tests.contract.sketches import sketches
from tests.contract.test_same_bytes import RULES, checkpoints, recipe
from tests.devices.far import NAME, Rules
from tests.devices.merging import experts_of, merged, plan_of, same_bits, staged
from tests.vocabularies import save_speaker

KINDS = ("cpu", "far", "far late", "far single")
MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch) -> str:
    """Name a device, and make it as it is said to be."""
    monkeypatch.setattr(Rules, "is_late", request.param == "far late")
    if request.param == "far single":
        monkeypatch.setattr(Rules, "has_double", False)
        monkeypatch.setattr(double, "WITHOUT", frozenset({NAME}))
    return request.param.split()[0]


def assert_same(planned, base, experts, kind: str, **options) -> None:
    device = staged(kind)
    found = merged(planned, base, experts, device, **options)
    assert device.notice() is None
    assert same_bits(found, merged(planned, base, experts, **options))


@pytest.mark.parametrize("kind", ["cpu", "far", "far single"], indirect=True)
@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_gives_the_bits_of_the_processor(name: str, kind: str) -> None:
    n = experts_of(name)
    base, experts = checkpoints(n, mixed=True)
    Rules.peak = 0
    # Solvers that go on for hundreds of steps do the same things in each.
    short = {"steps": 3} if any(p.name == "steps" for p in METHODS[name].params) else {}
    for settings in variants(name, n):
        assert_same(plan_of(name, base, experts, short | settings), base, experts, kind, size=40)
    assert (Rules.peak > 0) == (kind == "far")


@pytest.mark.parametrize("kind", ["far late"], indirect=True)
@pytest.mark.parametrize("name", MERGES)
def test_rules_depth_and_coefficients_hold_there_as_well(name: str, kind: str) -> None:
    base, experts = checkpoints(3, mixed=True)
    made = recipe(name, 3, weights=(0.5, Depth((1.0, -0.5)), 2.0), rules=RULES, seed=9)
    assert_same(plan(made, base, experts), base, experts, kind)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_dtype_comes_back_as_it_is_written(dtype: str, kind: str) -> None:
    base, experts = checkpoints(3, mixed=True)
    made = recipe("ties", 3, out_dtype=dtype, rules=(Rule("embed.*", take="e1"),))
    assert_same(plan(made, base, experts), base, experts, kind)
    assert_same(plan(recipe("emr", 3, out_dtype=dtype), base, experts), base, experts, kind)


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "iso_c", "core_space", "slerp"])
def test_adapters_are_experts_there_as_well(tmp_path: Path, method: str, kind: str) -> None:
    base = MemoryCheckpoint(
        {"layers.0.q.weight": torch.randn(6, 4, generator=torch.Generator().manual_seed(1))},
        "base",
    )
    experts = []
    for i in range(2):
        folder = save_adapter(tmp_path / f"e{i}", {"layers.0.q": factors(10 * i, 6, 4, 1 + i)})
        experts.append(AdaptedCheckpoint(base, folder))
    assert_same(plan(recipe(method, 2), base, experts), base, experts, kind)


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_rows_of_other_vocabularies_are_moved_there_as_well(
    tmp_path: Path, method: str, kind: str
) -> None:
    save_speaker(tmp_path / "base")
    save_speaker(tmp_path / "one", words=("<unk>", "ab", "a", "b", "c", "d", "cd"), seed=1,
                 dtype="bfloat16")  # fmt: skip
    experts = tuple(Expert(f"file:{tmp_path}/{name}", name) for name in ("base", "one"))
    union = build_tokenizer({"source": "union"})
    models = open_models(Recipe(method, experts, f"file:{tmp_path}/base", tokenizer=union))
    assert_same(models.plan, models.base, models.experts, kind, size=50)


@pytest.mark.parametrize("kind", ["cpu", "far late"], indirect=True)
@pytest.mark.parametrize("name", ["sketch_rows", "sketch_spectral", "sketch_in_order"])
def test_rows_tensors_and_whole_models_are_merged_there(name: str, kind: str) -> None:
    base, experts = checkpoints(3)
    with sketches():
        assert_same(plan(recipe(name, 3), base, experts), base, experts, kind, threads=3)


@pytest.mark.parametrize("name", ["task_arithmetic", "ties", "dare_ties", "emr", "iso_c"])
def test_many_blocks_over_many_threads_share_a_few_buffers(name: str, kind: str) -> None:
    base, experts = checkpoints(3, mixed=True)
    planned = plan_of(name, base, experts)
    expected = merged(planned, base, experts)
    for _ in range(3):
        device = staged(kind, lanes=3)
        assert same_bits(merged(planned, base, experts, device, size=3, threads=8), expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_in_the_same_words(bad: float, kind: str) -> None:
    base, experts = checkpoints(2)
    wrong = {key: experts[1].read(key).reshape(info.shape) for key, info in base.tensors.items()}
    wrong["layers.0.w"] = torch.full((4, 6), bad)
    for method in ("task_arithmetic", "linear"):
        pair = [experts[0], MemoryCheckpoint(wrong, "e1")]
        with pytest.raises(FeedError, match=r"e1: layers\.0\.w holds NaN or infinity"):
            merged(plan(recipe(method, 2), base, pair), base, pair, staged(kind))


def test_large_numbers_are_not_taken_for_infinite_ones(kind: str) -> None:
    huge = {"w": torch.full((40,), 3e38)}
    base, expert = MemoryCheckpoint(huge, "base"), MemoryCheckpoint(huge, "e0")
    assert_same(plan(recipe("task_arithmetic", 1), base, [expert]), base, [expert], kind)


def test_a_result_that_overflows_is_refused_in_the_same_words(kind: str) -> None:
    base, experts = checkpoints(2)
    made = recipe("task_arithmetic", 2, {"scale": 1e38}, out_dtype="float16")
    with pytest.raises(MergeError, match="overflow"):
        merged(plan(made, base, experts), base, experts, staged(kind))
