"""Single loops give what the plain form gives, or what is worked out by hand."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from merger import order, products, sums
from merger.kernels import bits as bits_room
from merger.kernels import choice, draws, gram, lots, marked, philox, rules, squares
from merger.kernels.flags import HELD_FLAGS
from merger.kernels.loop import loop
from merger.kernels.rooms import Rooms
from merger.randomness import MULTIPLY, uniforms
from merger.sums import CHUNK, sum_of_squares

DTYPES = (torch.bfloat16, torch.float32)


@pytest.fixture(autouse=True)
def short_lots(monkeypatch):
    """Let small tensors take several lots."""
    monkeypatch.setattr(lots, "CHUNKS", 1)


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
