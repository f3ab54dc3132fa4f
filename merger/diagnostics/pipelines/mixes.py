"""Steps of methods that take a share of each expert's whole tensor: averages, lines and arcs."""

from collections.abc import Mapping, Sequence

from merger.diagnostics.pipeline import Pipeline, Step, Work
from merger.lazy import Tensor

ADD = Step("add", "The shares are added up", together=True)
GO = Step("go", "The base moves by that much", together=True)


def _mixed(work: Work) -> Sequence[Tensor]:
    """Return each expert's whole change, its share of it, and the update."""
    return [work.raw, work.raw * work.column(work.shares()), work.update]


def _summed(work: Work) -> Sequence[Tensor]:
    """Do the same for methods that are handed task vectors with their coefficients."""
    return [work.tau, work.tau * work.column(work.shares()), work.update]


def _arc(work: Work) -> Sequence[Tensor]:
    if work.knobs.get("axis", "tensor") == "tensor":
        return _mixed(work)
    # Every row or column has an angle of its own: there is no one share to multiply by.
    return [work.raw, work.raw, work.update]


def _spread(work: Work) -> Sequence[Tensor]:
    return [work.raw, work.raw / work.n, work.update]


def _recovered(work: Work) -> Sequence[Tensor]:
    return [work.tau, work.update]


def _stock(work: Work) -> Sequence[Tensor]:
    return [work.tau, work.tau / work.n, work.tau * work.column(work.shares())]


def _share(how: str) -> Step:
    return Step("share", f"Each expert's change is multiplied by {how}")


def _mix(how: str, scaled: int = 0) -> Pipeline:
    return Pipeline((_share(how), ADD), _mixed, scaled=scaled)


def _line(how: str, scaled: int = 0) -> Pipeline:
    return Pipeline((_share(how), GO), _mixed, scaled=scaled)


ARC = "The base is part of what is turned, so that shares that do not add up to 1 move it too."

PIPELINES: Mapping[str, Pipeline] = {
    "ama": _line("what its part of the depth leaves to it"),
    "analogy": Pipeline((_share("1, 1 or −1, times λ"), ADD), _summed, scaled=2),
    "average": _mix("1/T"),
    "bang": _line("α"),
    "checkpoint_average": _mix("1/k if it is one of the last k, else 0"),
    "ema": _mix("what the decay leaves of it"),
    "expo": _line("1 + α"),
    "karcher": Pipeline(
        (_share("its share of the mean on the sphere, tensor by tensor"), ADD),
        _mixed, scaled=0, note=ARC,
    ),
    "linear": _mix("its coefficient, as a share of all"),
    "model_stock": Pipeline(
        (
            Step("average", "Each expert counts the same"),
            Step("step", "The base goes as far towards the mean as the experts' angles allow"),
        ),
        _stock,
    ),
    "multislerp": Pipeline(
        (_share("its share of the mean direction at the mean length, tensor by tensor"), ADD),
        _mixed, scaled=0, note=ARC,
    ),
    "mwa": _mix("the weight that its loss or step gives it"),
    "nuslerp": Pipeline(
        (_share("what the angle between the two gives, tensor by tensor"), ADD),
        _arc, scaled=0,
        note=f"{ARC} Over rows or columns every row has shares of its own; they are not counted.",
    ),
    "passthrough": Pipeline(
        (
            _share("λ"),
            Step("go", "The base is multiplied by λ too, as weights are", together=True),
        ),
        _mixed, scaled=0,
    ),
    "rmm": Pipeline(
        (Step("recover", "Each expert is recovered from a few basis models"),),
        _recovered, adds=False, scaled=0,
    ),
    "rws": Pipeline(
        (_share("its share of clean expert and signature, tensor by tensor"), ADD),
        _mixed, scaled=0,
    ),
    "salsa": _mix("1 − t or t"),
    "slerp": Pipeline(
        (_share("what the angle between the two gives, tensor by tensor"), ADD),
        _mixed, scaled=0, note=ARC,
    ),
    "task_arithmetic": Pipeline((_share("λ"), ADD), _summed, scaled=2),
    "variance_corrected": Pipeline(
        (
            Step("average", "Each expert counts the same"),
            Step("spread", "The mean is spread out as far as the experts are, tensor by tensor",
                 together=True),
        ),
        _spread, scaled=0,
    ),
    "wise_ft": _line("α"),
}  # fmt: skip
