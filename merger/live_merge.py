"""What a merge in memory gives, and where its sources are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from merger.checkpoint import TORCH_NAMES, Checkpoint
from merger.notices import Notice
from merger.parts import Parts, Tensors
from merger.sources import SourceRules, open_source
from merger.storage import Stored


@dataclass(frozen=True, eq=False)
class LiveMerge:
    """A merge in memory: the numbers that a saved folder would hold, in float32.

    Args:
        digest: The recipe's digest.
        flat: All merged numbers in the order of the stack, or those of the sample it holds; None
            where there is no preview.
        tensors: Every floating-point tensor by its name on disk; empty for a sample.
        dtypes: What each is saved as, in safetensors' words.
        why: Why there is no single model to preview; empty when there is one.
        parts: One model per expert, where the method gives that.
        notices: What is valid in the recipe but surely not meant.
        storage: What those models take to store.
    """

    digest: str
    flat: Tensor | None
    tensors: Mapping[str, Tensor]
    dtypes: Mapping[str, str]
    why: str = ""
    parts: Parts | None = None
    notices: tuple[Notice, ...] = ()
    storage: Stored | None = None

    @property
    def numbers(self) -> Tensors | Parts:
        """What answers tasks: one model, or one per expert."""
        return self.tensors if self.parts is None else self.parts

    def stored(self, key: str) -> Tensor:
        """Return a tensor in the dtype it is saved as."""
        return self.tensors[key].to(getattr(torch, TORCH_NAMES[self.dtypes[key]]))


@dataclass(frozen=True)
class Place:
    """Where sources are looked for.

    Args:
        base_dir: Folder that relative paths start from; None is the current one.
        roots: What a visitor may open; None opens everything.
        folders: Where `*.txt` files are tasks.
    """

    base_dir: Path | None = None
    roots: SourceRules | tuple[Path, ...] | None = None
    folders: tuple[Path, ...] = ()

    def open(
        self, source: str, step: int | None = None, base: Checkpoint | None = None
    ) -> Checkpoint:
        """Open a source; adapters are put on the base."""
        return open_source(source, step, base_dir=self.base_dir, roots=self.roots, base=base)
