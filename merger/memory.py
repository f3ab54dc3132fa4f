"""Merge tensors that are already in memory: the engine over in-memory models."""

from collections.abc import Mapping, Sequence
from typing import Any

from merger.checkpoint import MemoryCheckpoint
from merger.compute import prepare
from merger.errors import RecipeError
from merger.lazy import Tensor, torch
from merger.plan import plan
from merger.recipe import Expert, Recipe, Rule, Step


def merge_tensors(
    method: str,
    experts: Sequence[Mapping[str, Tensor]],
    base: Mapping[str, Tensor] | None = None,
    params: Mapping[str, Any] | None = None,
    weights: Sequence[Any] | None = None,
    seed: int = 0,
    rules: Sequence[Rule | Mapping[str, Any]] = (),
    before: Sequence[Step | Mapping[str, Any]] = (),
    after: Sequence[Step | Mapping[str, Any]] = (),
    names: Sequence[str] | None = None,
    out_dtype: str | None = None,
) -> dict[str, Any]:
    """Merge models given as tensors by name, exactly as a merge of files would.

    Args:
        method: Id of a merge method.
        experts: The experts' tensors.
        base: Tensors of the checkpoint that the experts were fine-tuned from.
        params: Settings of the method.
        weights: One coefficient per expert; 1 each when None.
        seed: Seed of random methods.
        rules: Other settings by tensor name, as `Rule` or `{"match": …, "take": …}`.
        before: Verbs before the method, as `Step` or `{verb: {setting: value}}`.
        after: Verbs after it.
        names: The experts' names, which random draws depend on; expert_1, expert_2, … when None.
        out_dtype: What to write; the base's dtype, per tensor, when None.
    Returns: the merged tensors by name; for methods with one model per expert, those by expert.
    Example:
        >>> import torch
        >>> experts = [{"w": torch.ones(2)}, {"w": torch.zeros(2)}]
        >>> merge_tensors("average", experts)
        {'w': tensor([0.5000, 0.5000])}
    """
    labels = list(names) if names is not None else [f"expert_{i + 1}" for i in range(len(experts))]
    if len(labels) != len(experts) or len(set(labels)) != len(labels):
        raise RecipeError(
            f"names must be {len(experts)} different words, got {', '.join(labels)}.",
            "Give every expert a name of its own.",
        )
    recipe = Recipe(
        method=method,
        experts=tuple(Expert(f"memory:{name}", name) for name in labels),
        base=None if base is None else "memory:base",
        weights=None if weights is None else tuple(weights),
        params={k: tuple(v) if isinstance(v, list) else v for k, v in (params or {}).items()},
        rules=tuple(r if isinstance(r, Rule) else Rule(**r) for r in rules),
        before=tuple(map(_step, before)),
        after=tuple(map(_step, after)),
        out_dtype=out_dtype,
        seed=seed,
    )
    root = None if base is None else MemoryCheckpoint(base, "base")
    models = [MemoryCheckpoint(t, name) for t, name in zip(experts, labels, strict=True)]
    prepared = prepare(plan(recipe, root, models), root, models)
    parts: dict[str, list[Tensor]] = {}
    for block in prepared.blocks():
        parts.setdefault(block.key, []).append(prepared.merge_block(block))
    shapes = {tensor.key: tensor.shape for tensor in prepared.plan.tensors}
    whole = {key: torch.cat(found, dim=-1) for key, found in parts.items()}
    if not prepared.outputs:
        return {key: flat.reshape(shapes[key]) for key, flat in whole.items()}
    return {
        name: {key: flat[i].reshape(shapes[key]).clone() for key, flat in whole.items()}
        for i, name in enumerate(prepared.outputs)
    }


def _step(step: Step | Mapping[str, Any]) -> Step:
    if isinstance(step, Step):
        return step
    ((verb, params),) = step.items()
    return Step(verb, dict(params or {}))
