"""A model as a function of its tensors: load numbers under their names on disk, then run."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from merger.errors import TaskError
from merger.naming import build_module

# Matrix kernels may choose another order of addition for other alignments: a fixed layout makes
# the scores of a merge in memory and of its saved folder the same bits.
ALIGN = 16


class Runner:
    """A model in float32 whose numbers can be exchanged in one pass.

    Args:
        config: The parsed config.json.
        shapes: Shape of each floating-point tensor, by its name on disk.
    """

    def __init__(self, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
        named = build_module(config, shapes)
        self.module = named.module
        self.label = named.label
        self.config = named.module.config
        self._views: dict[str, Tensor] = {}
        starts, size = {}, 0
        for keys in sorted(named.filled):
            starts[keys] = size
            size += -(-sum(prod(shapes[key]) for key in keys) // ALIGN) * ALIGN
        self._flat = torch.zeros(size + ALIGN, dtype=torch.float32)
        # The allocator promises 64 bytes on every platform we know; make sure of it anyway.
        skew = (-self._flat.data_ptr() // 4) % ALIGN
        for keys, start in starts.items():
            begin = at = start + skew
            for key in keys:
                self._views[key] = self._flat[at : at + prod(shapes[key])].view(shapes[key])
                at += prod(shapes[key])
            for parameter in named.filled[keys]:
                parameter.data = self._flat[begin:at].view(parameter.shape)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names on disk that the model uses, sorted; others in a checkpoint are ignored."""
        return tuple(sorted(self._views))

    @property
    def parameters(self) -> int:
        """How many numbers the model holds; tied ones count once."""
        return sum(view.numel() for view in self._views.values())

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Exchange all numbers; any floating-point dtype, any shape with the right count.

        Raises:
            TaskError: a tensor that the model needs is missing, or has another size.
        """
        for key, view in self._views.items():
            tensor = tensors.get(key)
            if tensor is None or tensor.numel() != view.numel():
                got = "nothing" if tensor is None else f"{tensor.numel():,} numbers"
                raise TaskError(
                    f"{key}: {self.label} needs {view.numel():,} numbers, got {got}.",
                    "Score a merge of models with this architecture.",
                )
            view.copy_(tensor.reshape(view.shape))
