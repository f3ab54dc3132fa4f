import numpy as np
import pytest
import torch

from merger.diagnostics.flow import StepsInfo, measure_steps
from merger.diagnostics.pipeline import Step
from merger.diagnostics.steps import PIPELINES, pipeline_of
from merger.spec import METHODS, Delta, Deltas, merge_method
from tests.unit.diagnostics.test_flow import FIRST, SECOND, made

# The methods of the specification; one that is added later may do without steps of its own.
KNOWN = (
    "ama", "analogy", "arcee_fusion", "average", "bang", "breadcrumbs", "breadcrumbs_ties",
    "checkpoint_average", "consensus", "core_space", "dare_linear", "dare_ties", "della",
    "della_linear", "doge", "ema", "emr", "expo", "fr_merging", "free_merging", "iso_c",
    "iso_cts", "karcher", "knots", "linear", "magmax", "magnitude_prune", "model_stock",
    "multislerp", "mwa", "nearswap", "nuslerp", "opcm", "passthrough", "pcb", "ram",
    "ramplus_tl", "random_mix", "rmm", "rws", "salsa", "sce", "slerp", "tall_masks",
    "task_arithmetic", "ties", "tsv_c", "tsv_m", "twin", "twin_per_task", "variance_corrected",
    "wise_ft", "wudi",
)  # fmt: skip
# Singular values 3 and 1, 2 and 1, on directions that do not meet.
LEFT = np.diag([3.0, 1.0, 0.0, 0.0])
RIGHT = np.diag([0.0, 0.0, 2.0, 1.0])


def steps(method: str, weights=None, **params) -> StepsInfo:
    experts = [{"w": FIRST}, {"w": SECOND}][: METHODS[method].experts[1] or 2]
    return measure_steps(*made(method, experts, weights, **params))


def matrices(method: str, **params) -> StepsInfo:
    experts = [{"layers.0.w": LEFT}, {"layers.0.w": RIGHT}]
    return measure_steps(*made(method, experts, **params))


def counts(info: StepsInfo) -> list[list[float]]:
    return info.counts.sum(2).tolist()


def sizes(info: StepsInfo) -> np.ndarray:
    return info.sizes.sum(2)


@pytest.mark.parametrize("method", [m.name for m in METHODS.values() if m.stage == "merge"])
def test_every_method_has_a_pipeline_in_words(method: str):
    pipeline = pipeline_of(METHODS[method])
    names = [step.name for step in pipeline.steps]
    assert names and len(set(names)) == len(names)
    for step in pipeline.steps:
        assert step.did[0].isupper() and not step.did.endswith(".")
        assert not step.conflict or step.lost


def test_the_methods_of_the_specification_declare_their_steps():
    assert set(KNOWN) == set(PIPELINES)


def test_a_method_without_declared_steps_shows_what_goes_in_and_what_comes_out():
    @merge_method("Stepless", family="averaging", paper="a test", laws=("zero",))
    def stepless(tau: Deltas) -> Delta:
        """Take the first expert.

        θ* = θ₀ + τ₁
        """
        return tau[0]

    try:
        info = measure_steps(*made("stepless", [{"w": FIRST}, {"w": SECOND}]))
    finally:
        METHODS.remove("stepless")
    assert [step.name for step in info.steps] == ["merge"] and "does not say" in info.note
    assert sizes(info)[0].tolist() == [10, 11] and sizes(info)[1, 0] == 10


def test_ties_keeps_three_outvotes_one_and_averages_by_hand():
    info = steps("ties", density=0.6)
    assert [step.name for step in info.steps] == ["trim", "elect", "combine"]
    assert counts(info) == [[4, 4], [3, 3], [3, 2], [3, 2]]
    assert sizes(info).tolist() == [[10, 11], [9, 10], [9, 8], [9, 8]]


def test_what_is_combined_by_mean_counts_half_where_two_agree():
    info = steps("ties", density=1.0, tie="drop")
    # Elected: + − + + +; in two entries both agree, and each gives half of its value.
    assert sizes(info)[2].tolist() == [10, 9] and sizes(info)[3].tolist() == [8.5, 7]
    largest = steps("ties", density=1.0, tie="drop", combine="max")
    assert sizes(largest)[3].tolist() == [9, 8] and counts(largest)[3] == [3, 2]


def test_magmax_gives_each_entry_to_one_expert():
    info = steps("magmax", scale=0.5)
    assert counts(info) == [[4, 4], [3, 2], [3, 2]]
    assert sizes(info).tolist() == [[10, 11], [9, 8], [4.5, 4]]
    assert info.mass.left_out.sum(1).tolist() == [1, 3]
    assert info.word == "smaller than another's" and not info.elects


def test_ram_leaves_out_what_is_too_small_and_halves_what_two_changed():
    info = steps("ram", epsilon=1.5)
    assert counts(info) == [[4, 4], [3, 3], [3, 3]]
    assert sizes(info).tolist() == [[10, 11], [9, 10], [7, 9]]
    # Two changed the first entry: +4 and −2, of which half of the former is left.
    assert info.mass.opposed.sum(1).tolist() == [2, 2]


def test_consensus_keeps_what_several_need():
    info = steps("consensus", k=2, strictness=0.4, scale=1.0)
    # Needs: 4 > 0.4·2, 1 ≤ 0.4·3, 2 > 0.4·1, 3 > 0; 2 > 0.4·4, 3 > 0.4·1, 1 > 0.4·2, 5 > 0.
    assert counts(info) == [[4, 4], [4, 4], [2, 2], [2, 2]]
    assert sizes(info)[2].tolist() == [6, 3]


def test_masks_are_cut_from_one_update_for_all():
    info = steps("tall_masks", strictness=0.4, scale=0.5)
    assert sizes(info)[1].tolist()[0] == 17 and np.isnan(sizes(info)[1, 1])
    assert counts(info)[2] == [3, 4] and sizes(info)[2].tolist() == [2 + 3 + 3, 2 + 4 + 3 + 5]
    assert sizes(info)[3].tolist() == [4, 7] and not info.adds
    assert info.entries.left_out.sum(1).tolist() == [1, 0]


def test_emr_elects_takes_the_largest_and_masks():
    info = steps("emr", rescale="none")
    assert sizes(info)[1].tolist() == [10, 9] and sizes(info)[2, 0] == 17
    assert sizes(info)[3].tolist() == [12, 10] and info.mass.opposed.sum(1).tolist() == [0, 2]


def test_what_is_dropped_comes_back_in_size_when_the_rest_is_rescaled():
    info = steps("dare_linear", density=0.5, scale=1.0)
    kept, enlarged = sizes(info)[1], sizes(info)[2]
    assert enlarged.tolist() == (2 * kept).tolist()
    assert counts(info)[1] == counts(info)[2]
    assert info.entries.left_out.sum(1).tolist() == [4 - c for c in counts(info)[1]]


def test_sce_weighs_what_agrees_by_energy():
    info = steps("sce")
    # Mean squares 6 and 7.8, by which the two entries are averaged in which both agree.
    assert sizes(info)[2].tolist() == [10, 9]
    both = ((1 + 2) * 6 + (3 + 1) * 7.8) / 13.8
    assert sizes(info)[3].sum() == pytest.approx(4 + 3 + 5 + both)


def test_pcb_keeps_the_winners():
    info = steps("pcb", density=0.4, clip=0.0)
    assert counts(info)[1] == [4, 4] and max(counts(info)[2]) <= 2
    assert info.word == "beaten"


@pytest.mark.parametrize(
    ("method", "params", "shares"),
    [
        ("average", {}, [0.5, 0.5]),
        ("linear", {"normalize": False}, [3.0, -1.0]),
        ("ema", {"decay": 0.25}, [0.25, 0.75]),
        ("salsa", {"t": 0.1}, [0.9, 0.1]),
        ("wise_ft", {"alpha": 0.25}, [0.25]),
        ("expo", {"alpha": 0.5}, [1.5]),
        ("task_arithmetic", {"scale": 0.5}, [1.5, -0.5]),
        ("passthrough", {"scale": 2.0}, [2.0]),
    ],
)
def test_shares_are_what_the_method_takes_of_each_expert(method: str, params, shares):
    info = steps(method, [3.0, -1.0][: len(shares)], **params)
    start = np.array([10.0, 11.0])[: len(shares)]
    assert sizes(info)[1] == pytest.approx(np.abs(shares) * start)


def test_an_arc_of_sixty_degrees_takes_the_same_of_both_ends():
    ends = [{"w": [1.0, 0.0]}, {"w": [0.5, 3**0.5 / 2]}]
    info = measure_steps(*made("slerp", ends, t=0.5))
    each = 0.5 / np.sin(np.pi / 3)
    assert info.sizes[1].sum(1) == pytest.approx([each, each * (0.5 + 3**0.5 / 2)], rel=1e-5)
    assert "base" in info.note


def test_tsv_merge_keeps_an_equal_share_of_the_directions():
    info = matrices("tsv_m")
    assert info.unit == "directions" and info.layers == ("0",)
    assert counts(info) == [[2, 2]] * 4  # room for 4 ÷ 2 experts, of which each has 2
    three = [{"layers.0.w": m} for m in (LEFT, RIGHT, LEFT + RIGHT)]
    info = measure_steps(*made("tsv_m", three))
    assert counts(info)[:2] == [[2, 2, 4], [1, 1, 1]]
    assert sizes(info)[:2] == pytest.approx(np.array([[10, 5, 15], [9, 4, 9]]))
    assert info.cuts and info.mass.left_out.sum(1) == pytest.approx([1, 1, 6])


def test_tsv_compress_keeps_a_share_of_them_for_each():
    info = matrices("tsv_c", density=0.25)
    assert counts(info) == [[2, 2], [1, 1]]
    assert sizes(info) == pytest.approx(np.array([[10, 5], [9, 4]]))


def test_iso_c_makes_the_directions_of_the_sum_equal():
    info = matrices("iso_c", scale=2.0)
    assert [row[0] for row in counts(info)[1:]] == [4, 4, 4]
    # Strengths 3, 2, 1, 1 become 1.75 each, times 2 in the end.
    assert sizes(info)[1:, 0] == pytest.approx([15, 4 * 1.75**2, 16 * 1.75**2])
    assert not info.cuts and info.flow_unit == "weights"


def test_iso_cts_splits_directions_into_common_and_own():
    info = matrices("iso_cts", common=0.5)
    assert counts(info)[1][0] == 2 and counts(info)[2] == [1, 1] and counts(info)[3][0] == 4
    assert sizes(info)[1, 0] == pytest.approx(9 + 4) and sizes(info)[2] == pytest.approx([1, 1])


def test_opcm_leaves_the_first_expert_whole_and_cleans_the_second():
    info = measure_steps(*made("opcm", [{"l.w": LEFT}, {"l.w": LEFT * 0.5}], alpha=0.0))
    assert sizes(info)[1] == pytest.approx([4, 0], abs=1e-6)


def test_filtering_has_energy_and_nothing_to_count():
    flat = np.ones((4, 4))
    info = measure_steps(*made("fr_merging", [{"l.w": flat}, {"l.w": LEFT}]))
    assert not info.counts.any() and "energy" in info.note
    assert info.sizes[1, 0].sum() == pytest.approx(0, abs=1e-9) and info.word == "filtered out"


def test_layers_add_up_to_the_model_and_one_can_be_looked_at():
    names = ("embed.weight", "layers.0.w", "layers.1.w")
    experts = [
        {k: np.array(v) * s for k, s in zip(names, (1, 2, 3), strict=True)}
        for v in (FIRST, SECOND)
    ]
    info = measure_steps(*made("task_arithmetic", experts))
    assert info.layers == ("out", "0", "1")
    assert info.mass.merged.tolist() == [[8, 16, 24], [9, 18, 27]]
    one = info.flow("1")
    assert one.layer == "1" and one.mass.merged.tolist() == [24, 27]
    assert info.flow().mass.merged.tolist() == [48, 54]
    assert info.flow("no such layer") == info.flow()


@pytest.mark.parametrize("method", ["ties", "task_arithmetic", "magmax", "dare_linear"])
def test_the_last_factor_needs_no_new_measure(method: str):
    info = steps(method, scale=-0.5)
    again = steps(method, scale=1.0).scaled(-0.5, pipeline_of(METHODS[method]).scaled)
    np.testing.assert_allclose(again.sizes, info.sizes, rtol=1e-6)
    np.testing.assert_array_equal(again.counts, info.counts)
    assert np.nansum(steps(method).scaled(0.0, 1).counts[-1]) == 0


def test_a_step_together_leaves_one_row():
    info = steps("average")
    assert info.steps[1] == Step("add", "The shares are added up", together=True)
    assert sizes(info)[2, 0] == pytest.approx(8.5) and np.isnan(sizes(info)[2, 1])


def test_task_vectors_are_not_changed_by_following_them():
    planned, flat = made("pcb", [{"w": FIRST}, {"w": SECOND}])
    before = flat.tau.clone()
    measure_steps(planned, flat)
    assert torch.equal(flat.tau, before)
