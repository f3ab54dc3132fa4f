"""A merge method as data, and the list of all of them."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from merger.errors import RecipeError, did_you_mean
from merger.evidence import Evidence
from merger.knobs import Param
from merger.notices import Notice
from merger.signature import FeedUse, Signature, formula_of

Scope = Literal["element", "row", "tensor", "model"]
SCOPES: tuple[str, ...] = ("element", "row", "tensor", "model")
Stage = Literal["merge", "before", "after"]
# In which order people meet them; a family that is not named comes after these, by name.
FAMILIES = (
    "averaging", "task arithmetic", "sign consensus", "drop and rescale", "interpolation",
    "spectral", "optimisation", "selection", "masks", "adapters", "layer scaling",
)  # fmt: skip
Neutral = Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
Order = Callable[[Mapping[str, Any], int], bool]
Memory = tuple[float, float] | Callable[[int, int, int], float]


@dataclass(frozen=True)
class Method:
    """A merge method, or a verb before or after one, as its signature declares it."""

    name: str
    title: str
    family: str
    summary: str
    paper: str
    signature: Signature
    laws: tuple[str, ...]
    neutral: Neutral
    scope: str | Callable[[Mapping[str, Any]], str]
    stage: Stage
    dialects: Mapping[str, Mapping[str, Any]]
    experts: tuple[int, int | None]
    order: Order | None = None
    evidence: Evidence | None = None
    memory: Memory | None = None
    _by_name: Mapping[str, Param] = field(repr=False, default_factory=dict)
    notices: tuple[Notice, ...] = ()
    linear: Signature | None = None

    @property
    def fn(self) -> Callable[..., Any]:
        """The function itself."""
        return self.signature.fn

    @property
    def feeds(self) -> tuple[FeedUse, ...]:
        """What the engine hands to it."""
        return self.signature.feeds

    @property
    def params(self) -> tuple[Param, ...]:
        """What a user can turn."""
        return self.signature.params

    @property
    def output(self) -> str:
        """ "delta", "weight", "per_task" or "deltas"."""
        return self.signature.output

    def pieces(self, n: int, rows: int = 1, columns: int = 1) -> float:
        """Return how many pieces of float32 it makes at most while it works, the result too.

        Args:
            n: The number of experts.
            rows: Rows of the matrix.
            columns: Columns of the matrix, which counts as small enough for double precision.
        """
        if callable(self.memory):
            return max(n + 3.0, self.memory(n, rows, columns))
        each, rest = self.memory or (1.0, 3.0)
        return max(n + 3.0, each * n + rest)

    def __call__(self, *feeds: Any, **knobs: Any) -> Any:
        return self.fn(*feeds, **knobs)

    @property
    def needs(self) -> tuple[str, ...]:
        """What must be there first, such as "base", whatever the settings."""
        always = [use.feed for use in self.feeds if use.of.when is None]
        return tuple(sorted({need for feed in always for need in feed.needs}))

    @property
    def formula(self) -> str:
        """The formula in the paper's symbols."""
        return formula_of(self.fn)

    @property
    def doc(self) -> str:
        """The whole docstring."""
        return inspect.getdoc(self.fn) or ""

    @property
    def weights_note(self) -> str:
        """Why per-expert coefficients have no effect; empty where they have one."""
        names = [use.feed.name for use in self.feeds]
        if self.stage != "merge" or {"deltas", "coefficients", "costly"} & set(names):
            return ""
        return f"{self.title} does not use coefficients."

    def param(self, name: str) -> Param:
        """Return one setting by name.

        Raises:
            RecipeError: there is no such setting; the nearest is named.
        """
        if name not in self._by_name:
            hint = did_you_mean(name, self._by_name) or "It has no parameters."
            raise RecipeError(f"{self.name} has no parameter {name!r}.", hint)
        return self._by_name[name]

    def resolve(self, params: Mapping[str, Any], n: int | None = None) -> dict[str, Any]:
        """Return every setting, checked: explicit ones, then the dialect's, then the defaults.

        Args:
            params: What a recipe says.
            n: How many experts there are; None leaves lengths of per-expert lists unchecked.
        Raises:
            RecipeError: an unknown setting or a value that is not valid.
        """
        for name in params:
            self.param(name)
        settings = {p.name: p.default for p in self.params}
        if "dialect" in settings:
            chosen = params.get("dialect", settings["dialect"])
            chosen = self.param("dialect").check(chosen, self.name)
            settings.update(self.dialects.get(chosen, {}))
        settings.update(params)
        return {p.name: p.check(settings[p.name], self.name, n) for p in self.params}

    def scope_at(self, knobs: Mapping[str, Any]) -> str:
        """Return the smallest piece it can work on at these settings."""
        return self.scope(knobs) if callable(self.scope) else self.scope

    def is_ordered(self, knobs: Mapping[str, Any], n: int) -> bool:
        """Return whether the result depends on the order of n experts at these settings."""
        most = self.experts[1]
        if n < 2 or (most is not None and n > most):
            return n > 1
        return self.order(knobs, n) if self.order else "symmetric" not in self.laws

    @property
    def order_words(self) -> str:
        """Where the order of the experts counts, in words; empty where it never does."""
        most = self.experts[1]
        if most is not None:
            return f"the first {'one is' if most == 1 else f'{most} are'} used"
        if self.order is not None:
            return "counts at some settings"
        return "" if "symmetric" in self.laws else "counts"

    def neutral_for(self, n: int) -> dict[str, Any]:
        """Return the settings at which n equal experts must come back."""
        return dict(self.neutral(n) if callable(self.neutral) else self.neutral)

    @property
    def is_reconstructed(self) -> bool:
        """Whether there is no published code, so that it follows the text of a paper alone."""
        return "econstructed from the text" in " ".join(self.doc.split())

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands in lists: verbs last, families in order, the well founded first."""
        known = self.family in FAMILIES
        at = FAMILIES.index(self.family) if known else len(FAMILIES)
        return (self.stage != "merge", at, self.family, self.is_reconstructed, self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as plain data, for lists, forms and documents."""
        return {
            "name": self.name,
            "title": self.title,
            "family": self.family,
            "summary": self.summary,
            "needs": list(self.needs),
            "stage": self.stage,
            "output": self.output,
            "paper": self.paper,
            "laws": list(self.laws),
            "params": [p.to_json() for p in self.params],
            "experts": list(self.experts),
            "weights_note": self.weights_note,
            "formula": self.formula,
            "doc": self.doc,
        }


class Registry(Mapping[str, Method]):
    """Every method and verb by name, in alphabetical order; found at the first look."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def add(self, method: Method) -> None:
        """Register a method.

        Raises:
            TypeError: the name is taken.
        """
        if method.name in self._methods:
            raise TypeError(f"two merge methods are named {method.name!r}.")
        self._methods[method.name] = method

    def find(self, name: str, stage: str = "merge") -> Method:
        """Return the method, or the verb for a stage, with this name.

        Raises:
            RecipeError: there is none; the nearest is named.
        """
        method = self.get(name)
        if method is None or method.stage != stage:
            known = [m.name for m in self.values() if m.stage == stage]
            what = "merge method" if stage == "merge" else f"verb for {stage!r}"
            raise RecipeError(f"There is no {what} {name!r}.", did_you_mean(name, known))
        return method

    def remove(self, name: str) -> None:
        """Forget a method; tests do so with theirs."""
        del self._methods[name]

    def __getitem__(self, name: str) -> Method:
        self._load()
        return self._methods[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._methods))

    def __len__(self) -> int:
        self._load()
        return len(self._methods)

    @staticmethod
    def _load() -> None:
        # Not at import: the methods' own files import this one.
        importlib.import_module("merger.methods")


METHODS = Registry()
