"""Methods made for adapters: the common frame, the core, few directions, few basis models."""

import pytest
import torch

from merger.memory import merge_tensors
from merger.methods.knots import coordinates

KEY = "layers.0.w"


def matrix(seed: int, rows: int = 12, columns: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def thin(seed: int, rank: int = 2) -> torch.Tensor:
    return matrix(seed, 12, rank) @ matrix(seed + 100, rank, 9)


def merged(method: str, taus, key: str = KEY, weights=None, seed: int = 0, **params):
    base = {key: torch.zeros_like(taus[0]).float()}
    experts = [{key: tau.float()} for tau in taus]
    return merge_tensors(method, experts, base, params, weights, seed)


def one(method: str, taus, key: str = KEY, **params) -> torch.Tensor:
    return merged(method, taus, key, **params)[key].double()


def check(found: torch.Tensor, expected: torch.Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected.to(found), atol=atol, rtol=0)


def ties(stack: torch.Tensor, density: float) -> torch.Tensor:
    """Merge by TIES, slowly: keep the largest, elect by the sum, average those that agree."""
    kept = torch.zeros_like(stack)
    for row, out in zip(stack, kept, strict=True):
        count = max(1, int(density * int((row != 0).sum())))
        limit = row.abs().flatten().sort(descending=True).values[count - 1]
        out[:] = row * (row.abs() >= limit)
    agrees = kept * kept.sum(0).sign() > 0
    return (kept * agrees).sum(0) / agrees.sum(0).clamp(min=1)


def knots_slowly(taus, density: float, turn: int = 1) -> torch.Tensor:
    """KnOTS as the paper writes it; `turn` flips every second direction."""
    u, s, v = torch.linalg.svd(torch.cat(taus, 1), full_matrices=False)
    keep = s > 1e-7 * s[0]
    u, s, v = u[:, keep], s[keep], v[keep]
    flips = torch.ones(len(s), dtype=torch.float64)
    flips[::2] = turn
    own = torch.stack(((s * flips)[:, None] * v).split(taus[0].shape[1], 1))
    return (u * flips) @ ties(own, density)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("make", [matrix, thin])
def test_knots_is_ties_in_the_common_frame_whatever_the_signs_of_its_axes(make, turn):
    taus = [make(i) for i in range(3)]
    check(one("knots", taus, scale=1.0), knots_slowly(taus, 0.2, turn))


def test_knots_can_take_the_frame_of_the_inputs():
    taus = [matrix(i) for i in range(3)]
    expected = knots_slowly([tau.T for tau in taus], 0.2).T
    check(one("knots", taus, scale=1.0, concat="output"), expected)


def test_knots_added_up_is_task_arithmetic():
    for taus in ([matrix(i) for i in range(3)], [thin(i) for i in range(3)]):
        for concat in ("input", "output"):
            found = merged(
                "knots", taus, weights=(0.5, 1.0, -2.0),
                inner="linear", combine="sum", scale=1.0, concat=concat,
            )  # fmt: skip
            check(found[KEY].double(), 0.5 * taus[0] + taus[1] - 2 * taus[2])


def test_knots_ranks_only_coordinates_that_exist():
    # Two directions of 9 entries: a share of 0.2 keeps 3 of 18, not 21 of 108.
    found = one("knots", [thin(1)], scale=1.0)
    frame = torch.linalg.svd(thin(1), full_matrices=False)[0][:, :2]
    kept = (frame.T @ found).abs() > 1e-6
    assert int(kept.sum()) == 3


def test_knots_reaches_no_direction_that_no_adapter_has():
    found = one("knots", [thin(1), thin(2)], density=0.5)
    assert torch.linalg.svdvals(found)[4] < 1e-5


def test_knots_merges_what_is_no_matrix_entry_by_entry():
    taus = [matrix(i, 12, 1)[:, 0] for i in range(3)]
    check(one("knots", taus, "layers.0.b", scale=1.0), ties(torch.stack(taus), 0.2))


def test_the_core_added_up_is_task_arithmetic():
    taus = [thin(1, 1), thin(2, 2), thin(3, 3)]
    check(one("core_space", taus, inner="linear"), taus[0] + taus[1] + taus[2])
    biases = [matrix(i, 12, 1)[:, 0] for i in range(3)]
    found = one("core_space", biases, "layers.0.b", inner="linear")
    check(found, biases[0] + biases[1] + biases[2])


def test_iso_c_in_the_core_is_iso_c_without_made_up_directions():
    taus = [thin(1, 1), thin(2, 2)]
    check(one("core_space", taus, inner="iso_c"), one("iso_c", taus))


def test_ties_in_the_core_is_ties_of_the_cores():
    taus = [thin(1, 1), thin(2, 2)]
    u = torch.linalg.svd(torch.cat(taus, 1), full_matrices=False)[0][:, :3]
    v = torch.linalg.svd(torch.cat(taus, 0), full_matrices=False)[2][:3]
    cores = torch.stack([u.T @ tau @ v.T for tau in taus])
    check(one("core_space", taus, inner="ties", density=0.4), u @ ties(cores, 0.4) @ v)


def test_cart_in_the_core_adds_to_the_mean_what_sets_each_core_most_apart():
    taus = [thin(1), thin(2), thin(3)]
    middle = sum(taus) / 3
    expected = middle.clone()
    for tau in taus:
        u, s, v = torch.linalg.svd(tau - middle, full_matrices=False)
        expected += 0.3 * (u[:, :2] * s[:2]) @ v[:2]
    # The core of three adapters of rank 2 has 6 directions, of which a third are 2.
    check(one("core_space", taus, inner="cart", rank=0.33, gain=0.3), expected)
    check(one("core_space", taus, inner="cart", rank=1.0), middle)


@pytest.mark.parametrize("inner", ["tsv_m", "iso_c", "cart"])
def test_a_core_that_is_the_whole_matrix_needs_no_frame(inner, monkeypatch):
    taus = [matrix(1), matrix(2), matrix(3)]
    found = one("core_space", taus, inner=inner)
    monkeypatch.setattr("merger.methods.core_space._reaches_all", lambda tau: False)
    check(found, one("core_space", taus, inner=inner))


def entries(found, tau) -> torch.Tensor:
    """Return an update in the directions of one expert, next to that expert's own numbers."""
    u, s, v = torch.linalg.svd(tau, full_matrices=False)
    inside = (u[:, :2].T @ found.double() @ v[:2].T).diagonal() / s[:2]
    check(found, u[:, :2] @ torch.diag(s[:2] * inside) @ v[:2])
    return inside


def test_dare_in_the_core_keeps_or_drops_whole_entries_of_it():
    tau = thin(1)
    check(one("core_space", [tau], inner="dare_linear", density=1.0), tau)
    check(one("core_space", [tau], inner="dare_linear", density=0.0), 0 * tau)
    kept = [
        entries(one("core_space", [tau], seed=seed, inner="dare_linear", density=0.5), tau)
        for seed in range(8)
    ]
    found = torch.stack(kept)
    assert ((found.abs() < 1e-5) | ((found - 2).abs() < 1e-5)).all()
    assert 0 < found.mean() < 2


def test_knots_may_drop_coordinates_at_random_before_it_trims():
    tau = thin(1)
    u, s, v = torch.linalg.svd(tau, full_matrices=False)
    own = s[:2, None] * v[:2]
    found = one("knots", [tau], seed=3, inner="linear", scale=1.0, drawn=0.5)
    inside = (u[:, :2].T @ found.double()) / own
    assert ((inside.abs() < 1e-4) | ((inside - 2).abs() < 1e-4)).all()
    assert 0.1 < (inside.abs() < 1e-4).double().mean() < 0.9
    trimmed = one("knots", [tau], seed=3, scale=1.0, drawn=0.5, density=0.25)
    # A quarter of the entries that were left, the largest of them, stays.
    left = ((u[:, :2].T @ trimmed.double()).abs() > 1e-4).sum()
    assert left == max(1, int(0.25 * int((inside.abs() > 1e-4).sum())))


def test_tsv_m_in_the_core_shares_out_the_core_s_directions():
    # Two adapters of rank 2 reach 4 directions: each keeps both of its own.
    taus = [thin(1), thin(2)]
    found = one("core_space", taus, inner="tsv_m")
    assert torch.linalg.svdvals(found)[3] > 1e-3
    assert torch.linalg.svdvals(found)[4] < 1e-5


def test_tsv_compress_keeps_the_strongest_directions_of_each_expert():
    taus = [matrix(1), matrix(2)]
    for params, count in (({}, 1), ({"density": 0.5}, 4), ({"density": None}, 4)):
        found = merged("tsv_c", taus, **params)
        for tau, model in zip(taus, found.values(), strict=True):
            u, s, v = torch.linalg.svd(tau, full_matrices=False)
            check(model[KEY].double(), (u[:, :count] * s[:count]) @ v[:count])


def test_tsv_compress_keeps_what_is_no_matrix():
    taus = [matrix(i, 12, 1)[:, 0] for i in range(2)]
    found = merged("tsv_c", taus, "layers.0.b")
    for tau, model in zip(taus, found.values(), strict=True):
        assert torch.equal(model["layers.0.b"], tau.float())


def error(taus, **params) -> float:
    found = merged("rmm", taus, **params)
    return sum(
        float((model[KEY].double() - tau).square().sum())
        for tau, model in zip(taus, found.values(), strict=True)
    )


def test_rmm_errs_by_the_eigenvalues_it_leaves_out_and_less_with_more_models():
    taus = [matrix(i) for i in range(4)]
    flat = torch.stack(taus).flatten(1)
    values = torch.linalg.eigvalsh(flat @ flat.T).flip(0)
    errors = [error(taus, basis=p) for p in (1, 2, 3, 4)]
    for p, found in enumerate(errors[:3], 1):
        assert found == pytest.approx(float(values[p:].sum()), rel=1e-5)
    assert errors[3] < 1e-9
    assert error(taus, basis=9) < 1e-9


def test_rmm_with_one_basis_model_gives_multiples_of_it():
    found = [
        m[KEY].flatten().double() for m in merged("rmm", [matrix(1), matrix(2)], basis=1).values()
    ]
    cosine = torch.dot(*found) / (found[0].norm() * found[1].norm())
    assert abs(float(cosine)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("concat", ["input", "output"])
@pytest.mark.parametrize("shape", [(20, 3), (3, 20), (6, 5)])
def test_coordinates_have_the_inner_products_of_what_they_stand_for(shape, concat):
    draw = torch.Generator().manual_seed(0)
    tau = torch.randn(2, *shape, generator=draw)
    placed = coordinates(tau, "layers.0.w", concat=concat)
    if concat == "output":
        tau, placed = tau.transpose(1, 2), placed.transpose(1, 2)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        torch.testing.assert_close(placed[i].T @ placed[j], tau[i].T @ tau[j], atol=1e-4, rtol=0)
    rows = torch.cat([placed[0], placed[1]], dim=1)
    products = rows @ rows.T
    torch.testing.assert_close(products, torch.diag(products.diagonal()), atol=1e-4, rtol=0)
