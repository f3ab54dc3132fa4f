"""Small stacks of task vectors for tests, from plain numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.stack import Stack, stack_experts


def stack_of(
    experts: Sequence[Mapping[str, Sequence[float]]],
    base: Mapping[str, Sequence[float]] | None = None,
    **options,
) -> Stack:
    """Build a stack whose task vectors are the numbers given, over a base of zeros or as given."""
    zeros = {key: torch.zeros(np.shape(value)) for key, value in experts[0].items()}
    start = zeros if base is None else {k: torch.tensor(v) for k, v in base.items()}
    models = [
        MemoryCheckpoint(
            {k: start[k] + torch.tensor(np.asarray(v, np.float32)) for k, v in e.items()}
        )
        for e in experts
    ]
    names = [f"e{i}" for i in range(len(experts))]
    return stack_experts(MemoryCheckpoint(start), models, names, **options)


def random_stack(
    n: int = 3,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    *,
    seed: int = 0,
    shared: float = 0.0,
    sparse: float = 0.0,
    draw: int = 0,
    **options,
) -> Stack:
    """Build a stack of random task vectors with a common part and some exact zeros."""
    rng = np.random.default_rng(seed)
    shapes = shapes or {
        "embed.weight": (30, 8),
        "layers.0.attn.q_proj.weight": (8, 8),
        "layers.0.mlp.up_proj.weight": (16, 8),
        "layers.1.attn.q_proj.weight": (8, 8),
        "layers.1.mlp.up_proj.weight": (16, 8),
        "norm.weight": (8,),
    }
    common = {k: rng.standard_normal(s) for k, s in shapes.items()}
    experts = [
        {
            k: (shared * common[k] + rng.standard_normal(s)) * (rng.random(s) >= sparse)
            for k, s in shapes.items()
        }
        for _ in range(n)
    ]
    return stack_of(experts, seed=draw, **options)
