"""What mergekit passes over in silence, named; and where its results are other than ours."""

from collections.abc import Collection, Sequence
from typing import Any

from merger.mergekit.document import Document
from merger.mergekit.findings import Findings
from merger.mergekit.settled import Settled
from merger.mergekit.table import REQUIRED
from merger.mergekit.values import WORDS, Condition
from merger.places import LAYER, comes_before_layers, count_layers
from merger.tied import HEADS

RANDOM = ("dare_linear", "dare_ties", "della", "della_linear")
# Below this, tensors of which mergekit keeps nothing are as large as real norms and biases.
SMALL_DENSITY = 1 / 64
Names = Sequence[Sequence[Collection[str] | None]]


def find_traps(
    document: Document, slices: Sequence[Settled], names: Names, raw: bool, findings: Findings
) -> None:
    """Tell what to know about a configuration that could be read.

    Args:
        document: The configuration.
        slices: What holds in each slice.
        names: Tensor names of the experts of each slice; None where they are not at hand.
        raw: Whether it is one of mergekit-pytorch.
        findings: Where to tell.
    """
    for one in slices:
        _gradients(document, one, raw, findings)
        _parameters(document, one, findings)
        _conditions(document, one, findings)
        _weights(document, one, findings)
    _of_method(document, slices, findings)
    _of_document(document, slices, findings)
    if document.is_sliced:
        _of_slices(slices, names, findings)


def _said(one: Settled, name: str) -> list[list[Condition]]:
    return [found for (setting, _), found in one.tried.items() if setting == name]


def _values(one: Settled, name: str) -> list[Any]:
    return [c.value for found in _said(one, name) for c in found]


def _gradients(document: Document, one: Settled, raw: bool, findings: Findings) -> None:
    values = [c.value for found in one.tried.values() for c in found]
    if not any(isinstance(v, list) and len(v) > 1 for v in values):
        return
    findings.trap(
        "mergekit-pytorch knows no layers, and takes the first value of a list."
        if raw
        else "lm_head, embeddings and the final norm take the first value of a list.",
        "parameters",
    )
    if one.slice.length == 1:
        findings.trap(
            "A slice of one layer takes the last value of a list.",
            one.slice.where,
            "Give it one value.",
        )


def _parameters(document: Document, one: Settled, findings: Findings) -> None:
    method = document.method
    said = {name for (name, _), found in one.tried.items() if found}
    if method == "task_arithmetic" and "density" in said:
        findings.trap("task_arithmetic ignores density.", "parameters", "Use ties.")
    elif "density" in document.kind.names and method != "task_arithmetic":
        for i, item in enumerate(one.inputs):
            if not one.tried["density", i]:
                findings.trap(
                    "Where density is not said, mergekit keeps everything.",
                    item.where,
                    "Write density for every model.",
                )
    if "int8_mask" in said:
        findings.note("int8_mask changes no result.", "parameters")
    if method.startswith("breadcrumbs"):
        for value in _numbers(_values(one, "density")):
            if 0 < value < SMALL_DENSITY:
                findings.trap(
                    f"Of tensors with fewer than {round(1 / value)} entries, such as norms, "
                    "mergekit keeps nothing.",
                    "density",
                )
    if method == "nuslerp":
        flat = [WORDS.get(str(v).lower(), v) for v in _values(one, "nuslerp_flatten")]
        if "nuslerp_row_wise" in said and (not flat or any(flat)):
            findings.trap(
                "nuslerp_row_wise has no effect on flattened tensors.",
                "parameters",
                "Set nuslerp_flatten: false.",
            )
        elif "nuslerp_row_wise" in said:
            findings.trap(
                "nuslerp_row_wise: true turns columns, and false turns rows.", "parameters"
            )


def _conditions(document: Document, one: Settled, findings: Findings) -> None:
    """Name parameters that fall back to a default where no filter matches."""
    settings = {s.name: s for s in document.kind.settings}
    for (name, i), found in one.tried.items():
        default = settings[name].default
        if found and found[-1].filter is not None and default is not REQUIRED:
            where = one.inputs[i].where if i >= 0 else "parameters"
            findings.trap(
                f"Where no filter of {name} matches, it is mergekit's default, "
                f"{str(default).lower()}.",
                where,
                "Add a last entry without a filter.",
            )


def _weights(document: Document, one: Settled, findings: Findings) -> None:
    if document.method != "linear" or any(
        str(WORDS.get(str(v).lower(), v)) == "False" for v in _values(one, "normalize")
    ):
        return
    values = [found[0].value for found in _said(one, "weight") if found]
    numbers = _numbers(values)
    if len(numbers) == len(values) == len(one.inputs) and abs(sum(numbers)) < 1e-12:
        findings.trap(
            "The weights add up to 0, by which mergekit divides: it writes infinities.",
            one.slice.where,
            "Set normalize: false, or use other weights.",
        )


def _numbers(values: Sequence[Any]) -> list[float]:
    found = []
    for value in values:
        try:
            found += [] if isinstance(value, list | bool) else [float(value)]
        except (TypeError, ValueError):
            continue
    return found


def _of_method(document: Document, slices: Sequence[Settled], findings: Findings) -> None:
    method = document.method
    if method in RANDOM:
        findings.note("Random masks are drawn from another generator here.", "merge_method")
    if method == "arcee_fusion":
        findings.trap(
            "Of tensors with more than a million entries mergekit draws a million, others each "
            "run; here all count.",
            "merge_method",
        )
    for one in slices:
        shares = _numbers(_values(one, "select_topk"))
        if method == "sce" and len(one.inputs) == 1 and any(share < 1.0 for share in shares):
            findings.trap(
                "With one model mergekit selects nothing, and returns the base.", one.slice.where
            )
        if method == "multislerp" and one.base is not None and len(one.inputs) > 2:
            findings.note(
                "mergekit stops at a tensor that no model changed; here it stays.", "merge_method"
            )


def _of_document(document: Document, slices: Sequence[Settled], findings: Findings) -> None:
    models = {item.model for one in slices for item in one.inputs}
    if document.base is None and document.name is None and len(models) > 1:
        findings.trap(
            "Without base_model mergekit takes config and tokenizer from any of the models, "
            "another one each run; here they come from the first.",
            "base_model",
        )
    donor = slices[0].inputs[0] if slices[0].base is None else slices[0].base
    if document.is_sliced and document.base not in (None, donor.model):
        findings.note(
            "mergekit takes config and tokenizer from base_model; here they come from the first "
            "model of the first slice.",
            "base_model",
        )
    if document.dtype in ("float16", "bfloat16"):
        findings.note(
            f"mergekit computes in {document.dtype}; here in float32, rounded once.", "dtype"
        )
    if not document.dtype_is_said:
        findings.note(
            "Without dtype mergekit writes the widest dtype of the models for each tensor; here "
            "it is the base's.",
            "dtype",
        )


def _of_slices(slices: Sequence[Settled], names: Names, findings: Findings) -> None:
    _layer_filters(slices, findings)
    if names[-1][0] is None or names[0][0] is None:
        return
    last = slices[-1]
    item, layers = last.inputs[0], count_layers(names[-1][0])
    if last.slice.length and item.start + last.slice.length == layers - 1:
        findings.trap(
            f"The last layer, {layers - 1}, is left out: layer_range ends before its second "
            "number.",
            item.where,
            f"End at {layers} if it should be there.",
        )
    outside = [key for key in names[-1][0] if LAYER.search(key) is None]
    has_head = any(key.endswith(HEADS) for key in outside)
    if not has_head and any(comes_before_layers(key) for key in outside):
        first = {i.model for i in slices[0].inputs}
        if {i.model for i in last.inputs} != first:
            findings.trap(
                "Embedding and head are one, and are taken from the first slice: the head of the "
                "last slice's models is lost.",
                item.where,
                "Take first and last slice from the same models.",
            )


def _layer_filters(slices: Sequence[Settled], findings: Findings) -> None:
    numbered = [f for one in slices for f in one.filters if any(c.isdigit() for c in f)]
    if numbered:
        findings.trap(
            f"A filter such as {numbered[0][:40]!r} means the layers of its own model under one "
            "model, and the layers of the result under all.",
            "parameters",
        )
