"""AMA: how much of the model before comes back, part by part."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from merger.notices import Case, Notice
from merger.places import layer_of, module_of
from merger.spec import Base, Delta, DepthAt, Key, Knob, Weights, merge_method

Slider = Annotated[float, Knob(-20.0, 20.0, slider=(-4.0, 4.0), step=0.1)]


def _shares(knobs: Mapping[str, Any]) -> list[float]:
    """Return each part's share of the model before; their mean is `base_share`."""
    sliders = [knobs[f"s{i + 1}"] for i in range(int(knobs["parts"]))]
    strengths = [1.0 / (1.0 + math.exp(-s)) + knobs["epsilon"] for s in sliders]
    each = knobs["base_share"] * len(sliders)
    return [each * strength / sum(strengths) for strength in strengths]


def _passes_one(case: Case) -> bool:
    return max(_shares(case.knobs)) > 1.0


@merge_method(
    "AMA (adaptive model averaging)",
    family="interpolation",
    paper="arXiv:2309.06256",
    evidence="code read",
    laws=("zero", "single", "homogeneous", "odd", "shift", "local"),
    neutral={"base_share": 0.0},
    experts=(1, 1),
    notices=(
        Notice(
            _passes_one,
            "A part's share of the model before is more than 1, which goes past that model.",
            "Lower base_share, or bring the parts' sliders closer together.",
        ),
    ),
)
def ama(
    theta: Weights,
    base: Base,
    depth: DepthAt,
    key: Key,
    *,
    base_share: Annotated[float, Knob(slider=(0.0, 1.0), step=0.01, symbol="a₀")] = 0.2,
    parts: Literal["3", "6"] = "3",
    s1: Slider = 0.0,
    s2: Slider = 0.0,
    s3: Slider = 0.0,
    s4: Slider = 0.0,
    s5: Slider = 0.0,
    s6: Slider = 0.0,
    epsilon: Annotated[float, Knob(0.0, slider=(0.0, 1.0), step=0.05, symbol="ε")] = 0.2,
) -> Delta:
    """Mix an aligned model with the one before, by part of the depth, at a fixed mean.

    θ* = aᵢ θ₀ + (1 − aᵢ) θ₁, with aᵢ = a₀ K (σ(sᵢ) + ε) / Σ (σ(sⱼ) + ε), whose mean is a₀

    Args:
        theta: The weights of the model after alignment.
        base: The weights of the model before.
        depth: Depth of the tensor, which says in which part it lies.
        key: The tensor's name; outside the layers, embeddings go with the first part.
        base_share: Mean share of the model before; 0 is the expert, 1 the base.
        parts: Into how many equal parts of the depth the layers are split.
        s1: How strongly the first part draws on the model before, next to the others.
        s2: The same for the second part.
        s3: The same for the third part.
        s4: The same for the fourth part, where there are six.
        s5: The same for the fifth part, where there are six.
        s6: The same for the last part, where there are six.
        epsilon: Keeps the parts' shares from differing too much.
    Fails: A part's share may pass 1, which goes past the model before instead of mixing. The paper
        learns the shares from data; here nobody has checked the ones you set.
    Reference: Lin et al., Mitigating the Alignment Tax of RLHF, 2024, arXiv:2309.06256. Differs:
        the sᵢ are sliders instead of learned, every tensor is mixed instead of linear maps only;
        heads and final norms take a₀. A part's share may pass 1, as it may there.
    """
    sliders = {"s1": s1, "s2": s2, "s3": s3, "s4": s4, "s5": s5, "s6": s6}
    shares = _shares({"base_share": base_share, "parts": parts, "epsilon": epsilon} | sliders)
    share = shares[min(len(shares) - 1, int(depth * len(shares)))]
    if layer_of(key) is None and module_of(key) != "embed":
        share = base_share
    return (theta[0] - base) * (1.0 - share)
