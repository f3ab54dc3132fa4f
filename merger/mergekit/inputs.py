"""Which models of a slice are the experts and which is the base, as the method sees them."""

from merger.errors import RecipeError
from merger.mergekit.document import Document, Input, Slice
from merger.mergekit.findings import Findings


def split_inputs(
    document: Document, one: Slice, findings: Findings
) -> tuple[Input | None, list[Input]]:
    """Return the base and the experts of a slice.

    Raises:
        RecipeError: too few or too many models, or no base where one is needed.
    """
    kind, inputs = document.kind, list(one.inputs)
    if len({item.model for item in inputs}) < len(inputs):
        findings.note(
            "mergekit stops at a model that is listed twice; here both count.", one.where
        )
    listed = next((item for item in inputs if item.model == one.base), None)
    base = listed
    if kind.base == "required" and one.base is None:
        raise RecipeError(f"{document.method} needs base_model.", "Add 'base_model: …'.")
    if kind.base == "input":
        base, inputs = _with_base(document, one, listed, findings)
    elif one.base is not None:
        base = _base(document, one, listed, findings)
        inputs = [item for item in inputs if item.model != one.base]
    low, high = kind.inputs
    if len(inputs) < low or (high is not None and len(inputs) > high):
        wanted = f"{low}" if low == high else f"at least {low}"
        beside = "" if kind.base == "input" or one.base is None else " beside the base"
        place = f"{one.where}: " if document.is_sliced else ""
        raise RecipeError(
            f"{place}{document.method} takes {wanted} model{'s' * (wanted != '1')}{beside}, "
            f"got {len(inputs)}.",
            "Add or remove models.",
        )
    return base, inputs


def _base(document: Document, one: Slice, listed: Input | None, findings: Findings) -> Input:
    assert one.base is not None
    if listed is None and document.is_sliced:
        raise RecipeError(
            f"{one.where}: base_model is not among its sources, and {document.method} needs to "
            "know which of its layers to take.",
            "List it with its layer_range.",
        )
    if listed is not None and listed.level:
        findings.trap("Parameters of the base have no effect.", listed.where)
    return listed or Input(one.base, {}, "base_model")


def _with_base(
    document: Document, one: Slice, listed: Input | None, findings: Findings
) -> tuple[Input | None, list[Input]]:
    """Return the base and the experts of a method that takes the base for one of its models."""
    method, inputs = document.method, list(one.inputs)
    if method == "slerp":
        if one.base is None or listed is None:
            raise RecipeError(
                "slerp needs base_model to be one of its two models.",
                "Set base_model to the model where t = 0.",
            )
        inputs.sort(key=lambda item: item.model != one.base)
        return (None if document.is_sliced else listed), inputs
    if one.base is None or listed is not None or document.is_sliced:
        return (None if document.is_sliced else listed), inputs
    joined = Input(one.base, {}, "base_model")
    if method == "karcher":
        findings.trap(
            "base_model joins the mean, though models does not list it.",
            "base_model",
            "Take base_model out if it should not count.",
        )
        return joined, [*inputs, joined]
    raise RecipeError(
        f"{method} takes base_model for one of the models, and models does not list it.",
        "List it with its parameters, or take base_model out.",
    )
