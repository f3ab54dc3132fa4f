"""The change of each matrix of a merge as two thin factors, as many as asked for."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from merger.adapted import AdaptedCheckpoint
from merger.adapter import PREFIX
from merger.checkpoint import Checkpoint
from merger.diagnostics.energy import EnergyInfo, Stored, measure_energy
from merger.errors import MergeError
from merger.header import shown
from merger.info import plain as plain_values
from merger.lazy import Tensor, torch
from merger.matched import plain
from merger.models import Models
from merger.module_names import NOTHING, parameter_names
from merger.places import module_of
from merger.plan import WORDS, TensorPlan
from merger.rounding import torch_dtype
from merger.spectra import Spectra, rank_for
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
        exact: The same before the factors are rounded to the dtype they are stored in.
        energy: Share of the change's squared length that its strongest directions hold, for
            each number of directions in the report's `ranks`.
    """

    key: str
    rank: int
    error: float
    exact: float
    energy: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """A change that was written as an adapter.

    Args:
        path: The adapter's folder.
        rank: The most directions of any matrix.
        error: Length of all that is lost, as a share of the length of all changes of matrices.
        exact: The same before rounding.
        fits: Each matrix.
        whole: Tensors stored whole, because a product of factors cannot change them.
        ranks: Numbers of directions that energies are given for.
        energy: Share of the squared length of all changes that so many directions of each
            matrix hold.
        unnamed: Tensors whose name in memory could not be found out; PEFT is told their names on
            disk.
        curve: What is kept by rank, of the whole, of kinds of module and of layers.
    """

    path: str
    rank: int
    error: float
    exact: float
    fits: tuple[Fit, ...]
    whole: tuple[str, ...]
    ranks: tuple[int, ...]
    energy: tuple[float, ...]
    unnamed: tuple[str, ...]
    curve: EnergyInfo

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return plain_values(asdict(self)) | {"curve": self.curve.to_json()}


class Factors:
    """The factors that were found so far.

    Args:
        models: What is merged.
        rank: Most directions a matrix may have; None for as many as the energy takes.
        energy: Share of each change's squared length that its factors must hold; None for as
            much as the rank gives.
    """

    def __init__(self, models: Models, rank: int | None, energy: float | None = None) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.modules: dict[str, int] = {}
        self.whole: list[str] = []
        self.saved: set[str] = set()
        self.biases: dict[str, Tensor] = {}
        self.spectra = Spectra()
        adapters = adapters_of(models.experts)
        self.turned = any(adapter.turned for adapter in adapters) or (
            (models.reference.config() or {}).get("model_type") in TURNED
        )
        self._models = models
        self._rank, self._energy = rank, energy
        self._names = {k: n for a in adapters for k, n in a.module_names.items()}
        full = len(adapters) < len(models.experts)
        self._in_memory, self._shared = parameter_names(models.reference) if full else NOTHING
        self._unnamed: list[str] = []
        self._kept_whole = whole_modules(models.experts)
        word = WORDS.get(models.recipe.out_dtype or "", "F32")
        self._dtype = torch_dtype(word)

    def add(self, tensor: TensorPlan, change: Tensor) -> None:
        """Take in the change of one tensor."""
        key = tensor.key
        is_whole = key.rpartition(".")[0] in self._kept_whole
        if is_whole or not is_factored(key, change):
            self._add_whole(key, change, is_whole)
            return
        turned = self.turned and module_of(key) != "head"
        matrix = change.T if turned else change
        exact, strength = self._split(matrix)
        rounded = (exact[0].to(self._dtype), exact[1].to(self._dtype))
        self.spectra.add(key, matrix, strength, exact, rounded)
        module = self._names.get(key) or self._name(key).removesuffix(".weight")
        a, b = (part.contiguous() for part in rounded)
        self.modules[module] = len(a)
        self.tensors[f"{PREFIX}{module}.lora_A.weight"] = a
        self.tensors[f"{PREFIX}{module}.lora_B.weight"] = b

    def _split(self, matrix: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return both factors, unrounded, and the strengths of all directions."""
        with one_thread():
            found = svd(widen(matrix.unsqueeze(0))[0])
            strength = found.strength.double()
            kept = found.first(rank_for(strength, self._rank, self._energy))
            root = kept.strength.sqrt()
            return (root.unsqueeze(1) * kept.right, kept.left * root), strength

    def _name(self, key: str) -> str:
        """Return what a tensor is called in memory, where PEFT looks for it."""
        if key not in self._in_memory and key not in self._names and self._in_memory:
            self._unnamed.append(key)
        return self._in_memory.get(key, key)

    def _add_whole(self, key: str, change: Tensor, is_whole: bool) -> None:
        base = self._models.base
        assert base is not None
        if not is_of_module(key):
            raise MergeError(
                f"{shown(key)} changes, and an adapter cannot hold that: it is a parameter of its "
                "own, and adapters hold modules.",
                "Merge into a model folder, or leave this tensor as the base has it: by a rule of "
                "the recipe with take: base, or by --leave-out of extract.",
            )
        own = base.read(key).to(torch.float32).reshape(change.shape) + change
        stored = own.to(self._dtype).contiguous()
        name = self._names.get(key) or self._name(key)
        if not is_whole and _has_matrix(self._models, key):
            self.biases[name] = stored
        else:
            # PEFT copies what it stores whole, and a head that shared it would keep the old one.
            for one in (name, *self._shared.get(name, ())):
                self.tensors[f"{PREFIX}{one}"] = stored.clone()
                self.saved.add(one.rpartition(".")[0])
        self.whole.append(key)

    def finish(self) -> None:
        """Put the biases where PEFT looks for them: inside its layers, or beside the others."""
        for name, stored in self.biases.items():
            module, _, last = name.rpartition(".")
            inside = ".base_layer" if module in self.modules else ""
            self.tensors[f"{PREFIX}{module}{inside}.{last}"] = stored

    def report(self, path: Path) -> AdapterReport:
        """Return what was written, and what was lost."""
        spectra = self.spectra
        ranks = spectra.ranks()
        fits = tuple(
            Fit(key, one.rank, one.error, one.exact, one.shares(ranks))
            for key, one in spectra.found.items()
        )
        return AdapterReport(
            str(path), self.rank, spectra.error, spectra.exact, fits,
            tuple(self.whole), ranks, spectra.shares(ranks), tuple(self._unnamed), self.curve(),
        )  # fmt: skip

    @property
    def rank(self) -> int:
        """The most directions of any matrix."""
        return max(self.modules.values(), default=0)

    def curve(self) -> EnergyInfo:
        """Return what is kept by rank, and what is stored."""
        adapter = sum(tensor.nbytes for tensor in self.tensors.values())
        model = self._models.reference
        full = sum(info.nbytes for info in plain(model).tensors.values())
        return measure_energy(
            self.spectra.changes(),
            self.rank,
            Stored(adapter, full, len(self.whole)),
            error=self.spectra.error,
            ranks={key: one.rank for key, one in self.spectra.found.items()},
        )


def is_factored(key: str, change: Tensor) -> bool:
    """Return whether two factors can stand for the change of a tensor."""
    return key.endswith(".weight") and is_linear(key, change.unsqueeze(0))


def is_of_module(key: str) -> bool:
    """Return whether a tensor belongs to a module, which an adapter can hold whole."""
    return key.endswith((".weight", ".bias"))


def whole_modules(experts: Iterable[Checkpoint]) -> set[str]:
    """Return the modules that adapters among the experts hold whole."""
    return {key.rpartition(".")[0] for one in adapters_of(experts) for key in one.whole}


def adapters_of(experts: Iterable[Checkpoint]) -> list[AdaptedCheckpoint]:
    """Return the experts that are adapters."""
    found = map(plain, experts)
    return [model for model in found if isinstance(model, AdaptedCheckpoint)]


def _has_matrix(models: Models, key: str) -> bool:
    """Return whether a tensor belongs to a linear layer, which PEFT changes by factors."""
    weight = models.plan.by_key.get(f"{key.rpartition('.')[0]}.weight")
    return weight is not None and weight.key != key and len(weight.shape) == 2
