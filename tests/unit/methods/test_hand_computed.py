"""Methods against numbers computed by hand or with the authors' own code, in double precision."""

import math

import pytest
import torch

from merger.errors import RecipeError
from merger.memory import merge_tensors

TAU = (
    [[1, -2, 3], [0.5, 0, -1.2]],
    [[2, 1.1, -0.9], [-0.6, 4, -1]],
    [[-3.2, 1.3, 0.2], [0.1, -2.1, -0.3]],
)
BASE = {"w": torch.zeros(2, 3)}
# Votes of 0.5, -0.6 and 0.1: their sum is exactly 0 on paper and takes either sign as floats.
OPEN = (1, 0)


def merged(name: str, n: int = 3, /, **options) -> torch.Tensor:
    experts = [{"w": torch.tensor(tau)} for tau in TAU[:n]]
    return merge_tensors(name, experts, BASE, **options)["w"]


def check(found: torch.Tensor, expected, *, without: tuple[int, int] | None = None) -> None:
    wanted = torch.tensor(expected, dtype=torch.float32)
    if without:
        found, wanted = found.clone(), wanted.clone()
        found[without] = wanted[without] = 0
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_task_arithmetic_adds_task_vectors():
    check(merged("task_arithmetic"), [[-0.06, 0.12, 0.69], [0, 0.57, -0.75]])
    check(
        merged("task_arithmetic", params={"dialect": "mergekit"}),
        [[-0.2, 0.4, 2.3], [0, 1.9, -2.5]],
    )


def test_task_arithmetic_forgets_with_a_negative_scale():
    check(merged("task_arithmetic", 1, params={"scale": -1}), [[-1, 2, -3], [-0.5, 0, 1.2]])


def test_task_arithmetic_divides_by_the_coefficients_unless_they_cancel():
    params = {"scale": 1, "normalize": True}
    check(merged("task_arithmetic", 2, weights=(1, 3), params=params),
          [[1.75, 0.325, 0.075], [-0.325, 3, -1.05]])  # fmt: skip
    cancelled = merged("task_arithmetic", 2, weights=(1, -1), params=params)
    check(cancelled, [[-1, -3.1, 3.9], [1.1, -4, -0.2]])


def test_ties_keeps_three_of_six_and_averages_those_that_agree():
    check(merged("ties", params={"density": 0.5}), [[-3.2, 1.2, 3], [0, 4, -1.2]])


def test_ties_can_add_those_that_agree():
    found = merged("ties", params={"density": 0.5, "combine": "sum"})
    check(found, [[-3.2, 2.4, 3], [0, 4, -1.2]])


def test_ties_can_take_the_largest_of_those_that_agree():
    found = merged("ties", params={"density": 0.5, "combine": "max"})
    check(found, [[-3.2, 1.3, 3], [0, 4, -1.2]])


def test_ties_without_trimming():
    expected = [[-3.2, 1.2, 1.6], [0.3, 4, -0.833333]]
    check(merged("ties", params={"density": 1.0}), expected, without=OPEN)


def test_ties_multiplies_by_the_scale():
    check(merged("ties", params={"density": 0.5, "scale": 0.5}), [[-1.6, 0.6, 1.5], [0, 2, -0.6]])


def test_ties_keeps_another_share_of_each_expert():
    found = merged("ties", params={"density": [1.0, 0.0, 0.2]})
    check(found, [[-3.2, -2, 3], [0.5, 0, -1.2]])


def test_ties_by_head_count():
    found = merged("ties", params={"density": 1.0, "elect": "count", "combine": "sum"})
    # One head each way at the second entry of the second row: most entries elect plus.
    check(found, [[3, 2.4, 3.2], [0.6, 4, -2.5]])


DIALECTS = {"w": torch.zeros(1)}


def one_number(weights, values=(1.0, -0.5), **params) -> float:
    experts = [{"w": torch.tensor([v])} for v in values]
    return merge_tensors("ties", experts, DIALECTS, params, weights)["w"].item()


def test_the_dialects_of_ties_disagree_as_known():
    # Task vectors 1 and -0.5 with weights 0.2 and 0.8.
    assert one_number((0.2, 0.8), dialect="mergekit") == pytest.approx(-0.5)
    assert one_number((1, 1)) == pytest.approx(1.0)


def test_an_equal_weight_does_nothing_in_mergekits_dialect():
    for weight in (0.1, 1.0, 7.0, -1.0):
        assert one_number((weight, weight), dialect="mergekit") == pytest.approx(1.0)
        assert one_number((weight, weight)) == pytest.approx(weight)


def test_where_votes_cancel_ties_follows_the_majority_of_the_model():
    experts = [{"w": torch.tensor([1.0, -3, -3])}, {"w": torch.tensor([-1.0, -1, -1])}]
    base = {"w": torch.zeros(3)}

    def first(**params) -> float:
        return merge_tensors("ties", experts, base, {"density": 1.0, **params})["w"][0].item()

    assert first() == -1.0
    assert first(tie="plus") == 1.0
    assert first(tie="drop") == 0.0


def test_the_majority_counts_within_the_scope_of_the_trim():
    one = {"a": torch.tensor([1.0, 5.0]), "b": torch.tensor([-5.0] * 4)}
    two = {"a": torch.tensor([-1.0, 5.0]), "b": torch.tensor([-5.0] * 4)}
    base = {"a": torch.zeros(2), "b": torch.zeros(4)}
    found = merge_tensors("ties", [one, two], base, {"density": 1.0})
    assert found["a"][0].item() == -1.0
    found = merge_tensors("ties", [one, two], base, {"density": 1.0, "trim": "tensor"})
    assert found["a"][0].item() == 1.0


def test_trimming_over_the_model_may_empty_a_tensor():
    base = {"big": torch.zeros(2), "small": torch.zeros(2)}
    expert = {"big": torch.tensor([5.0, 6.0]), "small": torch.tensor([0.1, -0.2])}
    found = merge_tensors("ties", [expert], base, {"density": 0.5})
    assert found["small"].tolist() == [0, 0] and found["big"].tolist() == [5, 6]
    found = merge_tensors("ties", [expert], base, {"density": 0.5, "trim": "tensor"})
    torch.testing.assert_close(found["small"], torch.tensor([0, -0.2]))


def test_equal_magnitudes_are_trimmed_by_lowest_index_over_the_model():
    base = {"a": torch.zeros(3), "b": torch.zeros(3)}
    expert = {"b": torch.tensor([1.0, -1, 1]), "a": torch.tensor([1.0, 1, -1])}
    found = merge_tensors("ties", [expert], base, {"density": 0.7})
    assert found["a"].tolist() == [1, 1, -1] and found["b"].tolist() == [1, 0, 0]


def test_a_moved_coefficient_does_not_move_the_trim():
    found = merged("ties", weights=(100, 1, 0.01), params={"density": 0.34})
    assert (found != 0).sum() == (merged("ties", params={"density": 0.34}) != 0).sum()


def test_slerp_walks_the_arc():
    expected = [[1.774156, -1.462677, 2.500726], [0.232761, 1.635793, -1.55646]]
    check(merged("slerp", 2, params={"t": 0.25}), expected)
    swapped = merge_tensors(
        "slerp", [{"w": torch.tensor(TAU[i])} for i in (1, 0)], None, {"t": 0.75}
    )
    check(swapped["w"], expected)


def test_slerp_starts_at_the_first_and_ends_at_the_second():
    check(merged("slerp", 2, params={"t": 0}), TAU[0])
    check(merged("slerp", 2, params={"t": 1}), TAU[1])


def test_slerp_keeps_the_length_of_vectors_of_one_length():
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([-5.0, 0.0])
    for t in (0.1, 0.5, 0.8):
        found = merge_tensors("slerp", [{"w": a}, {"w": b}], None, {"t": t})["w"]
        assert found.norm().item() == pytest.approx(5.0, rel=1e-6)


@pytest.mark.parametrize("other", [[2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]])
def test_slerp_takes_the_straight_line_where_there_is_no_arc(other):
    found = merge_tensors(
        "slerp", [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor(other)}], None, {"t": 0.25}
    )["w"]
    if any(other):
        check(found, [0.75 * a + 0.25 * b for a, b in zip((1, 2), other, strict=True)])
    else:
        check(found, [math.sin(0.375 * math.pi) * a for a in (1, 2)])


def test_model_stock_follows_the_angle():
    check(merged("model_stock", 2, params={"clamp": False}),
          [[-0.349796, 0.104939, -0.244857], [0.01166, -0.466394, 0.256517]])  # fmt: skip
    check(merged("model_stock", 2), [[0, 0, 0], [0, 0, 0]])


def test_model_stock_has_no_other_bound():
    c, s = -0.4, math.sqrt(1 - 0.16)
    third = (c, (c - c * c) / s)
    rest = math.sqrt(1 - third[0] ** 2 - third[1] ** 2)
    vectors = [[1, 0, 0], [c, s, 0], [*third, rest]]
    experts = [{"w": torch.tensor(v, dtype=torch.float64)} for v in vectors]
    base = {"w": torch.zeros(3, dtype=torch.float64)}
    found = merge_tensors("model_stock", experts, base, {"clamp": False})["w"]
    mean = torch.tensor(vectors, dtype=torch.float64).mean(0)
    torch.testing.assert_close(found, -6 * mean, rtol=1e-5, atol=1e-5)


def test_model_stock_gives_one_expert_back():
    check(merged("model_stock", 1), TAU[0])


def test_model_stock_of_unchanged_experts_is_the_base():
    found = merge_tensors("model_stock", [BASE, BASE, BASE], BASE)["w"]
    assert torch.equal(found, BASE["w"])


def test_lines_matches_the_size_of_the_average():
    ties = merged("ties", params={"density": 0.5})
    found = merged("ties", params={"density": 0.5}, after=[{"lines": {"beta": 0}}])
    torch.testing.assert_close(found, 0.193122 * ties, atol=1e-5, rtol=0)


def test_lines_over_task_arithmetic_without_depth_is_the_average():
    found = merged("task_arithmetic", params={"scale": 0.7}, after=[{"lines": {"beta": 0}}])
    torch.testing.assert_close(found, merged("average"), atol=1e-6, rtol=1e-6)


def test_lines_grows_with_depth():
    keys = ["embed", "layers.0.w", "layers.1.w", "layers.2.w", "norm"]
    base = {k: torch.zeros(1) for k in keys}
    expert = {k: torch.ones(1) for k in keys}
    after = [{"lines": {"alpha": 0.2, "beta": 0.6}}]
    found = merge_tensors("task_arithmetic", [expert], base, {"scale": 1.0}, after=after)
    assert [found[k].item() for k in keys] == pytest.approx([0.2, 0.2, 0.5, 0.8, 0.2])


def test_lines_gives_a_single_layer_alpha_and_beta():
    base, expert = {"layers.0.w": torch.zeros(1)}, {"layers.0.w": torch.ones(1)}
    after = [{"lines": {"alpha": 0.2, "beta": 0.6}}]
    found = merge_tensors("task_arithmetic", [expert], base, {"scale": 1.0}, after=after)
    assert found["layers.0.w"].item() == pytest.approx(0.8)


def test_lines_follows_methods_that_give_weights():
    found = merged("average", after=[{"lines": {"alpha": 0.5, "beta": 0}}])
    torch.testing.assert_close(found, 0.5 * merged("average"))


def test_lines_of_no_update_is_no_update():
    assert torch.equal(merged("ties", params={"scale": 0.0}, after=[{"lines": {}}]), BASE["w"])


def test_average_and_linear():
    third = [[-0.066667, 0.133333, 0.766667], [0, 0.633333, -0.833333]]
    check(merged("average"), third)
    check(merged("linear"), third)
    check(merged("linear", weights=(2, 2, 2)), third)
    check(merged("linear", 2, weights=(1, 3)), [[1.75, 0.325, 0.075], [-0.325, 3, -1.05]])
    check(merged("linear", 2, weights=(1, -1), params={"normalize": False}),
          [[-1, -3.1, 3.9], [1.1, -4, -0.2]])  # fmt: skip


def test_linear_refuses_coefficients_that_cancel():
    with pytest.raises(RecipeError, match="must not add up to 0"):
        merged("linear", 2, weights=(1, -1))


def test_wise_ft_walks_the_line_of_the_first_expert():
    base = {"w": torch.ones(2)}
    experts = [{"w": torch.tensor([3.0, -1])}, {"w": torch.tensor([9.0, 9])}]
    for alpha, expected in ((0, [1, 1]), (0.5, [2, 0]), (1, [3, -1]), (1.5, [4, -2])):
        check(merge_tensors("wise_ft", experts, base, {"alpha": alpha})["w"], expected)


def test_slerp_needs_two_experts():
    with pytest.raises(RecipeError, match="SLERP needs at least 2 experts, got 1"):
        merged("slerp", 1)
