"""Steps of methods that filter, shift or settle task matrices as a whole."""

from collections.abc import Mapping, Sequence

from merger.algebra import keep, mean, total
from merger.diagnostics.pipeline import Pipeline, Step, Work
from merger.filters import equal_sizes, high_pass
from merger.lazy import Tensor
from merger.spectral import is_linear, widen
from merger.threads import one_thread

States = Sequence[Tensor]


def _filtered(work: Work) -> States:
    tau, knobs = work.tau, work.knobs
    by = knobs["filter_by"], knobs["frequencies"], knobs["rho"]
    left = high_pass(tau, work.key, *by, equal_sizes(tau) if knobs["align"] else ())
    return [tau, left, left * work.scale]


def _twin(work: Work) -> States:
    tau, own = work.raw, work["own"]
    shared = total(tau) * work.knobs["shared_scale"]
    return [tau, shared.unsqueeze(0), own, work.update]


def _wudi(work: Work) -> States:
    summed = total(work.tau).unsqueeze(0)
    if not is_linear(work.key, work.tau) and work.knobs["rest"] == "mean":
        summed = mean(work.tau).unsqueeze(0)
    return [work.tau, summed, work["update"].unsqueeze(0), work.update]


def _doge(work: Work) -> States:
    tau = work["tau"]
    if not is_linear(work.key, tau):
        return [work.tau, tau * 0.0, tau * 0.0, tau * 0.0]
    with one_thread():
        lengths = [float(each.double().norm()) for each in widen(tau)]
    eta = work.knobs["eta"]
    wanted = eta * sum(lengths) / len(lengths) if work.knobs["units"] == "relative" else eta
    pairs = zip(work.weights, lengths, strict=True)
    shares = work.column([w * wanted / size if size > 0.0 else 0.0 for w, size in pairs])
    moved = tau + work["shift"]
    return [work.tau, tau * shares, moved * shares, keep(moved, work["cut"]) * shares]


PIPELINES: Mapping[str, Pipeline] = {
    "doge": Pipeline(
        (
            Step("equalise", "Matrices of linear layers get one length, all else is left out",
                 "left out"),
            Step("shift", "All move together to where they disturb each other least"),
            Step("trim and add", "Each keeps its largest changes, and they are added", "trimmed"),
        ),
        _doge, scaled=0, matrix=True,
    ),
    "fr_merging": Pipeline(
        (
            Step("filter", "Low frequencies are taken off each matrix, all else is left out",
                 "filtered out"),
            Step("add", "What is left is added up, times λ"),
        ),
        _filtered, "directions", matrix=True,
        note="Frequencies that are taken off are no directions: only their energy is measured.",
    ),
    "twin": Pipeline(
        (
            Step("share", "All changes are added up, times λₛ", together=True),
            Step("compress", "Of what is left of each expert the strongest directions are kept"),
            Step("mix", "What is shared and a mix of what is their own are added up",
                 together=True),
        ),
        _twin, scaled=0, matrix=True,
    ),
    "wudi": Pipeline(
        (
            Step("add", "The experts are added up", together=True),
            Step("settle", "The sum moves to where it disturbs each expert least", together=True),
            Step("scale", "The update is multiplied by λ", together=True),
        ),
        _wudi, matrix=True,
    ),
}  # fmt: skip
