"""mergekit 0.1.5's methods: what each is set by, and which recipe does the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from merger.errors import RecipeError
from merger.recipe import Depth

REQUIRED = object()
Values = Mapping[str, Any]


class Setting(NamedTuple):
    """One parameter of mergekit's.

    Args:
        name: Its name there.
        kind: float, int or bool.
        default: What it is when nothing is said; REQUIRED where something must be.
        each: Whether every model has its own.
    """

    name: str
    kind: type
    default: Any
    each: bool = False


class Translated(NamedTuple):
    """What a recipe says instead: settings of the method, and coefficients."""

    params: dict[str, Any]
    weights: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One of mergekit's methods.

    Args:
        settings: Its parameters.
        base: Whether it needs a base model, may have one, or takes it for one of the models.
        inputs: The fewest and most models it takes, without the base unless that is one of them.
        translate: Turns shared values and those of each model into a recipe's.
    """

    settings: tuple[Setting, ...]
    base: Literal["required", "optional", "input"]
    inputs: tuple[int, int | None]
    translate: Callable[[Values, Sequence[Values]], Translated]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(s.name for s in self.settings)


WEIGHT = Setting("weight", float, REQUIRED, True)
DENSITY = Setting("density", float, 1.0, True)
EPSILON = Setting("epsilon", float, 0.15, True)
GAMMA = Setting("gamma", float, 0.01, True)
INT8 = Setting("int8_mask", bool, False)
LAMBDA = Setting("lambda", float, 1.0)


def _general(normalize: bool, rescale: bool, *more: Setting) -> tuple[Setting, ...]:
    """Return the parameters of the methods that add up task vectors."""
    shared = (Setting("normalize", bool, normalize), Setting("rescale", bool, rescale))
    return (WEIGHT, DENSITY, *more, *shared, LAMBDA, INT8)


def _column(each: Sequence[Values], name: str) -> Any:
    """Return one value for all models where they agree, else one for each."""
    values = tuple(v[name] for v in each)
    return values[0] if all(v == values[0] for v in values) else values


def _weights(each: Sequence[Values], normalize: bool = False) -> tuple[Any, ...] | None:
    weights = tuple(v["weight"] for v in each)
    if not normalize:
        return None if all(w == 1.0 for w in weights) else weights
    if any(isinstance(w, Depth) for w in weights):
        raise RecipeError(
            "normalize: true divides by the sum of weights, which changes with depth here.",
            "Use normalize: false and write weights that add up to what they should.",
        )
    whole = sum(weights)
    return tuple(w / (whole if abs(whole) >= 1e-8 else 1.0) for w in weights)


def _no_rescale(shared: Values) -> None:
    if shared["rescale"]:
        raise RecipeError(
            "rescale: true after a trim has no counterpart here.",
            "Set rescale: false and raise lambda instead.",
        )


def _linear(shared: Values, each: Sequence[Values]) -> Translated:
    return Translated({"normalize": shared["normalize"]}, _weights(each))


def _arithmetic(shared: Values, each: Sequence[Values]) -> Translated:
    params = {"scale": shared["lambda"], "normalize": shared["normalize"]}
    return Translated({"dialect": "mergekit", **params}, _weights(each))


def _ties(shared: Values, each: Sequence[Values]) -> Translated:
    _no_rescale(shared)
    params = {"density": _column(each, "density"), **_consensus(shared)}
    return Translated({"dialect": "mergekit", **params}, _weights(each))


def _consensus(shared: Values) -> dict[str, Any]:
    combine = "weighted" if shared["normalize"] else "sum"
    return {"combine": combine, "scale": shared["lambda"]}


def _dropping(names: Sequence[str], consensus: bool) -> Callable[..., Translated]:
    def translate(shared: Values, each: Sequence[Values]) -> Translated:
        params: dict[str, Any] = {"dialect": "mergekit"}
        params |= {name: _column(each, name) for name in names}
        params["rescale"] = "l1" if shared["rescale"] else "none"
        if consensus:
            return Translated(params | _consensus(shared), _weights(each))
        return Translated(
            params | {"scale": shared["lambda"]}, _weights(each, shared["normalize"])
        )

    return translate


def _breadcrumbs(consensus: bool) -> Callable[..., Translated]:
    def translate(shared: Values, each: Sequence[Values]) -> Translated:
        _no_rescale(shared)
        params: dict[str, Any] = {"dialect": "mergekit"}
        params |= {name: _column(each, name) for name in ("density", "gamma")}
        if consensus:
            return Translated(params | _consensus(shared), _weights(each))
        return Translated(
            params | {"scale": shared["lambda"]}, _weights(each, shared["normalize"])
        )

    return translate


def _plain(*names: str, **fixed: Any) -> Callable[..., Translated]:
    def translate(shared: Values, each: Sequence[Values]) -> Translated:
        return Translated({name: shared[name] for name in names} | fixed, None)

    return translate


def _nuslerp(shared: Values, each: Sequence[Values]) -> Translated:
    axis = "columns" if shared["nuslerp_row_wise"] else "rows"
    return Translated({"axis": "tensor" if shared["nuslerp_flatten"] else axis}, _weights(each))


def _multislerp(shared: Values, each: Sequence[Values]) -> Translated:
    return Translated({"normalize": shared["normalize_weights"]}, _weights(each))


def _model_stock(shared: Values, each: Sequence[Values]) -> Translated:
    if shared["filter_wise"]:
        raise RecipeError(
            "filter_wise: true has no counterpart here, where a tensor has one ratio.",
            "Set filter_wise: false.",
        )
    return Translated({"clamp": False}, None)


def _passthrough(shared: Values, each: Sequence[Values]) -> Translated:
    return Translated({"scale": each[0]["scale"]}, None)


KINDS: Mapping[str, Kind] = {
    "linear": Kind((WEIGHT, Setting("normalize", bool, True)), "input", (1, None), _linear),
    "slerp": Kind((Setting("t", float, REQUIRED),), "input", (2, 2), _plain("t")),
    "nuslerp": Kind(
        (
            WEIGHT,
            Setting("nuslerp_flatten", bool, True),
            Setting("nuslerp_row_wise", bool, False),
        ),
        "optional", (2, 2), _nuslerp,
    ),
    "multislerp": Kind(
        (WEIGHT, Setting("normalize_weights", bool, True), Setting("eps", float, 1e-8)),
        "optional", (1, None), _multislerp,
    ),
    "karcher": Kind(
        (Setting("max_iter", int, 10), Setting("tol", float, 1e-5)),
        "input", (1, None), _plain("max_iter", "tol"),
    ),
    "task_arithmetic": Kind(_general(False, False), "required", (1, None), _arithmetic),
    "ties": Kind(_general(True, False), "required", (1, None), _ties),
    "dare_linear": Kind(
        _general(False, True), "required", (1, None), _dropping(["density"], False)
    ),
    "dare_ties": Kind(
        _general(False, True), "required", (1, None), _dropping(["density"], True)
    ),
    "della": Kind(
        _general(True, True, EPSILON), "required", (1, None),
        _dropping(["density", "epsilon"], True),
    ),
    "della_linear": Kind(
        _general(False, True, EPSILON), "required", (1, None),
        _dropping(["density", "epsilon"], False),
    ),
    "breadcrumbs": Kind(
        _general(False, False, GAMMA), "required", (1, None), _breadcrumbs(False)
    ),
    "breadcrumbs_ties": Kind(
        _general(False, False, GAMMA), "required", (1, None), _breadcrumbs(True)
    ),
    "sce": Kind(
        (Setting("select_topk", float, 1.0), INT8),
        "required", (1, None), _plain("select_topk", dialect="mergekit"),
    ),
    "ram": Kind((Setting("epsilon", float, 1e-5),), "required", (1, None), _plain("epsilon")),
    "ramplus_tl": Kind(
        (Setting("r", float, 0.1), Setting("alpha", float, 0.2), Setting("epsilon", float, 1e-5)),
        "required", (1, None), _plain("r", "alpha", "epsilon"),
    ),
    "model_stock": Kind(
        (Setting("filter_wise", bool, False),), "required", (2, None), _model_stock
    ),
    "nearswap": Kind((Setting("t", float, REQUIRED),), "required", (1, 1), _plain("t")),
    "arcee_fusion": Kind((), "required", (1, 1), _plain()),
    "passthrough": Kind(
        (Setting("scale", float, 1.0, True),), "input", (1, 1), _passthrough
    ),
}  # fmt: skip
