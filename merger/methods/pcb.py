"""PCB-Merging: entries compete within an expert and between experts; the winners are kept."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from merger.algebra import parts, total
from merger.lazy import Tensor, torch
from merger.spec import Coefficients, Delta, Deltas, Knob, Ordered, RawDeltas, merge_method, of

Density = Annotated[float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="r")]
Clip = Annotated[float, Knob(0.0, 0.5, slider=(0.0, 0.1), step=0.001, symbol="q")]
Balance = Literal["pairwise", "total"]


def _clipped(knobs: Mapping[str, Any], entries: int) -> tuple[int, int]:
    low = int(entries * knobs["clip"])
    return low, max(low, int(entries * (1.0 - knobs["clip"])) - 1)


def _winning(knobs: Mapping[str, Any], entries: int) -> tuple[int, int]:
    return min(entries - 1, int(entries * (1.0 - knobs["density"]))), entries - 1


Bounds = Annotated[Ordered, of(scope="global", places=_clipped)]


def score(
    tau: RawDeltas, bounds: Bounds, *, clip: Clip = 0.01, balance: Balance = "pairwise"
) -> Deltas:
    """Return how well each entry does in the competition."""
    found = torch.empty_like(tau)
    low, high = _column(bounds[0], tau), _column(bounds[1], tau)
    for part, out in parts(tau, found):
        out.copy_(_scored(part, low, high, balance))
    return found


def _scored(tau: Tensor, low: Tensor, high: Tensor, balance: Balance) -> Tensor:
    size = _unit(torch.minimum(torch.maximum(tau.abs(), low), high), low, high)
    within = torch.exp(size * size * len(tau))
    if balance == "total":
        return within * torch.tanh(tau * total(tau))
    signed = size * tau.sign()
    between = torch.zeros_like(tau)
    for i, row in enumerate(signed):
        for j in range(i, len(signed)):
            met = torch.tanh(row * signed[j])
            between[i] += met
            if j > i:
                between[j] += met
    return within * between


@merge_method(
    "PCB-Merging",
    family="sign consensus",
    paper="arXiv:2410.02396",
    evidence="code read",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift"),
)
def pcb(
    tau: RawDeltas,
    bounds: Bounds,
    winners: Annotated[Ordered, of(scope="global", on=score, places=_winning)],
    weights: Coefficients,
    *,
    density: Density = 0.1,
    clip: Clip = 0.01,
    balance: Balance = "pairwise",
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Let entries compete by size and agreement, keep the winners, weigh them by their score.

    βₜ = exp(T·N(|τₜ|)²) ⊙ Σⱼ tanh(τ̂ₜ ⊙ τ̂ⱼ) with τ̂ = sgn(τ) N(|τ|), N to 0 … 1 over the model;
    sₜ = N(top-r of βₜ); θ* = θ₀ + λ Σ wₜ τₜ ⊙ sₜ / Σ sₜ

    Args:
        tau: Task vectors before any coefficient.
        bounds: Magnitudes that each expert's are clipped to.
        winners: Scores of the best entry that is dropped, and of the best of all.
        weights: One coefficient per expert.
        density: Share of the model's entries each expert keeps, those with the best scores.
        clip: Share of the smallest and of the largest magnitudes that are clipped.
        balance: Compare experts pair by pair (the authors' code for vision with evolution
            search), or each with the sum of all, on raw values (their code for language).
        scale: Multiplies the whole update.
    Fails: Equal experts do not come back: of each only the share with the best scores does. With
        `balance: total` the result depends on the size of the task vectors (measured: 20 % off at
        a root mean square of 1).
    Reference: Du et al., Parameter Competition Balancing for Model Merging, 2024,
        arXiv:2410.02396. Three variants are published; "total" depends on the size of task
        vectors, which "pairwise" does not.
    """
    low, high = _column(bounds[0], tau), _column(bounds[1], tau)
    worst, best = _column(winners[0], tau), _column(winners[1], tau)
    factors = _column(torch.tensor(weights), tau)
    result = torch.empty_like(tau[0])
    for part, out in parts(tau, result.unsqueeze(0)):
        reached = _scored(part, low, high, balance)
        shares = _unit(torch.maximum(reached, worst), worst, best)
        clipped = torch.minimum(torch.maximum(part.abs(), low), high) * part.sign()
        out[0] = total(clipped * shares * factors) / total(shares).clamp(min=1e-12) * scale
    return result


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like).reshape(-1, *[1] * (like.dim() - 1))


def _unit(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return values as shares of the way from low to high; 0 where these are equal."""
    width = high - low
    return (values - low) / torch.where(width > 0.0, width, 1.0)
