"""Steps of methods that trim or drop entries, elect a sign, and combine what agrees."""

from collections.abc import Callable, Mapping, Sequence

from merger.algebra import TINY, drop, elect_sign, keep
from merger.diagnostics.pipeline import Pipeline, Step, Work
from merger.lazy import Tensor, torch
from merger.masks import band, magprune, shares_of
from merger.methods.sce import selected
from merger.sums import sum_of_squares

TRIM = Step("trim", "Each expert keeps its largest changes", "trimmed")
BAND = Step("trim", "Each expert loses its largest outliers and its small changes", "trimmed")
DROP = Step("drop", "Changes are drawn at random, and the others set to 0", "dropped")
RESCALE = Step("rescale", "What is left is enlarged to make up for what was dropped")
ELECT = Step("elect", "Values whose sign is not the elected one are set to 0", "outvoted", True)
COMBINE = Step("combine", "Values that agree become one, times λ")
ADD = Step("add", "What is left is added up, times λ")

Kept = Callable[[Work], Sequence[Tensor]]


def _voting(kept: Kept, *steps: Step) -> Pipeline:
    """Return the pipeline of what is kept, the election, and what agrees."""

    def follow(work: Work) -> Sequence[Tensor]:
        # Some dialects elect without coefficients, which are multiplied to what agrees.
        later = work.knobs.get("ballots") == "equal"
        factors = work.column(work.weights) if later else 1.0
        before = kept(work)
        last = before[-1]
        knobs = work.knobs
        sign = elect_sign(last, knobs["elect"], knobs["tie"], work["majority"])
        agrees = (last * sign > 0).to(last.dtype)
        elected = last * agrees * factors
        joined = _combined(last, agrees, elected, work)
        return [work.tau, *(state * factors for state in before), elected, joined]

    return Pipeline((*steps, ELECT, COMBINE), follow)


def _combined(kept: Tensor, agrees: Tensor, elected: Tensor, work: Work) -> Tensor:
    """Return what each expert gives to the update."""
    how = work.knobs["combine"]
    below = torch.ones_like(agrees[0])
    if how == "max":
        sizes = elected * kept.sign()
        reached = torch.zeros_like(below)
        for row in sizes:
            torch.maximum(reached, row, out=reached)
        # Of equal ones the first gives the value.
        free, given = torch.ones_like(below), torch.empty_like(elected)
        for row, size, out in zip(elected, sizes, given, strict=True):
            first = ((size == reached) & (reached > 0)).to(row.dtype) * free
            out.copy_(row * first)
            free -= first
        return given * work.scale
    if how in ("mean", "weighted"):
        below = torch.zeros_like(below)
        shares = work.weights if how == "weighted" else (1.0,) * work.n
        for row, share in zip(agrees, shares, strict=True):
            below += row * share
        below = torch.where(below == 0.0, 1.0, below)
    return elected / below * work.scale


def _adding(kept: Kept, *steps: Step) -> Pipeline:
    """Return the pipeline of what is kept and added up."""

    def follow(work: Work) -> Sequence[Tensor]:
        before = kept(work)
        return [work.tau, *before, before[-1] * work.scale]

    return Pipeline((*steps, ADD), follow)


def _voters(work: Work) -> Tensor:
    return work["raw"] if work.knobs["ballots"] == "equal" else work["tau"]


def _dropped(work: Work, tau: Tensor) -> list[Tensor]:
    draws, density = work["draws"], work.knobs["density"]
    left = drop(tau, draws, density, "none")
    rescale = work.knobs["rescale"]
    return [left, left if rescale == "none" else drop(tau, draws, density, rescale)]


def _dropped_and_trimmed(work: Work) -> list[Tensor]:
    left, enlarged = _dropped(work, _voters(work))
    return [left, enlarged, keep(enlarged, work["cut"])]


def _pruned(work: Work) -> list[Tensor]:
    knobs = work.knobs
    tau, draws, ranks = work["tau"], work["draws"], work["ranks"]
    shares = knobs["density"], knobs["epsilon"]
    left = magprune(tau, draws, ranks, *shares, "none")
    if knobs["rescale"] == "none":
        return [left, left]
    return [left, magprune(tau, draws, ranks, *shares, knobs["rescale"])]


def _banded(work: Work) -> list[Tensor]:
    tau, knobs = work["tau"], work.knobs
    kept = band(work["ranks"], knobs["density"], knobs["gamma"], knobs["trim"], tau)
    return [kept.mul_(tau)]


def _sce(work: Work) -> Sequence[Tensor]:
    tau, knobs = work["tau"], work.knobs
    chosen = selected(tau, knobs["select_topk"])
    sizes = [sum_of_squares(row) / max(1, row.numel()) for row in chosen]
    shares = shares_of([0.0] * len(tau) if sum(sizes) < knobs["floor"] else sizes)
    left = chosen if knobs["select"] == "update" else tau
    agrees = (left * elect_sign(left, tie="plus") > 0).to(tau.dtype)
    below = torch.zeros_like(tau[0])
    for row, share in zip(agrees, shares, strict=True):
        below += row * share
    elected = left * agrees
    given = elected * work.column(shares) / below.clamp(min=knobs["floor"] or TINY)
    return [tau, left, elected, given * work.scale]


SELECT = Step("select", "Entries are selected in which the experts differ most", "left out")
WEIGH = Step("weigh", "Values that agree are averaged, each by its expert's energy, times λ")

PIPELINES: Mapping[str, Pipeline] = {
    "breadcrumbs": _adding(_banded, BAND),
    "breadcrumbs_ties": _voting(_banded, BAND),
    "dare_linear": _adding(lambda work: _dropped(work, work["tau"]), DROP, RESCALE),
    "dare_ties": _voting(_dropped_and_trimmed, DROP, RESCALE, TRIM),
    "della": _voting(_pruned, DROP, RESCALE),
    "della_linear": _adding(_pruned, DROP, RESCALE),
    "magnitude_prune": _adding(lambda work: [keep(work["tau"], work["cut"])], TRIM),
    "sce": Pipeline((SELECT, ELECT, WEIGH), _sce),
    "ties": _voting(lambda work: [keep(_voters(work), work["cut"])], TRIM),
}
