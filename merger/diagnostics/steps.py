"""The steps of methods that decide entry by entry: what is kept, and which sign counts.

Each follows its method with the same verbs and settings up to the point where values are
combined; a test combines them and compares with the method itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from merger.algebra import drop, elect_sign, keep, total
from merger.lazy import Tensor
from merger.masks import band, magprune
from merger.methods.sce import selected

Feeds = Mapping[str, Any]
Knobs = Mapping[str, Any]
Kept = Callable[[Feeds, Knobs], Tensor]


class Steps(NamedTuple):
    """How one method treats entries.

    Args:
        follow: Returns what is kept, (n, *piece), and the sign that counts, (*piece).
        elects: Whether that sign is elected, so that only those that agree are combined; else
            everything kept is added up, and it is the sign of the sum.
        word: What being left out is called; empty where nothing can be.
    """

    follow: Callable[[Feeds, Knobs], tuple[Tensor, Tensor]]
    elects: bool
    word: str


def _voting(kept: Kept, word: str) -> Steps:
    def follow(feeds: Feeds, knobs: Knobs) -> tuple[Tensor, Tensor]:
        left = kept(feeds, knobs)
        return left, elect_sign(left, knobs["elect"], knobs["tie"], feeds["majority"])

    return Steps(follow, True, word)


def _adding(kept: Kept, word: str = "") -> Steps:
    def follow(feeds: Feeds, knobs: Knobs) -> tuple[Tensor, Tensor]:
        left = kept(feeds, knobs)
        return left, total(left).sign_()

    return Steps(follow, False, word)


def _voters(feeds: Feeds, knobs: Knobs) -> Tensor:
    return feeds["raw"] if knobs["ballots"] == "equal" else feeds["tau"]


def _trimmed(feeds: Feeds, knobs: Knobs) -> Tensor:
    return keep(feeds["tau"], feeds["cut"])


def _trimmed_voters(feeds: Feeds, knobs: Knobs) -> Tensor:
    return keep(_voters(feeds, knobs), feeds["cut"])


def _dropped(feeds: Feeds, knobs: Knobs) -> Tensor:
    return drop(feeds["tau"], feeds["draws"], knobs["density"], knobs["rescale"])


def _dropped_voters(feeds: Feeds, knobs: Knobs) -> Tensor:
    left = drop(_voters(feeds, knobs), feeds["draws"], knobs["density"], knobs["rescale"])
    return keep(left, feeds["cut"])


def _banded(feeds: Feeds, knobs: Knobs) -> Tensor:
    tau = feeds["tau"]
    return band(feeds["ranks"], knobs["density"], knobs["gamma"], knobs["trim"], tau).mul_(tau)


def _pruned(feeds: Feeds, knobs: Knobs) -> Tensor:
    shares = knobs["density"], knobs["epsilon"], knobs["rescale"]
    return magprune(feeds["tau"], feeds["draws"], feeds["ranks"], *shares)


def _selected(feeds: Feeds, knobs: Knobs) -> tuple[Tensor, Tensor]:
    tau = feeds["tau"]
    left = selected(tau, knobs["select_topk"]) if knobs["select"] == "update" else tau
    return left, elect_sign(left, tie="plus")


STEPS: Mapping[str, Steps] = {
    "breadcrumbs": _adding(_banded, "trimmed"),
    "breadcrumbs_ties": _voting(_banded, "trimmed"),
    "dare_linear": _adding(_dropped, "dropped"),
    "dare_ties": _voting(_dropped_voters, "dropped"),
    "della": _voting(_pruned, "dropped"),
    "della_linear": _adding(_pruned, "dropped"),
    "magnitude_prune": _adding(_trimmed, "trimmed"),
    "sce": Steps(_selected, True, "left out"),
    "task_arithmetic": _adding(lambda feeds, knobs: feeds["tau"]),
    "ties": _voting(_trimmed_voters, "trimmed"),
}
