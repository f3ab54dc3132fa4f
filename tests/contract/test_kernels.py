"""The faster forms give the bytes of the plain ones, for every method that has one."""

import math
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch

from merger import order, products, sums
from merger.checkpoint import MemoryCheckpoint
from merger.compute import Block, Prepared, prepare
from merger.errors import FeedError, MergeError
from merger.kernels import bits as bits_room
from merger.kernels import (
    choice,
    combine,
    combining,
    draws,
    dropping,
    form_table,
    forms,
    gram,
    lots,
    marked,
    philox,
    rules,
    squares,
)
from merger.kernels.flags import HELD_FLAGS
from merger.kernels.loop import loop
from merger.kernels.rooms import Rooms
from merger.passes import SurveyCache
from merger.plan import plan
from merger.randomness import MULTIPLY, uniforms
from merger.recipe import Expert, Recipe
from merger.spec import METHODS
from merger.sums import CHUNK, sum_of_squares
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


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, 5000), (31, 3), (4095, 2049), (70, 997)]
)
def test_flags_are_what_draws_below_a_chance_say(start, length):
    expected, found = uniforms(7, start, start + length), np.empty(length, np.uint8)
    halves = np.float32(2.0**-24) * np.array([0, 1, 2**16, 2**16 + 1, 2**23 + 5, 2**24])
    for density in np.float32([*halves, 0.2, 0.37]):
        draws.even_flags(np.uint64(7), int(np.ceil(density * 2.0**24)), start, found)
        assert np.array_equal(found, expected < density)
    # Chances beside the draws themselves, where the last bit decides.
    chances = np.clip(np.nextafter(expected, np.float32(np.arange(length) % 2)), 0, 1)
    for some in (
        chances.astype(np.float32),
        expected,
        np.linspace(0, 1, length, dtype=np.float32),
    ):
        draws.chance_flags(np.uint64(7), some, start, found)
        assert np.array_equal(found, expected < some)


whole, in_parts = philox._product(philox._whole), philox._product(philox._in_parts)


@loop
def each_product(left, right, found):
    for i in range(len(found)):
        found[i, 0], found[i, 1] = whole(left[i], right[i])
        found[i, 2], found[i, 3] = in_parts(left[i], right[i])


def test_products_are_whole_whatever_they_are_made_of():
    edges = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, *MULTIPLY]
    pairs = [(a, b) for a in edges for b in edges]
    found = np.empty((len(pairs), 4), np.uint64)
    each_product(*np.array(pairs, np.uint64).T.copy(), found)
    for (a, b), both in zip(pairs, found.tolist(), strict=True):
        assert both == [a * b >> 64, a * b & (2**64 - 1)] * 2


@loop
def each_kept(changes, weights, flags, first, second, found):
    for k in range(len(found)):
        for i in range(len(changes)):
            flag, number = rules.flag_at(flags, k, i), rules.number_at(first, k)
            weight, other = rules.number_at(weights, k), rules.number_at(second, k)
            found[k, i] = rules.kept(changes[i], weight, flag, number, other)


@pytest.mark.parametrize(
    "kind", ["all", "sizes", "bands", "flags", "flags and factors", "flags and divisors"]
)
def test_loops_keep_what_a_rule_says(kind):
    changes = np.float32([-3.0, -1.5, -0.0, 0.5, 1.0, 1.5, 2.0, 7.0])
    weights, numbers = tuple(np.float32([1.0, 0.3])), tuple(np.float32([1.0, 0.7]))
    flags = np.uint8([2, 1, 1, 2, 3, 2, 0, 1])
    rule = {
        "all": (None, None, None),
        "sizes": (None, tuple(np.float32([1.0, math.nan])), None),
        "bands": (None, numbers, tuple(np.float32([2.0, math.nan]))),
        "flags": (flags, None, None),
        "flags and factors": (flags, None, numbers),
        "flags and divisors": (flags, numbers, weights),
    }[kind]
    compiled, plain = np.empty((2, 2, 8), np.float32)
    for times in (None, weights):
        each_kept(changes, times, *rule, compiled)
        each_kept.py_func(changes, times, *rule, plain)
        assert (compiled == plain).all()
    by_hand = {
        "all": changes.tolist(),
        "sizes": [-3, -1.5, 0, 0, 1, 1.5, 2, 7],
        "bands": [0, -1.5, 0, 0, 1, 1.5, 0, 0],
        "flags": [0, -1.5, 0, 0, 1, 0, 0, 7],
        "flags and factors": [0, -1.5, 0, 0, 1, 0, 0, 7],
        "flags and divisors": [0, -1.5, 0, 0, 1, 0, 0, 7],
    }
    assert compiled[0].tolist() == by_hand[kind]


def test_dtypes_that_loops_do_not_know_take_the_plain_form(monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    made = recipes("linear", 2, "float16")[0]
    found = merged(made, models(2, torch.float16))
    assert found["layers.1.b.weight"].dtype == torch.float16


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_inner_products_are_those_of_the_plain_form(dtype, n):
    draw = torch.Generator().manual_seed(0)
    for length in (1, 127, 128, 513, 2000, CHUNK + 600, gram.PART + 2 * CHUNK + 1):
        base, *rows = (torch.randn(length, generator=draw).to(dtype) for _ in range(n + 1))
        for origin in (None, base):
            stack = torch.stack([r.float() if origin is None else r.float() - origin.float()
                                 for r in rows])  # fmt: skip
            plain, fast = np.ones((2, n, n))
            products.add_products(plain, stack.numpy())
            stored_base = None if origin is None else choice.stored(origin)
            assert gram.add_products(fast, [choice.stored(r) for r in rows], stored_base)
            assert fast.tobytes() == plain.tobytes()
            exact = 1.0 + stack.double() @ stack.double().T
            np.testing.assert_allclose(plain, exact.numpy(), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [2, 4, 5])
def test_inner_products_of_what_is_not_finite_are_left_to_the_plain_form(n, wrong):
    rows = [np.ones(CHUNK + 9, np.float32) for _ in range(n)]
    rows[-1][-1] = wrong
    found = np.ones((n, n))
    assert not gram.add_products(found, rows, None)
    assert not gram.add_products(found, [rows[0]] * n, rows[-1])
    assert (found == 1.0).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [1, 3, 4, 5])
def test_sums_of_squares_are_those_of_the_plain_form(dtype, n):
    draw = torch.Generator().manual_seed(0)
    for length in (1, 129, 2000, CHUNK + 600, squares.CHUNKS * CHUNK + CHUNK + 1):
        base, *rows = (torch.randn(length, generator=draw).to(dtype) for _ in range(n + 1))
        flags = torch.rand(length, generator=draw) < 0.5
        stored = [choice.stored(row) for row in rows], choice.stored(base)
        for weights in ([1.0] * n, [0.3, *[1.0] * (n - 1)]):
            pairs = zip(rows, weights, strict=True)
            changes = [(row.float() - base.float()) * weight for row, weight in pairs]
            found = squares.sums_of_squares(*stored, weights)
            assert found == [sum_of_squares(change) for change in changes]
            at = partial(lambda kept, a, b: kept[a:b], flags.numpy().view(np.uint8))
            found = squares.sums_of_squares(*stored, weights, at)
            assert found == [sum_of_squares(change * flags) for change in changes]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers_are_widened_and_rounded_as_torch_does(dtype):
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(200, generator=draw) * 10.0 ** torch.randint(
        -40, 38, (200,), generator=draw
    )
    values[:3] = torch.tensor([1.0 + 2**-8, 1.0 + 3 * 2**-8, -0.0])
    rounded = values.to(dtype)
    like = choice.stored(rounded)
    found = [bits_room.narrow(value, like[0]) for value in values.numpy()]
    assert np.array(found, like.dtype).tobytes() == like.tobytes()
    again = np.array([bits_room.widen(value) for value in like], np.float32)
    assert again.tobytes() == rounded.float().numpy().tobytes()


@pytest.mark.parametrize("columns", [None, 97])
def test_lots_of_a_long_tensor_are_remembered_as_they_were_drawn(columns, monkeypatch):
    length, weight, density = 97 * 1031, 0.7, 0.3
    draw = torch.Generator().manual_seed(1)
    base = torch.randn(length, generator=draw)
    expert = base + torch.randn(length, generator=draw)
    change = (expert - base) * weight
    if columns is None:
        drawn, chances = lots.EvenLots([5], [density]), torch.tensor(density)
    else:
        table = torch.linspace(0.5, 0.1, columns)
        drawn = lots.RankedLots([5], [table.numpy()])
        ranks = order.ranks_of(expert.unsqueeze(0) - base, columns)[0].long()
        chances = table[ranks]
    expected = torch.from_numpy(uniforms(5, 0, length)) < chances
    for most in (lots.HELD_FLAGS, 0):
        monkeypatch.setattr(lots, "HELD_FLAGS", most)
        known = lots.KnownLots(drawn, [expert.numpy()], base.numpy(), [weight])
        assert known.factors == [sums.l1(change) / sums.l1(change * expected)]
        for start, stop in ((0, length), (97 * 8, 97 * 500), (0, 97)):
            part = slice(start, stop)
            flags = known.flags(0, expert.numpy()[part], base.numpy()[part], start)
            assert np.array_equal(flags, expected.numpy()[part])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [1, 2, 4])
def test_lots_that_share_a_byte_are_those_of_each_expert(n, dtype, monkeypatch):
    keys, densities = [5, 6, 7, 8][:n], [0.3, 0.25, 1.0, 0.0][:n]
    drawn, draw = lots.EvenLots(keys, densities), torch.Generator().manual_seed(1)
    for length in (1, 600, CHUNK + 700, marked.PART + 2 * CHUNK + 1):
        base, *rows = (torch.randn(length, generator=draw).to(dtype) for _ in range(n + 1))
        models = [choice.stored(row) for row in rows], choice.stored(base)
        for weights in ([1.0] * n, [0.7, *[1.0] * (n - 1)]):
            for most in (HELD_FLAGS, 0):
                monkeypatch.setattr(marked, "HELD_FLAGS", most)
                found = marked.MarkedLots(drawn, *models, weights, Rooms())
                assert found.nbytes == (length if most else 0)
                expected = lots.KnownLots(drawn, *models, weights)
                assert found.factors == expected.factors
                for part in (slice(0, length), slice(length // 2, length // 2 + 3)):
                    few = [row[part] for row in models[0]], models[1][part], part.start
                    assert np.array_equal(found.marks(*few), expected.marks(*few))
                    for i in range(n):
                        one = few[0][i], *few[1:]
                        assert np.array_equal(found.flags(i, *one), expected.flags(i, *one))


@pytest.mark.parametrize("most", [lots.HELD_FLAGS, 0])
def test_marks_of_some_experts_are_the_flags_of_each(most, monkeypatch):
    monkeypatch.setattr(lots, "HELD_FLAGS", most)
    experts, base = np.ones((8, 1000), np.float32), np.zeros(1000, np.float32)
    drawn = lots.EvenLots(range(8), np.linspace(0, 1, 8))
    held = lots.HeldLots(drawn, list(experts), base)
    for start, stop in ((0, 1000), (8, 9), (13, 999), (990, 1000)):
        part = slice(start, stop)
        expected = np.stack([uniforms(i, start, stop) < np.float32(i / 7) for i in range(8)])
        for one in (drawn, held):
            marks = one.marks(list(experts[:, part]), base[part], start)
            bits_of_each = marks >> np.arange(8, dtype=np.uint8)[:, None] & 1
            assert np.array_equal(bits_of_each, expected)


@pytest.mark.parametrize("name", FASTER)
def test_what_other_settings_had_measured_changes_no_byte(name, monkeypatch):
    monkeypatch.setattr(choice, "SMALLEST", 0)
    n = max(METHODS[name].experts[0], 2)
    checkpoints, cache = models(n, torch.bfloat16), SurveyCache()
    for made in recipes(name, n, "bfloat16"):
        fresh, again = merged(made, checkpoints), merged(made, checkpoints, cache)
        assert {k: bits(v) for k, v in again.items()} == {k: bits(v) for k, v in fresh.items()}
