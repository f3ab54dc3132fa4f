"""The grammar carries the kinds of methods that are still to come."""

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.compute import prepare
from merger.errors import FeedError, RecipeError
from merger.flat import FlatInputs, merge_flat
from merger.memory import merge_tensors
from merger.plan import plan
from merger.recipe import Expert, Recipe, Rule, Step
from merger.spec import METHODS
from merger.stack import stack_experts
from tests.contract.cases import SHAPES, models, parts, run, same_bytes
from tests.contract.sketches import sketches


@pytest.fixture(autouse=True)
def registered():
    with sketches() as names:
        yield names


def recipe(name: str, n: int = 3, **options) -> Recipe:
    return Recipe(name, tuple(Expert(f"m:e{i}", f"e{i}") for i in range(n)), "m:base", **options)


def checkpoints(n: int = 3):
    base, experts = models(n)
    named = [MemoryCheckpoint(e, f"e{i}") for i, e in enumerate(experts)]
    return MemoryCheckpoint(base, "base"), named


def test_a_method_by_rows_sees_whole_rows():
    base = {"w": torch.zeros(2, 2, 2), "v": torch.zeros(4), "s": torch.zeros(())}
    tau = {
        "w": torch.tensor([[[1.0, -4.0], [3.0, 2.0]], [[0.1, 0.2], [0.3, -0.4]]]),
        "v": torch.tensor([5.0, -6.0, 7.0, 8.0]),
        "s": torch.tensor(9.0),
    }
    result = merge_tensors("sketch_rows", [tau], base)
    kept = torch.tensor([[[0, 1], [1, 0]], [[0, 0], [1, 1]]])
    assert torch.equal(result["w"], tau["w"] * kept)
    assert result["v"].tolist() == [0, 0, 7, 8]
    assert result["s"].item() == 9


def test_blocks_of_a_method_by_rows_end_where_rows_end():
    base, experts = checkpoints()
    planned = plan(recipe("sketch_rows"), base, experts)
    blocks = [b for b in prepare(planned, base, experts).blocks(13) if b.key == "layers.0.w"]
    assert [(b.start, b.stop) for b in blocks] == [(0, 12), (12, 24)]


def test_a_spectral_method_sees_matrices_whole():
    base, experts = models(3)
    result = run("sketch_spectral", experts, base)
    change = (result["layers.0.w"] - base["layers.0.w"]).double()
    strengths = torch.linalg.svdvals(change)
    torch.testing.assert_close(strengths, strengths[:1].expand(4), rtol=1e-5, atol=1e-5)


def test_a_method_per_task_gives_one_model_per_expert():
    base, experts = models(2)
    result = merge_tensors("sketch_per_task", experts, base, names=["left", "right"])
    assert list(result) == ["left", "right"]
    assert {k: tuple(v.shape) for k, v in result["left"].items()} == dict(SHAPES)
    assert same_bytes(result["left"], parts(run("sketch_per_task", experts, base))[0])
    (single,) = parts(run("sketch_per_task", experts[:1], base))
    torch.testing.assert_close(single["layers.0.w"], experts[0]["layers.0.w"])


def test_a_method_per_task_cannot_be_followed_by_a_verb_for_one_model():
    base, experts = checkpoints()
    with pytest.raises(RecipeError, match="one model per expert"):
        plan(recipe("sketch_per_task", after=(Step("lines"),)), base, experts)


def test_a_method_from_data_says_that_data_is_missing():
    base, experts = models(2)
    with pytest.raises(FeedError, match="Fisher needs calibration data, and none is chosen"):
        run("sketch_fisher", experts, base)
    assert METHODS["sketch_fisher"].needs == ("calibration data",)


def test_a_method_from_data_is_fed_what_was_computed():
    base, experts = checkpoints(2)
    ones = {k: torch.ones(s) for k, s in SHAPES.items()}
    certain = [MemoryCheckpoint({k: f * v for k, v in ones.items()}) for f in (3.0, 1.0)]
    planned = plan(recipe("sketch_fisher", 2), base, experts, data=["fisher"])
    prepared = prepare(planned, base, experts, data={"fisher": certain})
    block = next(b for b in prepared.blocks() if b.key == "embed.weight")
    first, second = (e.read("embed.weight") for e in experts)
    torch.testing.assert_close(prepared.merge_block(block), 0.75 * first + 0.25 * second)


def test_a_method_over_the_whole_model_takes_experts_in_order():
    base, experts = models(2)
    result = run("sketch_in_order", experts, base)
    turned = run("sketch_in_order", experts[::-1], base)
    assert not same_bytes(result, turned)
    whole = torch.cat([(result[k] - base[k]).flatten() for k in SHAPES])
    first = torch.cat([(experts[0][k] - base[k]).flatten() for k in SHAPES])
    # What the second expert adds is orthogonal to the first.
    assert abs(float((whole - first) @ first)) < 1e-3


def test_a_method_over_the_whole_model_refuses_settings_by_tensor():
    base, experts = models(2)
    with pytest.raises(RecipeError, match="has no parameter"):
        run("sketch_in_order", experts, base, rules=[Rule("embed*", params={"density": 1.0})])


@pytest.mark.parametrize("verb", ["sketch_drop", "sketch_match"])
@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "model_stock", "average"])
def test_verbs_before_the_method_change_what_it_sees(verb, method):
    base, experts = models(3)
    plain = merge_tensors(method, experts, base)
    changed = merge_tensors(method, experts, base, before=[{verb: {}}])
    assert not same_bytes(plain, changed)


def test_ranks_after_a_verb_are_those_of_changed_task_vectors():
    base = {"w": torch.zeros(4)}
    experts = [{"w": torch.tensor([1.0, 2.0, 3.0, 4.0])}, {"w": torch.tensor([4.0, 3, 2, 1]) * 9}]
    before = [{"sketch_match": {}}]
    result = merge_tensors("ties", experts, base, {"density": 0.25}, before=before)
    torch.testing.assert_close(result["w"], torch.tensor([4.0, 0, 0, 4.0]))


SKETCHES = ["sketch_rows", "sketch_spectral", "sketch_per_task", "sketch_in_order"]


@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("verbs", [(), ("sketch_drop",), ("sketch_match", "sketch_drop")])
def test_blocks_and_the_live_form_agree_for_every_kind(name, verbs):
    base, experts = checkpoints()
    made = recipe(name, before=tuple(Step(v) for v in verbs), weights=(1.0, 0.5, -0.25))
    planned = plan(made, base, experts)
    stack = stack_experts(base, experts, ["e0", "e1", "e2"])
    live = merge_flat(planned, FlatInputs(stack, experts))
    prepared = prepare(planned, base, experts)
    for block in prepared.blocks(5):
        if block.start == block.stop:
            continue
        at = stack.slot(block.key).start
        expected = live[..., at + block.start : at + block.stop]
        assert torch.equal(prepared.merge_block(block), expected), block
