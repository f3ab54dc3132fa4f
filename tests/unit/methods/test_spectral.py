"""Spectral methods against the specification's numbers, their properties, and bad input."""

import pytest
import torch

from merger.errors import MergeError
from merger.grams import polar_, untangle
from merger.memory import merge_tensors
from merger.methods.wudi import _slope
from merger.spectral import EXACT, isotropic, svd, widen

TAU = (
    [[1, -2, 3], [0.5, 0, -1.2]],
    [[2, 1.1, -0.9], [-0.6, 4, -1]],
    [[-3.2, 1.3, 0.2], [0.1, -2.1, -0.3]],
)


def matrix(seed: int, rows: int = 12, columns: int = 9) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def thin(seed: int, rank: int = 2) -> torch.Tensor:
    return matrix(seed, 12, rank) @ matrix(seed + 100, rank, 9)


def merged(method: str, taus, key: str = "layers.0.w", **options) -> torch.Tensor:
    taus = [torch.as_tensor(tau, dtype=torch.float32) for tau in taus]
    base = {key: torch.zeros_like(taus[0])}
    return merge_tensors(method, [{key: tau} for tau in taus], base, **options)[key]


def check(found: torch.Tensor, expected, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found, torch.as_tensor(expected).to(found), atol=atol, rtol=0)


def truncated(tau: torch.Tensor, k: int) -> torch.Tensor:
    u, s, v = torch.linalg.svd(tau.double(), full_matrices=False)
    return (u[:, :k] * s[:k]) @ v[:k]


def test_tsv_m_gives_the_numbers_of_the_specification():
    expected = [[1.27988, 0.663259, 3.598068], [0.269052, 4.239886, -0.592061]]
    check(merged("tsv_m", TAU[:2]), expected)


def test_tsv_m_with_more_experts_than_directions_takes_the_strongest():
    check(merged("tsv_m", TAU), merged("tsv_m", TAU[:2]))
    check(merged("tsv_m", TAU[2:] + TAU[:2]), merged("tsv_m", TAU[:2]))


def test_tsv_m_of_equal_experts_is_the_expert_with_fewer_directions():
    check(merged("tsv_m", [matrix(1)] * 4), truncated(matrix(1), 2))


def test_tsv_m_of_one_expert_is_that_expert():
    check(merged("tsv_m", [matrix(1)]), matrix(1))


def test_tsv_m_leaves_directions_alone_that_nobody_else_uses():
    one, two = torch.zeros(12, 9), torch.zeros(12, 9)
    one[:6, :4], two[6:, 4:] = matrix(1, 6, 4), matrix(2, 6, 5)
    check(merged("tsv_m", [one, two]), truncated(one, 4) + truncated(two, 4))


@pytest.mark.parametrize("name", ["tsv_m", "wudi"])
def test_an_unchanged_expert_adds_nothing_made_up(name):
    alone = truncated(matrix(1), 4) if name == "tsv_m" else matrix(1)
    check(merged(name, [matrix(1), torch.zeros(12, 9)]), alone)


def test_what_is_no_matrix_is_averaged_and_then_scaled():
    for name in ("tsv_m", "iso_c", "iso_cts"):
        for key, shape in (("layers.0.b", (12,)), ("conv", (2, 3, 2, 1)), ("logit_scale", ())):
            taus = [matrix(i, 12, 1).flatten()[: torch.Size(shape).numel()] for i in range(3)]
            taus = [tau.reshape(shape) for tau in taus]
            expected = 0.5 * (taus[0] + taus[1] + taus[2]) / 3
            check(merged(name, taus, key, params={"scale": 0.5}), expected)


def test_clip_text_projection_is_averaged():
    taus = [matrix(i) for i in range(2)]
    check(merged("tsv_m", taus, "text_projection.weight"), (taus[0] + taus[1]) / 2)


def test_kernels_may_count_as_matrices():
    kernels = [matrix(i).reshape(12, 3, 3, 1) for i in range(2)]
    for name in ("tsv_m", "iso_c", "iso_cts"):
        found = merged(name, kernels, params={"conv_as_matrix": True})
        flat = merged(name, [kernel.reshape(12, 9) for kernel in kernels])
        check(found, flat.reshape(12, 3, 3, 1), 0)


def test_iso_c_gives_the_numbers_of_the_specification():
    expected = [[-0.28237, 1.441539, 2.093569], [-0.092295, 2.099244, -1.457894]]
    check(merged("iso_c", TAU), expected)


def test_iso_c_makes_all_directions_as_strong_as_their_mean():
    taus = [matrix(i) for i in range(3)]
    strength = torch.linalg.svdvals(merged("iso_c", taus))
    summed = torch.linalg.svdvals(taus[0] + taus[1] + taus[2])
    check(strength, summed.mean().expand(9))


def test_iso_c_strengthens_only_directions_that_somebody_changed():
    taus = [thin(1), thin(2)]
    found = torch.linalg.svdvals(merged("iso_c", taus).double())
    summed = torch.linalg.svdvals((taus[0] + taus[1]).double())
    check(found[:4], summed[:4].mean().expand(4))
    check(found[4:], torch.zeros(5))
    full = torch.linalg.svdvals(merged("iso_c", taus, params={"full": True}))
    check(full, summed.mean().expand(9))


def test_iso_cts_with_common_directions_only_is_iso_c():
    taus = [matrix(i) for i in range(3)]
    check(merged("iso_cts", taus, params={"common": 1.0}), merged("iso_c", taus))


def test_iso_cts_of_six_experts_in_four_directions_has_no_room_for_own_ones():
    taus = [matrix(i, 4, 6) for i in range(6)]
    check(merged("iso_cts", taus, params={"common": 0.2}), merged("iso_c", taus))


def test_iso_cts_shares_out_common_and_own_directions():
    # 9 directions, 3 experts, half common: round((9 - 4) / 3) = 2 each, 3 common.
    taus = [matrix(i).double() for i in range(3)]
    u, s, v = torch.linalg.svd(taus[0] + taus[1] + taus[2], full_matrices=False)
    left, strength, right = [], [], []
    for tau in taus:
        own = torch.linalg.svd(tau - u[:, :3] @ u[:, :3].T @ tau, full_matrices=False)
        left.append(own[0][:, :2])
        strength.append(own[1][:2])
        right.append(own[2][:2])
    turned = []
    for columns in (torch.cat([*left, u[:, :3]], 1), torch.cat([*right, v[:3]]).T):
        p, _, q = torch.linalg.svd(columns, full_matrices=False)
        turned.append(p @ q)
    mean = torch.cat([*strength, s[:3]]).mean()
    check(merged("iso_cts", taus, params={"common": 0.5}), mean * turned[0] @ turned[1].T)


def test_svc_gives_the_numbers_of_the_specification():
    expected = [[-1.027568, 6.395498, 6.106028], [-0.45688, 6.874577, -2.589057]]
    check(merged("task_arithmetic", TAU, params={"scale": 1.0}, after=[{"svc": {}}]), expected)


def test_svc_takes_back_what_equal_experts_pile_up():
    found = merged("task_arithmetic", [matrix(1)] * 4, params={"scale": 1.0}, after=[{"svc": {}}])
    check(found, matrix(1))


def test_svc_counts_an_expert_that_has_nothing_in_a_direction_with_alpha():
    one, two = torch.zeros(12, 9), torch.zeros(12, 9)
    one[0, 0], two[1, 1] = 3.0, 2.0
    found = merged("task_arithmetic", [one, two], params={"scale": 1.0}, after=[{"svc": {}}])
    # Each direction is one expert's alone: 2 / (1 + 0.1).
    check(found, (one + two) * 2 / 1.1)


def test_opcm_gives_the_numbers_of_the_specification():
    expected = [[1.439347, 0.03908, 1.928439], [1.347747, 1.730551, -2.78576]]
    check(merged("opcm", TAU), expected)
    turned = [[-3.259866, 0.968389, 1.133814], [-1.223837, -0.148803, -1.998461]]
    check(merged("opcm", TAU[::-1]), turned)


def test_opcm_keeps_the_experts_mean_length_over_the_model():
    keys = {"layers.0.w": (12, 9), "layers.1.b": (5,)}
    base = {key: torch.zeros(shape) for key, shape in keys.items()}
    experts = [
        {k: matrix(7 * i + len(s), *s, *[1] * (2 - len(s))).reshape(s) for k, s in keys.items()}
        for i in range(4)
    ]
    found = merge_tensors("opcm", experts, base)

    def length(model) -> float:
        return float(sum(tensor.double().square().sum() for tensor in model.values()).sqrt())

    assert length(found) == pytest.approx(sum(map(length, experts)) / 4, rel=1e-6)


def test_opcm_adds_nothing_of_an_expert_that_is_there_already():
    check(merged("opcm", [matrix(1)] * 3), matrix(1))


@pytest.mark.parametrize("strict", [False, True])
def test_opcm_cleans_in_full_bases_as_the_paper_writes_it(strict):
    first, second = matrix(1).double(), matrix(2).double()
    u, s, v = torch.linalg.svd(first, full_matrices=True)
    guarded = int((s.cumsum(0) / s.sum() <= 0.5).sum())
    inner = u.T @ second @ v.T
    inner.diagonal().zero_()
    inner[:guarded, :guarded] = 0
    if strict:
        inner[:guarded], inner[:, :guarded] = 0, 0
    whole = first + u @ inner @ v
    length = (first.norm() + second.norm()) / 2
    params = {"strict": strict}
    check(merged("opcm", [first, second], params=params), whole * length / whole.norm())


def test_opcm_of_experts_that_changed_nothing_is_the_base():
    assert not merged("opcm", [torch.zeros(12, 9)] * 3).any()
    # Nothing is there yet when the second one comes.
    check(merged("opcm", [torch.zeros(12, 9), matrix(1)]), matrix(1) / 2)


def test_opcm_does_not_clean_embeddings():
    taus = [matrix(1), matrix(2)]
    summed = (taus[0] + taus[1]).double()
    found = merged("opcm", taus, "model.embed_tokens.weight")
    length = (taus[0].double().norm() + taus[1].double().norm()) / 2
    check(found, summed * length / summed.norm())


def test_wudi_gives_the_numbers_of_the_specification():
    expected = [[-0.58675, 2.356633, 5.356923], [1.436055, 2.055003, -0.954147]]
    check(merged("wudi", TAU), expected)


def loss(found: torch.Tensor, taus) -> float:
    return sum(float((((found - t) @ t.T) ** 2).sum() / (t**2).sum()) for t in taus)


def test_wudi_disturbs_less_than_the_sum_the_mean_and_adam():
    taus = [matrix(i, 6, 20) for i in range(3)]
    solved = loss(merged("wudi", taus), taus)
    stepwise = loss(merged("wudi", taus, params={"solver": "adam"}), taus)
    summed = taus[0] + taus[1] + taus[2]
    assert solved < stepwise < loss(summed, taus)
    assert solved < loss(summed / 3, taus)
    check(merged("wudi", taus, params={"solver": "adam", "steps": 0}), summed)


def test_wudi_of_equal_experts_is_the_expert_even_where_they_changed_little():
    check(merged("wudi", [thin(1)] * 3), thin(1))


def test_wudi_leaves_the_rest_at_the_base_when_asked():
    taus = [matrix(1), matrix(2)]
    key = "model.embed_tokens.weight"
    check(merged("wudi", taus, key), (taus[0] + taus[1]) / 2)
    assert not merged("wudi", taus, key, params={"rest": "base"}).any()


def test_turned_apart_directions_are_orthonormal():
    columns = torch.cat([matrix(1, 12, 3), matrix(2, 12, 3)], 1).double()
    found = polar_(columns.clone())
    check(found.T @ found, torch.eye(6))
    p, _, q = torch.linalg.svd(columns, full_matrices=False)
    check(found, p @ q, 1e-12)


def test_repeated_columns_share_one_direction():
    column = matrix(1, 12, 1).double()
    check(
        polar_(torch.cat([column, column], 1)),
        torch.cat([column, column], 1) / column.norm() / 2**0.5,
    )


def test_the_largest_entry_of_a_left_vector_is_positive():
    left = svd(-matrix(1).double()).left
    assert (left.gather(0, left.abs().argmax(0, keepdim=True)) > 0).all()


def test_a_matrix_of_zeros_has_no_directions():
    nothing = torch.zeros(4, 3, dtype=torch.float64)
    assert svd(nothing).strength.shape == (0,)
    assert not isotropic(nothing).any()
    assert not isotropic(nothing, full=True).any()


def test_large_matrices_are_decomposed_in_single_precision():
    small, large = torch.zeros(1, 2, 2), torch.zeros(1).expand(1, EXACT + 1)
    assert widen(small)[0].dtype == torch.float64
    assert widen(large)[0].dtype == torch.float32


def test_single_precision_is_enough_for_repeated_experts():
    check(untangle([thin(1)] * 3), thin(1), 1e-4)


@pytest.mark.parametrize("shape", [(3, 20), (12, 9)])
def test_wudi_solves_wide_matrices_by_their_rows(shape):
    taus = [matrix(i, *shape).double() for i in range(2)]
    summed = taus[0] + taus[1]
    products = sum(t.T @ t / t.square().sum() for t in taus)
    wanted = sum(t @ t.T @ t / t.square().sum() for t in taus)
    inverse = torch.linalg.pinv(products, rtol=1e-8, hermitian=True)
    expected = summed - (summed @ products - wanted) @ inverse
    check(merged("wudi", taus), expected, 1e-6)


def test_the_slope_of_wide_matrices_is_the_same_from_their_rows():
    stack = torch.stack([matrix(i, 3, 20) for i in range(2)])
    # Rows of zeros change no inner product of columns, but then there are more rows than columns.
    padded = torch.cat([stack, torch.zeros(2, 10, 20)], dim=1)
    found, some = matrix(5, 3, 20).double(), slice(0, 3)
    check(_slope(widen(padded))(found, some), _slope(widen(stack))(found, some), 1e-10)


@pytest.mark.parametrize("shape", [(9, 12), (12, 9)])
def test_iso_cts_is_what_its_formula_says(shape):
    taus = [matrix(i, *shape).double() for i in range(2)]
    u, s, v = torch.linalg.svd(taus[0] + taus[1], full_matrices=False)
    left, strength, right = [u[:, :5]], [s[:5]], [v[:5]]
    for tau in taus:
        a, b, c = torch.linalg.svd(tau - u[:, :5] @ u[:, :5].T @ tau, full_matrices=False)
        left, strength, right = [*left, a[:, :2]], [*strength, b[:2]], [*right, c[:2]]
    frames = [
        torch.linalg.svd(f, full_matrices=False) for f in (torch.cat(left, 1), torch.cat(right).T)
    ]
    turned = [p @ q for p, _, q in frames]
    expected = turned[0] @ turned[1].T * torch.cat(strength).mean()
    check(merged("iso_cts", taus, params={"common": 0.6}), expected)


def test_what_single_precision_gives_up_on_is_decomposed_in_double(monkeypatch):
    real, asked = torch.linalg.svd, []

    def gives_up(matrix: torch.Tensor, **options: bool) -> object:
        asked.append(matrix.dtype)
        if matrix.dtype == torch.float32:
            raise RuntimeError("linalg.svd: The algorithm failed to converge")
        return real(matrix, **options)

    monkeypatch.setattr(torch.linalg, "svd", gives_up)
    matrix = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    found = svd(matrix)
    assert asked == [torch.float32, torch.float64]
    assert found.left.dtype == torch.float32
    torch.testing.assert_close(found.matrix(), matrix)
    with pytest.raises(MergeError, match="cannot be decomposed"):
        svd(torch.full((3, 3), torch.nan))
