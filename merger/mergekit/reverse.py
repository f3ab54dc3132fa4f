"""A recipe's settings as mergekit's parameters, or why there are none that do the same."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from merger.errors import RecipeError
from merger.mergekit.findings import Findings

CONSENSUS = ("ties", "dare_ties", "della", "breadcrumbs_ties")
DROPPING = ("dare_linear", "dare_ties", "della", "della_linear")
WEIGHTED = (
    "linear", "nuslerp", "multislerp", "task_arithmetic", "breadcrumbs", *CONSENSUS,
    "dare_linear", "della_linear",
)  # fmt: skip
EACH = ("density", "epsilon", "gamma")
# Settings of ours whose name and meaning mergekit shares.
SHARED: Mapping[str, tuple[str, ...]] = {
    "linear": ("normalize",),
    "slerp": ("t",),
    "karcher": ("max_iter", "tol"),
    "sce": ("select_topk",),
    "ram": ("epsilon",),
    "ramplus_tl": ("r", "alpha", "epsilon"),
    "nearswap": ("t",),
}


class Written(NamedTuple):
    """mergekit's parameters for all models, and those of each."""

    shared: dict[str, Any]
    each: list[dict[str, Any]]


def write_settings(
    method: str, params: Mapping[str, Any], weights: tuple[Any, ...], findings: Findings
) -> Written:
    """Return mergekit's parameters for these settings.

    Raises:
        RecipeError: mergekit cannot do the same; the reason is named.
    """
    each: list[dict[str, Any]] = [{} for _ in weights]
    if method in WEIGHTED:
        for own, weight in zip(each, weights, strict=True):
            own["weight"] = weight
    elif any(weight != 1.0 for weight in weights):
        raise RecipeError(
            f"mergekit's {method} knows no weights, and the recipe has some that are not 1.",
            "Take weights out.",
        )
    shared = {name: params[name] for name in SHARED.get(method, ())}
    if "density" in params:
        _general(method, params, weights, shared, each, findings)
    elif method == "task_arithmetic":
        shared |= {"normalize": params["normalize"], "lambda": params["scale"]}
    elif method == "passthrough":
        each[0]["scale"] = params["scale"]
    else:
        _others(method, params, shared, findings)
    return Written(shared, each)


def _general(
    method: str,
    params: Mapping[str, Any],
    weights: tuple[Any, ...],
    shared: dict[str, Any],
    each: list[dict[str, Any]],
    findings: Findings,
) -> None:
    for name in EACH:
        if name in params:
            values = params[name] if isinstance(params[name], tuple) else None
            for i, own in enumerate(each):
                own[name] = params[name] if values is None else values[i]
    if params.get("keep_share", 1.0) != 1.0:
        _refuse(method, "keep_share", params, "mergekit does not trim after dropping", "1")
    elif "keep_share" not in params and params.get("trim", "tensor") != "tensor":
        _refuse(method, "trim", params, "mergekit ranks within tensors", "tensor")
    if method in DROPPING and params["rescale"] == "inverse":
        _refuse(method, "rescale", params, "mergekit restores sums of magnitudes", "l1")
    shared["rescale"] = params.get("rescale", "none") == "l1"
    shared["normalize"] = _normalized(method, params, weights, findings)
    shared["lambda"] = params["scale"]


def _normalized(
    method: str, params: Mapping[str, Any], weights: tuple[Any, ...], findings: Findings
) -> bool:
    if method not in CONSENSUS:
        return False
    if params["elect"] != "sum":
        _refuse(method, "elect", params, "mergekit lets values vote by size", "sum")
    if params.get("ballots") == "equal" and any(weight != 1.0 for weight in weights):
        _refuse(method, "ballots", params, "mergekit's coefficients count there", "weighted")
    if params["combine"] == "max" or (
        params["combine"] == "mean" and any(weight != 1.0 for weight in weights)
    ):
        _refuse(method, "combine", params, "mergekit adds up or takes weighted means", "weighted")
    if params["tie"] != "plus":
        findings.note("Where votes cancel exactly, mergekit elects plus.", "tie")
    return params["combine"] != "sum"


def _others(
    method: str, params: Mapping[str, Any], shared: dict[str, Any], findings: Findings
) -> None:
    if params.get("scale", 1.0) != 1.0:
        _refuse(method, "scale", params, "mergekit has no scale for it", "1")
    if method == "nuslerp":
        shared["nuslerp_flatten"] = params["axis"] == "tensor"
        shared["nuslerp_row_wise"] = params["axis"] == "columns"
    elif method == "multislerp":
        shared["normalize_weights"] = params["normalize"]
    elif method == "karcher" and params["space"] != "weights":
        _refuse(method, "space", params, "mergekit averages weights", "weights")
    elif method == "sce":
        if params["select"] != "update":
            _refuse(method, "select", params, "mergekit updates selected entries only", "update")
        if params["floor"] != 1e-6:
            findings.note(
                "Where mean squares add up to less than 1e-6, mergekit's experts count the same.",
                "floor",
                "Set dialect: mergekit to do so here too.",
            )
    elif method == "model_stock":
        shared["filter_wise"] = False
        if params["clamp"]:
            findings.note("Where the mean cosine is negative, mergekit steps back.", "clamp")


def _refuse(method: str, name: str, params: Mapping[str, Any], why: str, remedy: str) -> None:
    raise RecipeError(
        f"{method}: {name} is {params[name]}, and {why}.",
        f"Set {name}: {remedy}, or dialect: mergekit.",
    )
