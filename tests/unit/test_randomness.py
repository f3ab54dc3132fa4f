"""Draws: exact Philox, any part alone, nothing but names and seed decides."""

import numpy as np
import pytest

from merger.randomness import key_of, uniforms

MASK = (1 << 64) - 1


def philox(counter: int, key: int, stream: int) -> list[int]:
    """Philox 4x64-10 as Salmon et al. (2011) describe it, in plain integers."""
    c, k = [counter, 0, 0, 0], [key, stream]
    for _ in range(10):
        p, q = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(q >> 64) ^ c[1] ^ k[0], q & MASK, (p >> 64) ^ c[3] ^ k[1], p & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return c


def test_every_draw_is_the_generator_at_its_own_counter():
    key = key_of(3, "digits", "layers.0.weight")
    found = uniforms(key, 0, 80)
    for i in (0, 1, 7, 8, 15, 16, 31, 32, 69, 79):
        upper = philox(i // 32 + 1, key, 0)[i % 32 // 8] >> (8 * (i % 8)) & 0xFF
        lower = philox(i // 16 + 1, key, 1)[i % 16 // 4] >> (16 * (i % 4)) & 0xFFFF
        assert found[i] == np.float32((upper * 2**16 + lower) / 2**24)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (1, 2), (7, 9), (8, 33), (13, 91), (31, 32), (99, 100)]
)
def test_any_part_can_be_drawn_alone(start, stop):
    whole = uniforms(42, 0, 100)
    assert np.array_equal(uniforms(42, start, stop), whole[start:stop])


def test_an_empty_part_is_empty():
    assert uniforms(1, 5, 5).shape == (0,)


def test_parts_far_out_can_be_drawn():
    far = 5_000_000_000
    assert np.array_equal(uniforms(9, far, far + 20)[5:], uniforms(9, far + 5, far + 20))


def test_draws_are_uniform_in_the_half_open_interval():
    found = uniforms(key_of(0, "a", "w"), 0, 200_000).astype(np.float64)
    assert found.min() >= 0 and found.max() < 1
    counts = np.histogram(found, 64, (0, 1))[0]
    # Chi-square with 63 degrees of freedom: above 130 once in a million.
    assert ((counts - 3125) ** 2 / 3125).sum() < 130
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.015


def test_keys_depend_on_seed_expert_tensor_and_salt_alone():
    keys = {
        key_of(0, "a", "w"), key_of(1, "a", "w"), key_of(0, "b", "w"), key_of(0, "a", "v"),
        key_of(0, "aw", ""), key_of(0, "", "aw"), key_of(0, "a", "w", "before 0 drop"),
        key_of(0, 'a","w', ""), key_of(0, "ä", "w"),
    }  # fmt: skip
    assert len(keys) == 9
    assert key_of(7, "digits", "w") == key_of(7, "digits", "w")


def test_a_known_key_stays_what_it_was():
    # A saved recipe must give the same merge in every later version.
    assert key_of(0, "expert", "layers.0.weight") == KNOWN_KEY
    assert uniforms(KNOWN_KEY, 0, 3).tolist() == KNOWN_DRAWS


KNOWN_KEY = 4838886573274539056
KNOWN_DRAWS = [0.5424706339836121, 0.1374683380126953, 0.9133442044258118]
