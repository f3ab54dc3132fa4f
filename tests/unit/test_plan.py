"""What happens to each tensor: actions, settings, depth, rules, and what is refused."""

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.errors import AlignmentError, FeedError, RecipeError
from merger.plan import BASE, plan
from merger.recipe import Depth, Expert, Recipe, Rule, Step

KEYS = {
    "embed.weight": torch.zeros(4, 2),
    "layers.0.w": torch.zeros(3),
    "layers.1.w": torch.zeros(2, 2),
    "layers.2.w": torch.zeros(5),
    "norm.weight": torch.zeros(2),
    "steps": torch.zeros(3, dtype=torch.int64),
}
MODEL = MemoryCheckpoint(KEYS, "model")


def make(method: str = "ties", n: int = 2, base: bool = True, **options):
    names = [f"e{i}" for i in range(n)]
    experts = tuple(Expert(f"m:{name}", name) for name in names)
    recipe = Recipe(method, experts, "m:base" if base else None, **options)
    return plan(recipe, MODEL if base else None, [MODEL] * n)


def test_tensors_are_planned_by_name_with_their_place_in_the_model():
    found = make()
    assert [t.key for t in found.tensors] == sorted(KEYS)
    assert [t.offset for t in found.merged] == [0, 8, 11, 15, 20]
    assert found.numel == 22
    assert [(t.layer, t.depth) for t in found.tensors] == [
        (None, 0.0), (0, 0.0), (1, 0.5), (2, 1.0), (None, 0.0), (None, 0.0),
    ]  # fmt: skip


def test_integers_are_copied():
    steps = make(out_dtype="bfloat16").by_key["steps"]
    assert (steps.action, steps.source, steps.out_dtype) == ("copy", BASE, "I64")
    assert make("average", base=False).by_key["steps"].source == 0


def test_the_output_has_the_dtype_of_the_base_unless_said():
    assert make().by_key["layers.0.w"].out_dtype == "F32"
    assert make(out_dtype="float16").by_key["layers.0.w"].out_dtype == "F16"


def test_settings_are_resolved_and_shared():
    found = make(params={"dialect": "mergekit"})
    assert found.tensors[0].params["trim"] == "tensor"
    assert found.tensors[0].weights == (1.0, 1.0)
    assert len({id(t.settings) for t in found.tensors}) == 1


def test_settings_follow_depth():
    found = make(params={"density": Depth((0.2, 0.8))}, weights=(1.0, Depth((0.0, 1.0, 4.0))))
    by_key = {t.key: (t.params["density"], t.weights) for t in found.merged}
    assert by_key["embed.weight"] == (0.2, (1.0, 0.0))
    assert by_key["layers.1.w"] == (0.5, (1.0, 1.0))
    assert by_key["layers.2.w"] == (0.8, (1.0, 4.0))


def test_depth_holds_within_a_list_per_expert_and_within_verbs():
    found = make(
        params={"density": [Depth((0.0, 1.0)), 0.3]},
        after=(Step("lines", {"alpha": 1.0, "beta": Depth((0.0, 2.0))}),),
    )
    assert found.by_key["layers.1.w"].params["density"] == (0.5, 0.3)
    assert found.by_key["layers.2.w"].settings.after[0]["beta"] == 2.0


def test_the_first_rule_that_matches_wins():
    found = make(
        rules=(
            Rule("layers.1.*", weights=(3.0, 4.0)),
            Rule("layers.*", params={"density": 0.7}),
        ),
        params={"scale": 2.0},
    )
    assert found.by_key["layers.1.w"].weights == (3.0, 4.0)
    assert found.by_key["layers.1.w"].params["density"] == 0.2
    assert found.by_key["layers.2.w"].params["density"] == 0.7
    assert found.by_key["layers.2.w"].params["scale"] == 2.0


def test_a_rule_may_take_a_tensor_from_the_base_or_an_expert():
    found = make(
        rules=(Rule("embed*", take="e1"), Rule("norm*", take="base"), Rule("steps", take="e0"))
    )
    taken = {t.key: (t.action, t.source) for t in found.tensors if t.action == "take"}
    assert taken == {
        "embed.weight": ("take", 1),
        "norm.weight": ("take", BASE),
        "steps": ("take", 0),
    }
    # What is taken takes no part in ranks over the whole model.
    assert found.numel == 12
    assert [t.offset for t in found.merged] == [0, 3, 7]


def test_a_method_uses_the_experts_it_has_a_place_for():
    found = make("slerp", 4)
    assert (found.names, found.unused) == (("e0", "e1"), ("e2", "e3"))
    assert make("wise_ft", 2, weights=(1.0, 2.0)).tensors[0].weights == (1.0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tis"}, "There is no merge method 'tis'. Did you mean 'ties'?"),
        ({"method": "lines"}, "There is no merge method 'lines'."),
        ({"after": (Step("ties"),)}, "There is no verb for 'after' 'ties'."),
        ({"n": 0}, "TIES needs at least 1 expert, got 0. Pick some experts first."),
        ({"method": "slerp", "n": 1}, "SLERP needs at least 2 experts, got 1."),
        ({"weights": (1.0,)}, "weights must have one number per expert (2), got 1."),
        ({"weights": (1.0, "x")}, "recipe: weights must be a number, got 'x'."),
        ({"weights": (1.0, float("nan"))}, "recipe: weights must be a finite number, got nan."),
        ({"params": {"density": [0.1] * 3}}, "ties: density must have one value per expert (2)"),
        ({"rules": (Rule("layrs.*", params={"scale": 1.0}),)}, "'layrs.*' matches no tensor. Did"),
        ({"rules": (Rule("*", take="e7"),)}, "take must be 'base' or an expert's name, got 'e7'"),
        ({"rules": (Rule("*", params={"densty": 1}),)}, "ties has no parameter 'densty'."),
        ({"rules": (Rule("*", weights=(1.0,)),)}, "weights must have one number per expert (2)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_remedy(options, message):
    with pytest.raises(RecipeError) as caught:
        make(**options)
    assert message in str(caught.value)


def test_a_method_that_needs_a_base_says_so():
    with pytest.raises(FeedError, match="TIES needs a base model, and none is chosen"):
        make(base=False)
    with pytest.raises(FeedError, match="LiNeS needs a base model, and none is chosen"):
        make("average", base=False, after=(Step("lines"),))
    with pytest.raises(RecipeError, match="take must be 'base' or an expert's name, got 'base'"):
        make("average", base=False, rules=(Rule("*", take="base"),))


def test_experts_that_do_not_fit_are_refused():
    other = MemoryCheckpoint(KEYS | {"norm.weight": torch.zeros(3)}, "other")
    recipe = Recipe("ties", (Expert("m:a", "a"),), "m:base")
    with pytest.raises(AlignmentError, match="norm.weight"):
        plan(recipe, MODEL, [other])
