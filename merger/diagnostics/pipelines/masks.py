"""Steps of methods that cut each expert's part out of one update for all."""

from collections.abc import Mapping, Sequence

from merger.algebra import combine_agreeing, elect_sign, keep, total
from merger.diagnostics.pipeline import Held, Pipeline, Step, Work
from merger.lazy import Tensor
from merger.masks import own_masks
from merger.methods.emr import masked

UNIFY = Step("unify", "The experts become one update for all", together=True)
GIVE = Step("give back", "Each expert gets its part, times α")


def _unified(work: Work) -> Tensor:
    """Return what each expert gives to the update for all, (n, *piece)."""
    tau = work["tau"]
    if work["cut"] is None:
        return tau
    kept = keep(tau, work["cut"])
    return kept * (kept * elect_sign(kept, majority=work["majority"]) > 0)


def _consensus(work: Work) -> Sequence[Tensor]:
    tau = work["tau"]
    parts = _unified(work)
    whole = total(parts)
    count = total(own_masks(tau, whole, work.knobs["strictness"]))
    left = parts * (count >= work.knobs["k"])
    return [tau, parts, left, left * work.scale]


def _tall(work: Work) -> Sequence[Tensor]:
    tau = work["tau"]
    whole = total(_unified(work))
    left = own_masks(tau, whole, work.knobs["strictness"]).mul_(whole)
    return [tau, whole.unsqueeze(0), left, left * work.scale]


def _emr(work: Work) -> Sequence[Tensor]:
    tau = work["tau"]
    left = masked(tau)
    sign = (total(tau) > 0.0).to(tau.dtype).mul_(2.0).sub_(1.0)
    whole = combine_agreeing(tau, sign, "max")
    return [tau, tau * (tau * sign > 0), whole.unsqueeze(0), left, work.update]


def _free(work: Work) -> Sequence[Tensor]:
    each = work["each"]
    return [work.tau, each, total(each).unsqueeze(0), work.update]


def _twin_per_task(work: Work) -> Sequence[Held | Tensor]:
    shared = total(work["tau"]) * work.knobs["shared_scale"]
    return [work.tau, shared.unsqueeze(0), work["own"], work.update]


PIPELINES: Mapping[str, Pipeline] = {
    "consensus": Pipeline(
        (
            Step("unify", "The experts are added up, or elect what TIES adds up", "outvoted"),
            Step("agree", "Only entries that k experts need are kept", "needed by too few"),
            Step("add", "They are added up, times α"),
        ),
        _consensus,
    ),
    "emr": Pipeline(
        (
            Step("elect", "Values that point against the sum are set to 0", "outvoted", True),
            Step("unify", "In each entry the largest that agrees becomes the update for all",
                 together=True),
            Step("mask", "Each expert gets the entries in which it agrees"),
            Step("rescale", "They are made as large as the expert's own change"),
        ),
        _emr, adds=False,
    ),
    "free_merging": Pipeline(
        (
            Step("filter", "Low frequencies are taken off each matrix, all else is left out"),
            Step("unify", "What is left is added up for all", together=True),
            Step("give back", "Each expert's strongest changes are put on top, times λ"),
        ),
        _free, adds=False, matrix=True,
    ),
    "tall_masks": Pipeline(
        (
            UNIFY,
            Step("mask", "Each expert keeps the entries it needs", "masked out"),
            GIVE,
        ),
        _tall, adds=False,
    ),
    "twin_per_task": Pipeline(
        (
            Step("share", "All changes are added up, times λₛ, for all experts", together=True),
            Step("compress", "Of what is left of each expert the strongest directions are kept"),
            Step("give back", "Each expert gets what is shared and what is its own"),
        ),
        _twin_per_task, adds=False, scaled=0, matrix=True,
    ),
}  # fmt: skip
