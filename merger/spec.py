"""The grammar of a merge method: one pure function, read from its signature.

Left of `*` stands what the engine feeds, right of `*` what the user turns:

    @merge_method("TIES", family="sign consensus", paper="arXiv:2306.01708", laws=("zero", …))
    def ties(tau: Deltas, cut: Annotated[Cut, of("density", scope="trim")], *,
             density: Share = 0.2, …) -> Delta:

From that come the list of methods, sliders, tooltips, recipes, messages and contract tests.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from merger.combination import Combination
from merger.errors import RecipeError, did_you_mean
from merger.evidence import EVIDENCE, Evidence
from merger.knobs import Knob, Param, Share
from merger.lazy import Tensor
from merger.method import METHODS, SCOPES, Memory, Method, Neutral, Order, Scope, Stage
from merger.notices import Notice
from merger.signature import Feed, FeedUse, Of, Output, read_signature, summary_of

__all__ = [
    "L1",
    "LAWS",
    "METHODS",
    "SCOPES",
    "Base",
    "Coefficients",
    "Combination",
    "Combined",
    "Costly",
    "Cut",
    "Delta",
    "Deltas",
    "DepthAt",
    "Feed",
    "Fisher",
    "Gram",
    "Key",
    "Knob",
    "L1s",
    "LayerCount",
    "Majority",
    "Method",
    "Norms",
    "Notice",
    "Ordered",
    "Param",
    "PerTask",
    "Ranks",
    "RawDeltas",
    "Share",
    "Sizes",
    "Uniform",
    "Update",
    "Weight",
    "WeightGram",
    "Weights",
    "merge_method",
    "of",
]  # fmt: skip

# Stacked tensors are (n, *piece), single ones (*piece), all float32.
Deltas = Annotated[Tensor, Feed("deltas", ("base",))]
"""Task vectors, each already multiplied by its expert's coefficient."""
RawDeltas = Annotated[Tensor, Feed("raw_deltas", ("base",))]
"""Task vectors before any coefficient."""
Weights = Annotated[Tensor, Feed("weights")]
"""The experts' own weights."""
Base = Annotated[Tensor, Feed("base", ("base",))]
"""The base's weights."""
Coefficients = Annotated[tuple[float, ...], Feed("coefficients")]
"""The experts' coefficients themselves."""
Uniform = Annotated[Tensor, Feed("uniform")]
"""Random numbers in [0, 1), the same whatever the block: see merger/randomness.py."""
DepthAt = Annotated[float, Feed("depth")]
"""Relative depth of the tensor in [0, 1]; 0 outside the layers."""
Key = Annotated[str, Feed("key")]
"""The tensor's name on disk."""
LayerCount = Annotated[int, Feed("layers")]
"""How many layers the model has; 0 where no name has a layer's number."""
Update = Annotated[Tensor, Feed("update", ("base",))]
"""What the method changed: the merged model minus the base. For verbs after the method."""
Cut = Annotated[Tensor, Feed("cut", ("base",), surveyed=True)]
"""1 where an entry survives an exact trim by magnitude and 0 elsewhere, (n, *piece)."""
Majority = Annotated[Callable[[], Any], Feed("majority", ("base",), surveyed=True)]
"""Call it for the sign that most entries elect, as G5 of the specification breaks ties."""
Gram = Annotated[Tensor, Feed("gram", ("base",), surveyed=True)]
"""Inner products of the task vectors over the tensor, (n, n), float64."""
WeightGram = Annotated[Tensor, Feed("weight_gram", surveyed=True)]
"""Inner products of the experts' weights over the tensor, (n, n), float64."""
L1 = Annotated[float, Feed("l1", ("base",), surveyed=True)]
"""Sum of magnitudes over the tensor or the whole model, float64."""
Norms = Annotated[tuple[float, ...], Feed("norms", ("base",), surveyed=True)]
"""Length of each task vector, or of what `on` gives, over the tensor or the whole model."""
Costly = Annotated[Tensor, Feed("costly", ("base",))]
"""What the slow function `on` gives; kept while settings move that it does not take."""
L1s = Annotated[tuple[float, ...], Feed("l1", ("base",), surveyed=True)]
"""Sums of magnitudes, one per expert, of a function `on` that returns a stack."""
Ranks = Annotated[Tensor, Feed("ranks", ("base",), surveyed=True)]
"""Place of each entry's magnitude in its row or tensor, 0 the largest, (n, *piece), int32."""
Ordered = Annotated[Tensor, Feed("ordered", ("base",), surveyed=True)]
"""Values at some places of each expert's entries in ascending order, (places, n)."""
Sizes = Annotated[Tensor, Feed("sizes", ("base",), surveyed=True)]
"""Each expert's sum of magnitudes over the model, and of its tensors' mean ones, (2, n)."""
Fisher = Annotated[Tensor, Feed("fisher", ("calibration data",))]
"""How much each expert's predictions depend on each entry."""

Delta = Annotated[Tensor, Output("delta")]
"""A change of the base."""
Weight = Annotated[Tensor, Output("weight")]
"""The merged weights themselves."""
PerTask = Annotated[Tensor, Output("per_task")]
"""One merged model per expert, (n, *piece), as weights."""
Combined = Annotated[Combination | None, Output("combination")]
"""What a method comes down to where it adds up experts, each multiplied by a number."""

LAWS: Mapping[str, str] = {
    "zero": "where nothing changed, or everything is multiplied by 0, the base comes back exactly",
    "single": "one expert at neutral settings comes back",
    "idempotent": "equal experts at neutral settings come back",
    "symmetric": "the order of the experts does not matter",
    "homogeneous": "task vectors twice as long give twice the change",
    "odd": "task vectors turned around turn the change around",
    "shift": "adding the same to base and experts adds it to the result",
    "seeded": "the same seed gives the same result, another seed another",
    "local": "a tensor depends on the same tensor of the experts only",
}
F = TypeVar("F", bound=Callable[..., Any])


def of(
    knob: str = "",
    *,
    scope: str = "tensor",
    on: Callable[..., Any] | None = None,
    when: Callable[[Mapping[str, Any]], bool] | None = None,
    places: Callable[[Mapping[str, Any], int], tuple[int, ...]] | None = None,
    nonzero: bool = False,
) -> Of:
    """Say what a surveyed feed is about; see `Of`."""
    return Of(knob, scope, on, when, places, nonzero)


def merge_method(
    title: str,
    *,
    family: str,
    paper: str,
    laws: tuple[str, ...] = ("symmetric", "idempotent"),
    neutral: Neutral | None = None,
    scope: Scope | Callable[[Mapping[str, Any]], str] = "element",
    stage: Stage = "merge",
    dialects: Mapping[str, Mapping[str, Any]] | None = None,
    experts: tuple[int, int | None] = (1, None),
    order: Order | None = None,
    evidence: Evidence | None = None,
    notices: tuple[Notice, ...] = (),
    memory: Memory | None = None,
    linear: Callable[..., Combination | None] | None = None,
) -> Callable[[F], F]:
    """Register a function as a merge method and return it unchanged.

    Args:
        title: Its name as people write it.
        family: Under which heading it is listed.
        paper: Where it was described.
        laws: What the contract tests shall hold it to; see `LAWS`.
        neutral: Settings at which equal experts come back; may depend on their number.
        scope: The smallest piece it works on; may depend on the settings.
        stage: "merge", or "before" / "after" for a verb.
        dialects: What each word of its `dialect` setting sets the others to.
        experts: The fewest and most experts it takes; the engine uses the first ones.
        order: Whether the order of n experts counts, where that depends on the settings;
            otherwise it does unless the method claims to be symmetric.
        evidence: How sure its specification is; see `EVIDENCE`.
        memory: How many pieces of float32 it makes for each expert and besides, measured in
            double precision; only where that is more than n + 3. A function of the number of
            experts, rows and columns holds for single precision too
            (docs/decisions/0012-what-a-method-may-allocate.md).
        linear: A function of feeds and settings of the method that says what it comes down to,
            where it adds up experts that are multiplied by numbers; large merges then take a
            faster way to the same bytes. None says that these settings do something else.
        notices: What to say of settings that are valid but surely not meant.
    Raises:
        TypeError: the signature breaks a rule of the grammar.
    """

    def register(fn: F) -> F:
        signature = read_signature(fn)
        by_name = {p.name: p for p in signature.params}
        method = Method(
            fn.__name__, title, family, summary_of(fn), paper, signature, laws, neutral or {},
            scope, stage, dialects or {}, experts, order, evidence, memory, by_name, notices,
            None if linear is None else read_signature(linear),
        )  # fmt: skip
        _check(method)
        METHODS.add(method)
        return fn

    return register


def _check(method: Method) -> None:
    """Raise TypeError for what the signature alone does not show to be wrong."""
    for law in method.laws:
        if law not in LAWS:
            raise TypeError(f"{method.name}: {law!r} is no law. {did_you_mean(law, LAWS)}")
    if method.evidence is not None and method.evidence not in EVIDENCE:
        raise TypeError(f"{method.name}: evidence {method.evidence!r} is none of {[*EVIDENCE]}.")
    allowed = {"merge": ("delta", "weight", "per_task"), "before": ("deltas",)}
    if method.output not in allowed.get(method.stage, ("delta",)):
        raise TypeError(f"{method.name}: stage {method.stage!r} cannot return {method.output!r}.")
    if method.stage != "after" and any(u.feed.name == "update" for u in method.feeds):
        raise TypeError(f"{method.name}: only a verb with stage 'after' is fed Update.")
    if not callable(method.scope) and method.scope not in SCOPES:
        raise TypeError(f"{method.name}: {method.scope!r} is no scope.")
    for use in method.feeds:
        _check_survey(method, use)
    for dialect, settings in method.dialects.items():
        try:
            method.resolve({"dialect": dialect, **settings})
        except RecipeError as error:
            raise TypeError(f"{method.name}: dialect {dialect!r}: {error}") from error


def _check_survey(method: Method, use: FeedUse) -> None:
    names = {p.name for p in method.params}
    if (use.feed.name == "costly" or use.of.nonzero) and use.of.on is None:
        raise TypeError(f"{method.name}: {use.name!r} must be of(on=FUNCTION).")
    if use.of.nonzero and use.of.on is not None:
        # Ranks are kept while coefficients move, so nothing ranked may depend on them.
        fed = {own.feed.name for own in read_signature(use.of.on).feeds}
        if fed & {"deltas", "coefficients"}:
            raise TypeError(f"{method.name}: {use.name!r} must rank what is fed RawDeltas.")
    if use.feed.name == "cut" and use.of.knob not in names:
        raise TypeError(f"{method.name}: {use.name!r} must be of('SETTING'), one of its own.")
    if use.feed.name == "ordered" and use.of.places is None:
        raise TypeError(f"{method.name}: {use.name!r} must be of(places=…).")
    if use.feed.name == "sizes" and use.of.scope != "global":
        raise TypeError(f"{method.name}: {use.name!r} must be of(scope='global').")
    if use.of.scope not in ("global", "tensor", "row", *names):
        raise TypeError(f"{method.name}: {use.of.scope!r} is neither a scope nor a setting.")
    if use.of.on is not None:
        missing = [p.name for p in read_signature(use.of.on).params if p.name not in names]
        if missing:
            raise TypeError(f"{method.name}: {use.name!r} needs the setting {missing[0]!r}.")
