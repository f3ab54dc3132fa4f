"""Steps of methods that decide, entry by entry, whose change counts."""

from collections.abc import Mapping, Sequence

from merger.algebra import total
from merger.diagnostics.pipeline import Pipeline, Step, Work
from merger.lazy import Tensor, torch
from merger.methods.pcb import score

SCALE = Step("add", "What is left is added up, times λ")


def _magmax(work: Work) -> Sequence[Tensor]:
    tau = work["tau"]
    chosen, largest = torch.zeros(tau.shape[1:], dtype=torch.long), tau[0].abs()
    for i, row in enumerate(tau[1:], 1):
        wins = row.abs() >= largest
        chosen = torch.where(wins, i, chosen)
        largest = torch.where(wins, row.abs(), largest)
    return _picked(tau, chosen, work)


def _random_mix(work: Work) -> Sequence[Tensor]:
    return _picked(work["tau"], work["draws"].argmax(0), work)


def _picked(tau: Tensor, chosen: Tensor, work: Work) -> Sequence[Tensor]:
    left = torch.stack([row * (chosen == i) for i, row in enumerate(tau)])
    return [tau, left, left * work.scale]


def _ram(work: Work) -> Sequence[Tensor]:
    tau = work["tau"]
    active, count = _active(tau, work.knobs["epsilon"])
    left = tau * active
    return [tau, left, left / count.clamp(min=1.0) * work.scale]


def _ramplus(work: Work) -> Sequence[Tensor]:
    tau, knobs = work["tau"], work.knobs
    active, count = _active(tau, knobs["epsilon"])
    left = tau * active
    alone = (count == 1.0).to(tau.dtype)
    pairs = zip(work["unique"], work["common"], strict=True)
    more = [
        knobs["r"] * min(knobs["alpha"], others / max(own, knobs["epsilon"])) if others else 0.0
        for own, others in pairs
    ]
    enlarged = left * (1.0 + alone * work.column(more))
    return [tau, left, enlarged, enlarged / count.clamp(min=1.0) * work.scale]


def _active(tau: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return 1 where an expert changed an entry, and how many did."""
    active = (tau.abs() > epsilon).to(tau.dtype)
    return active, total(active)


def _arcee(work: Work) -> Sequence[Tensor]:
    # Where a change does not stand out, the base comes back bit by bit.
    scale = work.scale
    left = work.update if scale == 1.0 else torch.where(work.update != 0, work.raw, 0.0)
    return [work.raw, left, work.update]


def _nearswap(work: Work) -> Sequence[Tensor]:
    limit = work.knobs["t"]
    return [work.raw, work.raw.clamp(-limit, limit), work.update]


def _pcb(work: Work) -> Sequence[Tensor]:
    tau, knobs, weights = work["tau"], work.knobs, work.column(work.weights)
    low, high = (work.column(values) for values in work["bounds"])
    worst, best = (work.column(values) for values in work["winners"])
    clipped = torch.minimum(torch.maximum(tau.abs(), low), high) * tau.sign()
    reached = score(tau, work["bounds"], clip=knobs["clip"], balance=knobs["balance"])
    room = torch.where(best > worst, best - worst, 1.0)
    shares = (torch.maximum(reached, worst) - worst) / room
    left = clipped * (shares > 0)
    given = clipped * shares * weights / total(shares).clamp(min=1e-12)
    return [work.tau, clipped * weights, left * weights, given * work.scale]


ACTIVE = Step("threshold", "Changes up to ε count as none", "too small")
SPREAD = Step("average", "What several changed is averaged, what one did stays whole, times λ")

PIPELINES: Mapping[str, Pipeline] = {
    "arcee_fusion": Pipeline(
        (
            Step("select", "Only changes far more important than most are kept", "unimportant"),
            Step("take over", "They are taken over, times λ", together=True),
        ),
        _arcee,
    ),
    "magmax": Pipeline(
        (
            Step("pick", "In each entry only the largest change counts", "smaller than another's"),
            SCALE,
        ),
        _magmax,
    ),
    "nearswap": Pipeline(
        (
            Step("limit", "Each entry moves by no more than t"),
            Step("move", "The base moves by that much", together=True),
        ),
        _nearswap,
    ),
    "pcb": Pipeline(
        (
            Step("clip", "The smallest and the largest magnitudes are clipped"),
            Step("compete", "Entries with the best scores are kept", "beaten"),
            Step("weigh", "They are averaged, each by its score, times λ"),
        ),
        _pcb,
    ),
    "ram": Pipeline((ACTIVE, SPREAD), _ram),
    "ramplus_tl": Pipeline(
        (ACTIVE, Step("enlarge", "What one expert alone changed is enlarged"), SPREAD), _ramplus
    ),
    "random_mix": Pipeline(
        (Step("draw lots", "In each entry one expert is drawn", "not drawn"), SCALE), _random_mix
    ),
}
