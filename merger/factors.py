"""The change of each matrix of a merge as two thin factors, as many as asked for."""

from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from merger.adapted import AdaptedCheckpoint
from merger.adapter import PREFIX
from merger.compute import torch_dtype
from merger.errors import MergeError
from merger.header import shown
from merger.lazy import Tensor, torch
from merger.matched import plain
from merger.models import Models
from merger.places import module_of
from merger.plan import WORDS, TensorPlan
from merger.spectral import is_linear, svd, widen
from merger.threads import one_thread

# These architectures store the matrices of their linear layers as (in, out).
TURNED = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")


@dataclass(frozen=True, slots=True)
class Fit:
    """How well two thin factors give the change of one matrix.

    Args:
        key: The matrix.
        rank: How many directions the factors have.
        error: Length of what is lost, as a share of the length of the change.
    """

    key: str
    rank: int
    error: float


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """A merge that was written as an adapter.

    Args:
        path: The adapter's folder.
        rank: The most directions of any matrix.
        error: Length of all that is lost, as a share of the length of all changes of matrices.
        fits: Each matrix.
        whole: Tensors stored whole, because a product of factors cannot change them.
    """

    path: str
    rank: int
    error: float
    fits: tuple[Fit, ...]
    whole: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


class Factors:
    """The factors that were found so far.

    Args:
        models: What is merged.
        rank: Most directions a matrix may have.
    """

    def __init__(self, models: Models, rank: int) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.fits: dict[str, Fit] = {}
        self.modules: dict[str, int] = {}
        self.whole: dict[str, str] = {}
        self.turned = any(adapter.turned for adapter in adapters_of(models)) or (
            (models.reference.config() or {}).get("model_type") in TURNED
        )
        self._models = models
        self._rank = rank
        self._names = {k: n for a in adapters_of(models) for k, n in a.module_names.items()}
        self._kept_whole = {k.rpartition(".")[0] for a in adapters_of(models) for k in a.whole}
        word = WORDS.get(models.recipe.out_dtype or "", "F32")
        self._dtype = torch_dtype(word)
        self._lost = self._length = 0.0

    def add(self, tensor: TensorPlan, change: Tensor) -> None:
        """Take in the change of one tensor."""
        key = tensor.key
        is_whole = key.rpartition(".")[0] in self._kept_whole
        if is_whole or not (key.endswith(".weight") and is_linear(key, change.unsqueeze(0))):
            self._add_whole(key, change, is_whole)
            return
        turned = self.turned and module_of(key) != "head"
        a, b = self._split(change.T if turned else change)
        product = b.double() @ a.double()
        lost = float((change.double() - (product.T if turned else product)).norm())
        length = float(change.double().norm())
        self._lost, self._length = self._lost + lost**2, self._length + length**2
        module = self._names.get(key, key.removesuffix(".weight"))
        self.fits[key] = Fit(key, len(a), lost / length)
        self.modules[module] = len(a)
        self.tensors[f"{PREFIX}{module}.lora_A.weight"] = a
        self.tensors[f"{PREFIX}{module}.lora_B.weight"] = b

    def _split(self, change: Tensor) -> tuple[Tensor, Tensor]:
        with one_thread():
            found = svd(widen(change.unsqueeze(0))[0]).first(self._rank)
            root = found.strength.sqrt()
            a, b = root.unsqueeze(1) * found.right, found.left * root
        return a.to(self._dtype).contiguous(), b.to(self._dtype).contiguous()

    def _add_whole(self, key: str, change: Tensor, is_whole: bool) -> None:
        base = self._models.base
        assert base is not None
        plain = key.endswith((".weight", ".bias"))
        if not plain or (not is_whole and _has_matrix(self._models, key)):
            raise MergeError(
                f"{shown(key)} changes, and an adapter cannot hold that.",
                "Merge into a model folder, or add a rule that takes this tensor from the base.",
            )
        own = base.read(key).to(torch.float32).reshape(change.shape) + change
        name = self._names.get(key, key)
        self.whole[key] = name.rpartition(".")[0]
        self.tensors[f"{PREFIX}{name}"] = own.to(self._dtype).contiguous()

    def report(self, path: Path) -> AdapterReport:
        """Return what was written, and what was lost."""
        error = sqrt(self._lost / self._length) if self._length else 0.0
        rank = max(self.modules.values(), default=0)
        return AdapterReport(str(path), rank, error, tuple(self.fits.values()), tuple(self.whole))


def adapters_of(models: Models) -> list[AdaptedCheckpoint]:
    """Return the experts that are adapters."""
    found = map(plain, models.experts)
    return [model for model in found if isinstance(model, AdaptedCheckpoint)]


def _has_matrix(models: Models, key: str) -> bool:
    """Return whether a tensor belongs to a linear layer, which PEFT changes by factors."""
    weight = models.plan.by_key.get(f"{key.rpartition('.')[0]}.weight")
    return weight is not None and weight.key != key and len(weight.shape) == 2
