import numpy as np
import pytest
import torch

from merger.algebra import total
from merger.checkpoint import MemoryCheckpoint
from merger.diagnostics.flow import FlowInfo, measure_flow, measure_steps
from merger.diagnostics.steps import PIPELINES, Work, pipeline_of
from merger.flat import FlatInputs, SurveyCache, merge_flat
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatView
from merger.plan import Plan, plan
from merger.randomness import key_of, uniforms
from merger.recipe import Recipe
from merger.spec import METHODS
from merger.stack import stack_experts

FIRST = [4.0, -1.0, 2.0, 0.0, 3.0]
SECOND = [-2.0, -3.0, 1.0, 5.0, 0.0]
VARIANTS = [
    (name, dialect) for name in sorted(PIPELINES) for dialect in ("paper", *METHODS[name].dialects)
]


def made(method: str, experts, weights=None, after=(), **params) -> tuple[Plan, FlatInputs]:
    """Plan a merge of task vectors over a base of zeros, with everything in memory."""
    names = [f"e{i}" for i in range(len(experts))]
    base = MemoryCheckpoint({k: torch.zeros(np.shape(v)) for k, v in experts[0].items()})
    models = [
        MemoryCheckpoint({k: torch.tensor(np.asarray(v, np.float32)) for k, v in e.items()})
        for e in experts
    ]
    recipe = Recipe.from_json(
        {
            "version": 1, "method": method, "base": "base", "params": params,
            "experts": [{"source": name, "name": name} for name in names],
            **({"weights": weights} if weights else {}),
            **({"after": [{verb: {}} for verb in after]} if after else {}),
        }
    )  # fmt: skip
    flat = FlatInputs(stack_experts(base, models, names), models)
    return plan(recipe, base, models), flat


def flow(method: str, weights=None, **params) -> FlowInfo:
    return measure_flow(*made(method, [{"w": FIRST}, {"w": SECOND}], weights, **params))


def parts(found) -> list[list[float]]:
    return [found.merged.tolist(), found.opposed.tolist(), found.left_out.tolist()]


def test_ties_trims_elects_and_merges_by_hand():
    info = flow("ties", density=0.6)
    assert parts(info.mass) == [[9, 8], [0, 2], [1, 1]]
    assert parts(info.entries) == [[3, 2], [0, 1], [1, 1]]
    assert info.mass.total.tolist() == [10, 11] and info.entries.total.tolist() == [4, 4]
    assert info.elects and info.word == "trimmed" and info.experts == ("e0", "e1")


def test_a_negative_coefficient_turns_votes_around_and_weighs_the_change():
    info = flow("ties", weights=[1.0, -2.0], density=0.6)
    assert parts(info.mass) == [[9, 20], [0, 0], [1, 2]]


def test_breadcrumbs_ties_leaves_out_the_largest_and_the_smallest_by_hand():
    info = flow("breadcrumbs_ties", weights=[1.0, -1.0], density=0.6, gamma=0.2)
    assert parts(info.mass) == [[5, 5], [1, 1], [4, 5]]
    assert parts(info.entries) == [[2, 2], [1, 1], [1, 1]]


def test_dare_ties_drops_what_its_draws_say():
    info = flow("dare_ties", density=0.5, keep_share=1.0)
    kept = []
    for name, row in (("e0", FIRST), ("e1", SECOND)):
        kept.append(np.array(row) * (uniforms(key_of(0, name, "w", ""), 0, 5) < 0.5))
    sign = np.sign(np.sum(kept, 0))
    agree = [np.abs(row[row * sign > 0]).sum() for row in kept]
    left = [np.abs(row).sum() for row in kept]
    assert info.mass.merged.tolist() == agree
    assert info.mass.opposed.tolist() == [a - b for a, b in zip(left, agree, strict=True)]
    assert info.mass.total.tolist() == [10, 11]
    everything = flow("dare_ties", density=1.0, keep_share=0.6)
    assert parts(everything.mass) == [[9, 8], [0, 2], [1, 1]]


def test_changes_that_are_added_up_lose_what_cancels_on_both_sides():
    info = flow("task_arithmetic")
    assert parts(info.mass) == [[8, 9], [2, 2], [0, 0]]
    assert info.mass.merged.sum() == np.abs(np.add(FIRST, SECOND)).sum()
    assert parts(info.entries) == [[4, 3], [0, 1], [0, 0]]
    assert not info.elects and info.word == ""


def test_an_expert_without_a_coefficient_changes_nothing():
    info = flow("task_arithmetic", weights=[0.0, 1.0])
    assert info.mass.total.tolist() == [0, 11] and info.entries.total.tolist() == [0, 4]


def experts(n: int = 3):
    random = np.random.default_rng(0)
    shapes = {"embed.weight": (9, 7), "layers.0.w": (6, 5), "layers.1.w": (6, 5), "norm": (8,)}
    return [{k: random.standard_normal(s) for k, s in shapes.items()} for _ in range(n)]


def family(method: str) -> tuple[list, list[float]]:
    """Return as many experts as a method takes, with coefficients."""
    low, high = METHODS[method].experts
    n = max(low, min(high or 3, 3))
    return experts(n), [0.5, -1.0, 2.0][:n]


@pytest.mark.parametrize(("method", "dialect"), VARIANTS)
def test_every_expert_is_accounted_for(method: str, dialect: str):
    params = {"dialect": dialect} if METHODS[method].dialects else {}
    info = measure_steps(*made(method, *family(method), **params))
    at = pipeline_of(METHODS[method]).origin
    for found, start in ((info.mass, info.sizes[at]), (info.entries, info.counts[at])):
        if info.flow_unit == info.unit:
            assert found.total == pytest.approx(start, rel=1e-5)
        assert min(found.merged.min(), found.opposed.min(), found.left_out.min()) >= 0
    assert info.counts.shape == info.sizes.shape == (len(info.steps) + 1, *start.shape)
    if info.unit == "weights":
        assert info.counts[0].sum(1).tolist() == [131] * len(info.experts)


@pytest.mark.parametrize(("method", "dialect"), VARIANTS)
def test_steps_lead_to_what_the_method_gives(method: str, dialect: str):
    params = {"dialect": dialect} if METHODS[method].dialects else {}
    planned, flat = made(method, *family(method), **params)
    view = FlatView(planned, flat, SurveyCache())
    survey, stage = FlatSurvey(planned, view), planned.stages[0]
    survey.take()
    pipeline = pipeline_of(METHODS[method])
    for run in view.runs:
        for piece, _ in run.pieces(planned):
            work = Work(survey.serve(piece), stage)
            held = pipeline.trace(work)
            assert len(held) == 1 + len(pipeline.steps)
            for step, now in zip(pipeline.steps, held[1:], strict=True):
                assert len(now.stack) == (1 if step.together else work.n)
            last = held[-1].stack
            per_task = METHODS[method].output == "per_task"
            found = last if per_task else total(last).unsqueeze(0)
            torch.testing.assert_close(found, work.update, rtol=1e-4, atol=1e-5)


def test_sce_merges_only_where_somebody_agrees():
    planned, flat = made("sce", experts(), select_topk=0.5)
    info = measure_flow(planned, flat)
    left = 131 - sum(k // 2 for k in (63, 30, 30, 8))
    assert info.entries.left_out.tolist() == [left] * 3
    assert info.entries.opposed.sum() > 0 and info.word == "left out"


@pytest.mark.parametrize("verb", [m.name for m in METHODS.values() if m.stage == "after"])
@pytest.mark.parametrize("method", ["ties", "tsv_m", "average"])
def test_verbs_after_the_method_are_its_last_steps(method: str, verb: str):
    planned, flat = made(method, *family(method))
    longer, _ = made(method, *family(method), after=[verb])
    plain, found = measure_steps(planned, flat), measure_steps(longer, flat)
    assert [step.name for step in found.steps[:-1]] == [step.name for step in plain.steps]
    assert found.steps[-1].name == METHODS[verb].title and found.steps[-1].together
    np.testing.assert_allclose(found.sizes[:-1], plain.sizes)
    for kind in ("merged", "opposed", "left_out"):
        np.testing.assert_allclose(getattr(found.mass, kind), getattr(plain.mass, kind))
    # The base is 0, so that the merge is the update.
    update = merge_flat(longer, flat).double()
    whole = update.square() if found.unit == "directions" else update.abs()
    assert found.sizes[-1, 0].sum() == pytest.approx(float(whole.sum()), rel=1e-4)
