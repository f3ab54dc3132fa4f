"""Blocks, cancelling, progress, threads, and models read from memory."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.compute import Block, prepare
from merger.errors import Cancelled, FeedError, RecipeError
from merger.flat import FlatInputs, merge_flat
from merger.memory import merge_tensors
from merger.plan import plan
from merger.progress import Progress
from merger.recipe import Expert, Recipe, Rule
from merger.spec import METHODS
from merger.stack import stack_experts
from tests.contract.cases import models

NAMES = ("a", "b")


def recipe(method: str = "ties", **options) -> Recipe:
    return Recipe(method, tuple(Expert(f"m:{name}", name) for name in NAMES), "m:base", **options)


@pytest.fixture
def fitted():
    base, experts = models(2)
    base["steps"] = torch.tensor([7, 8, 9])
    named = [
        MemoryCheckpoint(e | {"steps": base["steps"]}, n)
        for e, n in zip(experts, NAMES, strict=True)
    ]
    return MemoryCheckpoint(base, "base"), named


def ready(fitted, made=None, **options):
    base, experts = fitted
    return prepare(plan(made or recipe(), base, experts), base, experts, **options)


def test_blocks_cover_every_tensor_once_and_in_order(fitted):
    blocks = list(ready(fitted).blocks(10))
    assert [b for b in blocks if b.key == "layers.0.w"] == [
        Block("layers.0.w", 0, 10), Block("layers.0.w", 10, 20), Block("layers.0.w", 20, 24),
    ]  # fmt: skip
    assert Block("layers.2.empty", 0, 0) in blocks
    assert Block("steps", 0, 3) in blocks
    assert [b.key for b in blocks] == sorted(b.key for b in blocks)


def test_a_method_that_needs_whole_tensors_gets_them(fitted):
    made = recipe("dare_linear", params={"rescale": "l1"})
    blocks = list(ready(fitted, made).blocks(10))
    assert Block("layers.0.w", 0, 24) in blocks
    # What is only copied is cut up all the same.
    taken = recipe("dare_linear", params={"rescale": "l1"}, rules=(Rule("layers.0.w", take="a"),))
    assert Block("layers.0.w", 0, 10) in list(ready(fitted, taken).blocks(10))


@pytest.mark.parametrize(
    ("method", "by_tensor"),
    [
        ("linear", False),
        ("task_arithmetic", False),
        ("ties", True),
        ("slerp", True),
        ("tsv_m", True),
    ],
)
def test_what_is_measured_or_merged_as_a_whole_goes_by_tensors(fitted, method, by_tensor):
    assert ready(fitted, recipe(method)).by_tensor == by_tensor


def test_copies_are_the_stored_numbers(fitted):
    base, experts = fitted
    made = recipe(rules=(Rule("layers.0.w", take="b"), Rule("embed*", take="base")))
    prepared = ready(fitted, made)
    assert prepared.merge_block(Block("steps", 1, 3)).tolist() == [8, 9]
    taken = prepared.merge_block(Block("layers.0.w", 2, 9))
    assert torch.equal(taken, experts[1].read("layers.0.w", 2, 9))
    assert torch.equal(
        prepared.merge_block(Block("embed.weight", 0, 7)), base.read("embed.weight")
    )


def test_many_threads_may_merge_in_any_order(fitted):
    for method in ("ties", "dare_ties", "slerp"):
        prepared = ready(fitted, recipe(method))
        blocks = list(prepared.blocks(3))
        alone = [prepared.merge_block(b) for b in blocks]
        again = ready(fitted, recipe(method))
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(again.merge_block, reversed(blocks)))
        assert all(torch.equal(x, y) for x, y in zip(alone, reversed(together), strict=True))


def test_the_survey_tells_how_far_it_is_and_stops_on_request(fitted):
    told: list[Progress] = []
    ready(fitted, report=told.append)
    assert told[-1].done == told[-1].total > 0
    assert told[-1].note == "Ranking changes"
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        ready(fitted, cancel=cancel)


def test_no_block_is_merged_after_a_cancel(fitted):
    cancel = Event()
    prepared = ready(fitted, recipe("average"), cancel=cancel)
    prepared.merge_block(Block("embed.weight", 0, 7))
    cancel.set()
    with pytest.raises(Cancelled):
        prepared.merge_block(Block("embed.weight", 0, 7))


def test_methods_without_statistics_make_no_pass(fitted):
    def refuse(progress):
        raise AssertionError(progress)

    for method in ("average", "linear", "task_arithmetic", "wise_ft", "dare_linear"):
        ready(fitted, recipe(method), report=refuse)


def test_merging_reads_only_what_a_method_needs(fitted):
    base, experts = fitted
    read: list[str] = []

    class Counting(MemoryCheckpoint):
        def read(self, key, start=0, stop=None):
            read.append(self.label)
            return super().read(key, start, stop)

    counted = [Counting({"w": torch.ones(4)}, label) for label in ("base", "a", "b")]
    made = recipe("wise_ft")
    prepared = prepare(plan(made, counted[0], counted[1:]), counted[0], counted[1:])
    prepared.merge_block(Block("w", 0, 4))
    assert sorted(read) == ["a", "base"]


def test_models_in_memory_must_hold_what_the_plan_merges(fitted):
    base, experts = fitted
    planned = plan(recipe(), base, experts)
    flat = FlatInputs(stack_experts(base, experts, ["a", "c"]))
    with pytest.raises(FeedError, match="b is not among the models in memory"):
        merge_flat(planned, flat)
    part = FlatInputs(stack_experts(base, experts, NAMES, keys=["embed.weight"]))
    with pytest.raises(FeedError, match="layers.0.w is not among the models in memory"):
        merge_flat(planned, part)


def test_models_that_float32_cannot_take_back_keep_their_own_numbers():
    base = MemoryCheckpoint({"w": torch.tensor([1e8, 1.0])}, "base")
    expert = MemoryCheckpoint({"w": torch.tensor([1.25, 2.0])}, "a")
    stack = stack_experts(base, [expert], ["a"])
    assert not FlatInputs(stack).exact
    flat = FlatInputs(stack, [expert])
    assert flat.theta(0, 0, 2).tolist() == [1.25, 2.0]
    assert flat.theta(0, 1, 2).tolist() == [2.0]
    assert flat.nbytes == 4 * 2 * 2 + 12  # one number does not come back, and only it is kept


def test_models_in_memory_may_be_marked_read_only(fitted):
    base, experts = fitted
    stack = stack_experts(base, experts, NAMES)
    stack.tau.flags.writeable = False
    stack.base.flags.writeable = False
    planned = plan(recipe(), base, experts)
    assert torch.isfinite(merge_flat(planned, FlatInputs(stack))).all()


def test_overflow_in_the_live_form_names_the_tensor():
    base = {"a": torch.zeros(3), "b": torch.zeros(3).half(), "c": torch.zeros(2).half()}
    expert = {"a": torch.ones(3), "b": torch.ones(3), "c": torch.tensor([6e4, 1.0])}
    models_ = [MemoryCheckpoint(m, n) for m, n in ((base, "base"), (expert, "a"))]
    made = Recipe("task_arithmetic", (Expert("m:a", "a"),), "m:base", params={"scale": 2.0})
    planned = plan(made, models_[0], models_[1:])
    flat = FlatInputs(stack_experts(models_[0], models_[1:], ["a"]), models_[1:])
    with pytest.raises(Exception, match="c: 1 value overflows float16") as live:
        merge_flat(planned, flat)
    with pytest.raises(type(live.value), match="c: 1 value overflows float16"):
        merge_tensors("task_arithmetic", [expert], base, {"scale": 2.0})


def test_merged_tensors_do_not_share_memory_with_the_inputs():
    base, experts = models(2)
    found = merge_tensors("average", experts, base, rules=[{"match": "embed*", "take": "base"}])
    before = base["embed.weight"].clone()
    found["embed.weight"].add_(1)
    assert torch.equal(base["embed.weight"], before)


@pytest.mark.parametrize("names", [["a", "a"], ["a"]])
def test_experts_need_a_name_each(names):
    base, experts = models(2)
    with pytest.raises(RecipeError, match="names must be 2 different words"):
        merge_tensors("average", experts, base, names=names)


def test_no_experts_at_all_is_an_error():
    with pytest.raises(RecipeError, match="Average needs at least 1 expert, got 0"):
        merge_tensors("average", [])


def test_sixty_four_experts_are_merged():
    base, experts = models(64)
    for name in ("average", "ties", "dare_ties", "model_stock"):
        found = merge_tensors(name, experts, base)
        assert all(torch.isfinite(v).all() for v in found.values())


def test_a_float64_reference_agrees():
    base, experts = models(3)
    tau = {k: torch.stack([e[k].double() - base[k].double() for e in experts]) for k in base}
    for name, knobs in (("task_arithmetic", {"scale": 0.3}), ("average", {})):
        found = merge_tensors(name, experts, base)
        for key in base:
            mean = tau[key].sum(dim=0) * (knobs.get("scale") or 1 / 3)
            torch.testing.assert_close(
                found[key].double(), base[key].double() + mean, atol=1e-6, rtol=1e-6
            )
    assert METHODS["ties"].experts == (1, None)
