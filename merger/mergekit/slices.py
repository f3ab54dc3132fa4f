"""Slices of a mergekit configuration: which layers of which models, and how they follow."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from merger.errors import RecipeError
from merger.layers import MAX_LAYERS
from merger.mergekit.document import (
    Input,
    Level,
    Slice,
    as_list,
    read_input,
    read_level,
)
from merger.mergekit.findings import Findings
from merger.mergekit.models import Model, read_model
from merger.recipe_schema import kind_of

KEYS = ("sources", "base_model", "parameters")
# mergekit reads the one and its README names the other; neither does anything.
IDLE = ("residual_weight", "input_model_parameters")


def read_slices(
    value: Any,
    base: Model | None,
    outer: tuple[Level, ...],
    known: tuple[str, ...],
    findings: Findings,
) -> tuple[Slice, ...]:
    """Read the slices of a configuration, and name what goes wrong in silence between them.

    Args:
        value: What is listed.
        base: The base model of the whole configuration.
        outer: Its parameters, the most particular level first.
        known: Names of the method's parameters.
        findings: Told of traps.
    """
    slices = tuple(
        _slice(item, f"slices: slice {i + 1}", base, outer, known, findings)
        for i, item in enumerate(as_list(value, "slices"))
    )
    if not 1 <= sum(one.length or 0 for one in slices) <= MAX_LAYERS:
        raise RecipeError(
            f"slices: there must be 1 to {MAX_LAYERS} layers in all.",
            "layer_range is [first, one past the last]: [0, 0] is no layer.",
        )
    _find_empty(slices, findings)
    _find_gaps(slices, findings)
    _find_uneven(slices, findings)
    ends = (slices[0], slices[-1])
    return tuple(one for one in slices if one.length or one in ends)


def _slice(
    one: Any,
    where: str,
    base: Model | None,
    outer: tuple[Level, ...],
    known: tuple[str, ...],
    findings: Findings,
) -> Slice:
    if not isinstance(one, Mapping):
        raise RecipeError(f"slices: a slice must be a mapping, got {kind_of(one)}.", "")
    for key in one:
        if key in IDLE:
            findings.trap(f"mergekit does nothing with {key}.", where, "Take it out.")
        elif key not in KEYS:
            findings.unknown(key, where, KEYS)
    inputs, lengths = [], []
    for i, item in enumerate(as_list(one.get("sources"), f"{where}: sources")):
        found, length = _source(item, f"{where}: source {i + 1}", known, findings)
        inputs.append(found)
        lengths.append(length)
    if len(set(lengths)) != 1:
        listed = ", ".join(str(length) for length in lengths)
        raise RecipeError(
            f"{where}: all sources must give the same number of layers, got {listed}.",
            "layer_range is [first, one past the last].",
        )
    level = read_level(one.get("parameters"), f"{where}: parameters", known, findings)
    own = one.get("base_model")
    return Slice(
        tuple(inputs),
        base if own is None else read_model(own, f"{where}: base_model", findings),
        (level, *outer),
        lengths[0],
        where,
    )


def _source(
    item: Any, where: str, known: tuple[str, ...], findings: Findings
) -> tuple[Input, int]:
    found = read_input(item, where, ("model", "layer_range", "parameters"), known, findings)
    bounds = item.get("layer_range") if isinstance(item, Mapping) else None
    if (
        not isinstance(bounds, list)
        or len(bounds) != 2
        or not all(isinstance(v, int) and not isinstance(v, bool) for v in bounds)
    ):
        raise RecipeError(
            f"{where}: layer_range must be [first, one past the last], got {kind_of(bounds)}.", ""
        )
    start, stop = bounds
    if not 0 <= start <= stop <= 10_000:
        raise RecipeError(
            f"{where}: layer_range must count up from 0 or more, got [{start}, {stop}].",
            "It is [first, one past the last].",
        )
    return replace(found, start=start), stop - start


def _find_empty(slices: tuple[Slice, ...], findings: Findings) -> None:
    for one in slices[1:-1]:
        if one.length == 0:
            findings.trap(
                "A range such as [0, 0] is no layer, and a slice of none between others does "
                "nothing.",
                one.where,
                "layer_range is [first, one past the last].",
            )


def _find_gaps(slices: tuple[Slice, ...], findings: Findings) -> None:
    """Name layers that are left out because somebody took the end of a range for a layer."""
    for one, following in zip(slices, slices[1:], strict=False):
        here, there = one.inputs[0], following.inputs[0]
        left_out = here.start + (one.length or 0)
        if one.length and here.model == there.model and there.start == left_out + 1:
            findings.trap(
                f"Layer {left_out} is left out: layer_range ends before its second number.",
                following.where,
                f"Begin at {left_out} if it should be there.",
            )


def _find_uneven(slices: tuple[Slice, ...], findings: Findings) -> None:
    counts = [len(one.inputs) for one in slices]
    if counts[0] < counts[-1]:
        findings.trap(
            f"The first slice has {counts[0]} sources and the last one {counts[-1]}: mergekit "
            f"gives the final norm and lm_head the first {counts[0]} of the last slice's models "
            "only; here all of them count.",
            slices[-1].where,
            "Give all slices the same number of sources; with weight 0 one does not count.",
        )
