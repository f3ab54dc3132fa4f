"""A base with a LoRA adapter on it, as a model: the product of the factors is made when read."""

import hashlib
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from merger.adapter import WEIGHTS, Adapter, Module, read_adapter
from merger.adapter_names import BaseNames
from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.content import ID_BYTES
from merger.errors import SourceError
from merger.header import TensorInfo, shown
from merger.lazy import Tensor, torch
from merger.matched import plain, plain_at
from merger.threads import one_thread
from merger.tied import HEADS, same_bits
from merger.unfetched import UnfetchedCheckpoint, is_unfetched

# The product is made in chunks of whole rows of about so many entries, always the same ones, so
# that no bit depends on which part is asked for.
CHUNK = 1 << 16


class Product(NamedTuple):
    """A change as two factors: scale · left (rows, r) @ right (r, columns).

    Args:
        module: Which factors.
        rows: Rows of the matrix as the base stores it.
        columns: Its columns; axes after the first count as one.
        turned: Whether the base stores the product transposed.
    """

    module: Module
    rows: int
    columns: int
    turned: bool


class AdaptedCheckpoint:
    """A base and an adapter, read as one model; nothing is written and little is held.

    Args:
        base: The model that the adapter is put on.
        folder: The adapter's folder.
        label: How to call it in messages; the folder's name when None.
        unfetched: Its weights, where they are not in the folder yet.
    """

    def __init__(
        self,
        base: Checkpoint,
        folder: Path,
        label: str | None = None,
        unfetched: UnfetchedCheckpoint | None = None,
    ) -> None:
        self.base = base
        self.folder: Path | None = folder
        self.label = label or folder.resolve().name
        self._adapter = read_adapter(folder, None if unfetched is None else unfetched.file)
        self._factors = unfetched or FileCheckpoint(folder / WEIGHTS, self.label)
        twins = _tied_twins(self._adapter, self._factors, base)
        self._products, self._saved = _place(self._adapter, base, self.label, twins)
        touched = set(self._products) | set(self._saved)
        # In float32, because a change that was trained on is easily lost in a base's bfloat16.
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(
            {k: i._replace(dtype="F32") if k in touched else i for k, i in base.tensors.items()}
        )

    @property
    def made_of(self) -> tuple[Checkpoint, ...]:
        """The base and the adapter's own weights."""
        return self.base, self._factors

    @property
    def touched(self) -> tuple[str, ...]:
        """Names of the tensors that the adapter changes, sorted."""
        return tuple(sorted({*self._products, *self._saved}))

    @property
    def whole(self) -> tuple[str, ...]:
        """Names of the tensors that the adapter stores whole, sorted."""
        return tuple(self._saved)

    @property
    def module_names(self) -> Mapping[str, str]:
        """What the trained model calls each module or tensor, by the tensor's name on disk."""
        names = {stored: name for name, stored in self._adapter.saved.items()}
        whole = {key: names[stored] for key, stored in self._saved.items()}
        return whole | {key: product.module.name for key, product in self._products.items()}

    @property
    def turned(self) -> bool:
        """Whether the base stores matrices as (in, out)."""
        return self._adapter.transposed

    @property
    def base_name(self) -> str:
        """What the adapter was trained on, as its config says."""
        return self._adapter.base

    @property
    def rank(self) -> int:
        """The most directions that it changes any matrix in."""
        places, modules = self._adapter.header.places, self._adapter.modules.values()
        return max((places[module.a].info.shape[0] for module in modules), default=0)

    @property
    def task(self) -> str | None:
        """What PEFT calls the adapter's task."""
        return self._adapter.task

    def config(self) -> dict[str, Any] | None:
        """Return what the base's config.json says."""
        return self.base.config()

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat; float32 where the adapter changes it."""
        if key in self._saved:
            values = self._factors.read(self._saved[key], start, stop).to(torch.float32)
        else:
            values = self.base.read(key, start, stop)
        if key not in self._products:
            return values
        # An embedding may be stored whole beside its factors.
        return values.to(torch.float32) + self._product(key, start, stop)

    def change(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return what the adapter adds to the base, flat, in float32.

        The product of the factors itself: base plus change minus base would be rounded twice.
        """
        if key in self._saved:
            return self.read(key, start, stop) - self.base.read(key, start, stop).to(torch.float32)
        return self._product(key, start, stop)

    def _product(self, key: str, start: int, stop: int | None) -> Tensor:
        """Return the product of the factors alone, flat, in float32."""
        size = self.tensors[key].numel
        stop = size if stop is None else min(stop, size)
        if key not in self._products or stop <= start:
            return torch.zeros(max(0, stop - start), dtype=torch.float32)
        product = self._products[key]
        step = max(1, CHUNK // product.columns)
        first = start // product.columns // step * step
        last = -(-stop // product.columns)
        with one_thread():
            parts = [self._rows(product, row, step) for row in range(first, last, step)]
        skip = start - first * product.columns
        return torch.cat(parts)[skip : skip + stop - start]

    def _rows(self, product: Product, first: int, count: int) -> Tensor:
        """Return some rows of a product, flat."""
        last = min(first + count, product.rows)
        a, b = self._factor(product.module.a), self._factor(product.module.b)
        left, right = (a.T, b.T) if product.turned else (b, a)
        # Double precision, so that the product of thin factors stays thin after rounding.
        rows = left[first:last].double().contiguous() @ right.double().contiguous()
        return (rows * product.module.scale).to(torch.float32).reshape(-1)

    def _factor(self, key: str) -> Tensor:
        shape = self._factors.tensors[key].shape
        return self._factors.read(key).reshape(shape[0], math.prod(shape[1:]))

    def content_id(self) -> str:
        """Return an id that changes when the base, the factors or their scales change."""
        total = hashlib.blake2b(digest_size=ID_BYTES)
        total.update(f"{self.base.content_id()} {self._factors.content_id()}".encode())
        for key, product in self._products.items():
            told = (key, product.module.a, product.module.scale, product.turned)
            total.update(repr(told).encode("utf-8", "surrogatepass"))
        return total.hexdigest()

    def check_unchanged(self) -> None:
        """Raise SourceError if base or adapter is not the one that was opened."""
        self.base.check_unchanged()
        self._factors.check_unchanged()


def change_of(
    model: Checkpoint, base: Checkpoint | None, key: str, start: int = 0, stop: int | None = None
) -> Tensor | None:
    """Return what an adapter adds to this very base, or None for any other model."""
    there = None if base is None else plain_at(base, key)
    here = plain_at(model, key)
    if isinstance(here, AdaptedCheckpoint) and here.base is there:
        return here.change(key, start, stop)
    return None


def is_on(model: Checkpoint, base: Checkpoint | None) -> bool:
    """Return whether a model is an adapter on this very base."""
    model = plain(model)
    return isinstance(model, AdaptedCheckpoint) and base is not None and model.base is plain(base)


def _tied_twins(adapter: Adapter, stored: Checkpoint, base: Checkpoint) -> set[str]:
    """Return heads that the base shares with its embedding, stored again with the same numbers.

    PEFT copies what it stores whole, so an adapter for such a base holds both.
    """
    twins: set[str] = set()
    for name, key in adapter.saved.items():
        if not name.endswith(HEADS) or any(there.endswith(name) for there in base.tensors):
            continue
        like = stored.tensors[key]._replace(key="")
        others = (o for o in adapter.saved.values() if o != key)
        same = (o for o in others if stored.tensors[o]._replace(key="") == like)
        # Numbers that are not here yet are compared when they are.
        if any(is_unfetched(stored) or same_bits(stored, key, other) for other in same):
            twins.add(name)
    return twins


def _place(
    adapter: Adapter, base: Checkpoint, label: str, left_out: Collection[str] = ()
) -> tuple[dict[str, Product], dict[str, str]]:
    """Return which tensors of the base the adapter changes, and which it replaces."""
    products: dict[str, Product] = {}
    names = BaseNames(base, label)
    for module in adapter.modules.values():
        key = names.find(f"{module.name}.weight")
        products[key] = _fit(adapter, module, base.tensors[key], label)
    saved = {}
    for name, stored in adapter.saved.items():
        if name in left_out:
            continue
        key = names.find(name)
        here, there = adapter.header.places[stored].info.shape, base.tensors[key].shape
        if here != there:
            raise _misfit(label, key, list(here), list(there))
        saved[key] = stored
    return dict(sorted(products.items())), dict(sorted(saved.items()))


def _fit(adapter: Adapter, module: Module, info: TensorInfo, label: str) -> Product:
    a, b = (adapter.header.places[key].info.shape for key in (module.a, module.b))
    straight = (b[0], *a[1:])
    turned = (math.prod(a[1:]), b[0])
    is_turned = module.is_embedding or (adapter.transposed and len(info.shape) == 2)
    if adapter.transposed and info.shape == straight != turned:
        is_turned = False  # GPT-2's head is an ordinary matrix
    if info.shape != (turned if is_turned else straight):
        # Square or not: what the config says must fit, or the numbers would be misplaced.
        raise _misfit(label, info.key, list(turned if is_turned else straight), list(info.shape))
    rows = info.shape[0]
    return Product(module, rows, info.numel // rows if rows else 0, is_turned)


def _misfit(label: str, key: str, here: list[int], there: list[int]) -> SourceError:
    return SourceError(
        f"{label} doesn't fit its base: {shown(key)} is {here} here and {there} there.",
        "Choose the base that the adapter was trained on.",
    )
