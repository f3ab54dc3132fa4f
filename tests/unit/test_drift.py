"""Norms against the base: what a layer usually does, and which tensor does otherwise."""

import math
from pathlib import Path

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.drift import find_outliers, measure_drift, role_of

KEY = "model.layers.{}.mlp.up_proj.weight"


def layers(count: int, **changes: float) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    made = {KEY.format(i): torch.randn(4, 3, generator=draw) for i in range(count)}
    made["model.norm.weight"] = torch.ones(3)
    for layer, factor in changes.items():
        made[KEY.format(layer[1:])] *= factor
    return made


def test_ratios_are_lengths_by_layer() -> None:
    base = MemoryCheckpoint(
        {"layers.0.w": torch.tensor([3.0, 4.0]), "e": torch.tensor([2.0])}, "b"
    )
    made = MemoryCheckpoint({"layers.0.w": torch.tensor([6.0, 8.0]), "e": torch.tensor([1.0])})
    found = measure_drift(made, base)
    assert found.reference == "b"
    assert [(one.layer, one.ratio) for one in found.layers] == [(None, 0.5), (0, 2.0)]
    assert found.compared == 0 and not found.outliers


def test_a_layer_that_grew_otherwise_than_the_others_stands_out() -> None:
    base = MemoryCheckpoint(layers(8), "base")
    found = measure_drift(MemoryCheckpoint(layers(8, _5=1.5)), base)
    (one,) = found.outliers
    assert (one.key, found.compared) == (KEY.format(5), 8)
    assert one.ratio == pytest.approx(1.5) and one.usual == pytest.approx(1.0)
    # All others agree, so that the spread is the least one: one per cent.
    assert one.z == pytest.approx(math.log(1.5) / 0.01, rel=1e-5)
    grown = {key: 3.0 * value for key, value in layers(8).items()}
    assert not measure_drift(MemoryCheckpoint(grown), base).outliers, "all alike is no drift"


def test_z_is_measured_in_robust_standard_deviations() -> None:
    ratios = {KEY.format(i): math.exp(x) for i, x in enumerate([-0.2, -0.1, 0.0, 0.1, 0.2, 2.0])}
    (one,), judged = find_outliers(ratios)
    # Median 0.05, absolute deviations 0.05 0.05 0.15 0.15 0.25 1.95, their median 0.15.
    assert one.z == pytest.approx(1.95 / (0.15 / 0.6745)) and judged == 6
    assert find_outliers(dict(list(ratios.items())[2:])) == ((), 0), "four layers are too few"


def test_roles_are_names_without_the_layer() -> None:
    assert role_of(KEY.format(12)) == "model.layers.*.mlp.up_proj.weight"
    assert role_of("model.norm.weight") == "model.norm.weight"


def test_zeros_infinities_and_twins_are_found_unless_the_base_has_them() -> None:
    base = layers(3) | {"bias": torch.zeros(4), "a": torch.ones(2, 2), "b": torch.ones(2, 2)}
    made = {key: value.clone() for key, value in base.items()}
    made[KEY.format(0)].zero_()
    made[KEY.format(1)][2, 1] = math.inf
    found = measure_drift(MemoryCheckpoint(made), MemoryCheckpoint(base))
    assert found.zero == (KEY.format(0),) and found.broken == (KEY.format(1),)
    assert found.twins == ()
    made = base | {KEY.format(2): base[KEY.format(0)].clone()}
    found = measure_drift(MemoryCheckpoint(made), MemoryCheckpoint(base))
    assert found.twins == ((KEY.format(0), KEY.format(2)),)
    alone = measure_drift(MemoryCheckpoint(made), None)
    assert alone.twins == (("a", "b"), (KEY.format(0), KEY.format(2))) and alone.zero == ()
    assert alone.reference == "" and alone.layers == ()


def test_large_numbers_are_finite_although_their_squares_overflow(tmp_path: Path) -> None:
    made = MemoryCheckpoint({"w": torch.full((3, 3), 3e38)})
    assert measure_drift(made, None).broken == ()
