"""Analogy: a task made of three others, as in "A is to B as C is to D"."""

from typing import Annotated

from merger.spec import Delta, Deltas, Knob, merge_method


@merge_method(
    "Task analogy",
    family="task arithmetic",
    paper="arXiv:2212.04089",
    evidence="code read",
    laws=("zero", "idempotent", "homogeneous", "odd", "shift", "local"),
    neutral={"scale": 1.0},
    experts=(3, 3),
)
def analogy(
    tau: Deltas,
    *,
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Make a fourth task out of three: the first is to the second as the third is to it.

    θ* = θ₀ + λ (τ_C + τ_B − τ_A), for experts A, B and C in this order

    Args:
        tau: Task vectors of A, B and C.
        scale: Multiplies the whole update.
    Fails: Holds only as far as two tasks differ by the same change as the other two. Exchanging
        the first expert with another one is another question.
    Reference: Ilharco et al., Editing Models with Task Arithmetic, 2023, arXiv:2212.04089, section
        5.
    """
    return (tau[2] + (tau[1] - tau[0])) * scale
