"""The live form of a merge: models that lie flat in memory, merged in one go.

The same pieces, surveys and methods as in `merger/formula.py`, so that preview and saved merge are
the same numbers. What a moved setting does not change (ranks, cuts, draws, products) is kept.
"""

from merger.errors import MergeError
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatInputs, FlatView
from merger.formula import averaged, merged, merged_model
from merger.lazy import Tensor, torch
from merger.pieces import Piece
from merger.plan import Plan
from merger.rounding import round_once
from merger.survey import SurveyCache

__all__ = ["FlatInputs", "SurveyCache", "merge_flat"]


def merge_flat(plan: Plan, flat: FlatInputs, cache: SurveyCache | None = None) -> Tensor:
    """Return all merged entries in float32, after rounding to the dtype they are written in.

    Args:
        plan: What happens to each tensor; its experts are looked up by name.
        flat: The models.
        cache: What earlier calls found out about the same models.
    Returns: shape (P,), or (n, P) for methods that give one model per expert.
    Raises:
        MergeError: a result is not finite.
    """
    view = FlatView(plan, flat, cache if cache is not None else SurveyCache())
    survey = FlatSurvey(plan, view)
    per_task = plan.method.output == "per_task"
    out = torch.empty((plan.n, len(flat.base)) if per_task else len(flat.base))
    survey.take([s for s in plan.stages if s.label != "after"])
    wide = any(plan.scope_at(t.settings) == "model" for t in plan.merged[:1])
    if any(s.label == "after" for s in plan.stages) and not wide:
        # Verbs that measure the whole update would otherwise have it computed twice.
        survey.results = _results(plan, view, survey, torch.empty_like(out))
        survey.take([s for s in plan.stages if s.label == "after"])
    whole = merged_model(plan, view, survey) if wide else None
    for run in view.runs:
        for piece, place in run.pieces(plan):
            if run.action == "mean":
                out[..., place] = _rounded(averaged(plan, view, piece), piece)
            elif run.action != "merge":
                out[..., place] = round_once(view.copied(piece.first, place), piece.first)
            elif whole is not None:
                out[..., place] = _rounded(whole[piece.first.key], piece)
            else:
                out[..., place] = _rounded(merged(survey.serve(piece)), piece)
    return out


def _results(plan: Plan, view: FlatView, survey: FlatSurvey, out: Tensor) -> Tensor:
    """Return what the method alone gives for every merged entry."""
    for run in view.runs:
        if run.action == "merge":
            for piece, place in run.pieces(plan):
                out[..., place] = survey.serve(piece).result()
    return out


def _rounded(values: Tensor, piece: Piece) -> Tensor:
    try:
        return round_once(values, piece.first).to(torch.float32)
    except MergeError:
        # Tensor by tensor, so that the message names the right one.
        at = -piece.start
        for tensor in piece.tensors:
            round_once(values[..., max(0, at) : max(0, at + tensor.numel)], tensor)
            at += tensor.numel
        raise
