"""The faster forms give the bytes of the plain ones, for every method that has one."""

import math
from types import ModuleType

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.compute import Block, Prepared, prepare
from merger.errors import FeedError, MergeError
from merger.kernels import (
    choice,
    combine,
    combining,
    dropping,
    form_table,
    forms,
    lots,
)
from merger.passes import SurveyCache
from merger.plan import plan
from merger.recipe import Expert, Recipe
from merger.spec import METHODS
from tests.contract.cases import variants

FASTER = [m.name for m in METHODS.values() if m.linear is not None or m.name in forms.FORMS]
DTYPES = (torch.bfloat16, torch.float32)
SHAPES = {"layers.0.a.weight": (33, 7), "layers.1.b.weight": (5,), "empty": (0, 3), "one": ()}


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    """Let small tensors take several parts."""
    monkeypatch.setattr(choice, "PART", 40)
    monkeypatch.setattr(combine, "PART", 64)
    monkeypatch.setattr(combining, "PART", 64)
    monkeypatch.setattr(dropping, "PART", 64)
    monkeypatch.setattr(lots, "CHUNKS", 1)
    # The longest row of these models is short.
    monkeypatch.setattr(form_table, "SHORTEST_ROW", 5)


def models(n: int, dtype: torch.dtype) -> list[MemoryCheckpoint]:
    """Return a base and experts whose numbers are of several sizes, zeros of both signs too."""
    draw = torch.Generator().manual_seed(n)
    found = []
    for i in range(n + 1):
        tensors = {}
        for key, shape in SHAPES.items():
            values = torch.randn(shape, generator=draw) * 10.0 ** torch.randint(
                -6, 3, shape, generator=draw
            )
            values = torch.where(values.abs() < 1e-6, -0.0, values)
            tensors[key] = values.to(dtype)
        found.append(MemoryCheckpoint(tensors, f"m{i}"))
    return found


def merged(
    made: Recipe, checkpoints: list[MemoryCheckpoint], cache: SurveyCache | None = None
) -> dict[str, torch.Tensor]:
    base, *experts = checkpoints
    prepared = prepare(plan(made, base, experts), base, experts, cache=cache)
    found: dict[str, list[torch.Tensor]] = {}
    for block in prepared.blocks(100):
        whole = prepared.merge_block(block)
        assert bits(joined(block, prepared)) == bits(whole), (made, block)
        found.setdefault(block.key, []).append(whole)
    return {key: torch.cat(blocks) for key, blocks in found.items()}


def joined(block: Block, prepared: Prepared) -> torch.Tensor:
    """Return the parts of a block as a whole; where one comes again, the later one counts."""
    parts = {at: values.clone() for at, values in prepared.merge_parts(block)}
    ends = [at + values.shape[-1] for at, values in sorted(parts.items())]
    assert [block.start, *ends] == [*sorted(parts), block.stop]
    return torch.cat([values for _, values in sorted(parts.items())], -1)


def recipes(name: str, n: int, out: str) -> list[Recipe]:
    experts = tuple(Expert(f"m:{i}", f"e{i}") for i in range(n))
    weights = tuple(0.3 + 0.17 * i for i in range(n))
    return [
        Recipe(name, experts, "m:base", weights=given, params=params, out_dtype=out)
        for params in variants(name, n)
        for given in (None, weights)
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FASTER)
def test_a_faster_form_gives_the_same_bytes(name, dtype, monkeypatch):
    low, high = METHODS[name].experts
    place = (forms.Forms, "merge") if name in forms.FORMS else (combine, "combine")
    used = counted(*place, monkeypatch)
    for n in sorted({max(low, min(n, high or n)) for n in (1, 2, 4, 5)}):
        checkpoints = models(n, dtype)
        for made in [m for out in ("bfloat16", "float32") for m in recipes(name, n, out)]:
            plain = merged(made, checkpoints)
            with monkeypatch.context() as patched:
                patched.setattr(choice, "SMALLEST", 0)
                fast = merged(made, checkpoints)
            for key, values in plain.items():
                assert fast[key].dtype == values.dtype
                assert bits(fast[key]) == bits(values), (made, key)
    assert used


def counted(module: ModuleType | type, name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every call of a function."""
    calls, real = [], getattr(module, name)

    def call(*given: object) -> object:
        calls.append(1)
        return real(*given)

    monkeypatch.setattr(module, name, call)
    return calls


def bits(values: torch.Tensor) -> bytes:
    return values.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("name", ["linear", "task_arithmetic"])
def test_what_is_not_finite_is_refused_in_the_words_of_the_plain_form(name, monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    checkpoints = models(2, torch.float32)
    (broken,) = recipes(name, 2, "float32")[:1]
    tensors = {key: checkpoints[1].read(key).reshape(shape) for key, shape in SHAPES.items()}
    tensors["one"] = torch.tensor(math.nan)
    with pytest.raises(FeedError, match="m1: one holds NaN or infinity"):
        merged(broken, [checkpoints[0], MemoryCheckpoint(tensors, "m1"), checkpoints[2]])
    tensors["one"] = torch.tensor(3e38)
    large = [checkpoints[0], *(MemoryCheckpoint(tensors, f"m{i}") for i in (1, 2))]
    with pytest.raises(MergeError, match="1 value overflows float32"):
        merged(Recipe(name, broken.experts, "m:base", weights=(3.0, 3.0),
                      params={"normalize": False}), large)  # fmt: skip


@pytest.mark.parametrize("name", FASTER)
def test_what_is_not_finite_is_refused_wherever_it_lies(name, monkeypatch):
    low, high = METHODS[name].experts
    key = "layers.0.a.weight"
    for n in sorted({max(low, min(n, high or n)) for n in (2, 5)}):
        for broken in (1, 0) if name in forms.FORMS else (1,):
            checkpoints = models(n, torch.bfloat16)
            whole = {k: checkpoints[broken].read(k).reshape(shape) for k, shape in SHAPES.items()}
            for place, bad in ((0, -math.inf), (7 * 15 + 3, math.nan), (7 * 33 - 1, -math.nan)):
                values = whole[key].clone()
                values.view(-1)[place] = bad
                checkpoints[broken] = MemoryCheckpoint({**whole, key: values}, "broken")
                for made in recipes(name, n, "bfloat16"):
                    for smallest in (choice.SMALLEST, 0):
                        with monkeypatch.context() as patched:
                            patched.setattr(choice, "SMALLEST", smallest)
                            with pytest.raises(FeedError, match="broken: .* holds NaN or inf"):
                                merged(made, checkpoints)


@pytest.mark.parametrize("name", ["linear", "task_arithmetic"])
def test_parts_come_until_a_number_is_not_finite(name, monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    base, *experts = models(2, torch.float32)
    tensors = {key: experts[0].read(key).reshape(shape) for key, shape in SHAPES.items()}
    tensors["layers.0.a.weight"].view(-1)[170] = math.inf
    experts[0] = MemoryCheckpoint(tensors, "m1")
    made = recipes(name, 2, "float32")[0]
    prepared = prepare(plan(made, base, experts), base, experts)
    starts = []
    with pytest.raises(FeedError, match="m1: .* holds NaN or infinity"):
        starts.extend(at for at, _ in prepared.merge_parts(Block("layers.0.a.weight", 7, 231)))
    assert starts == [7, 47, 87, 127]


def test_dtypes_that_loops_do_not_know_take_the_plain_form(monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    made = recipes("linear", 2, "float16")[0]
    found = merged(made, models(2, torch.float16))
    assert found["layers.1.b.weight"].dtype == torch.float16


@pytest.mark.parametrize("name", FASTER)
def test_what_other_settings_had_measured_changes_no_byte(name, monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    n = max(METHODS[name].experts[0], 2)
    checkpoints, cache = models(n, torch.bfloat16), SurveyCache()
    for made in recipes(name, n, "bfloat16"):
        fresh, again = merged(made, checkpoints), merged(made, checkpoints, cache)
        assert {k: bits(v) for k, v in again.items()} == {k: bits(v) for k, v in fresh.items()}
