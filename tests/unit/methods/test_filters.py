"""Twin-, FR- and FREE-Merging: directions and frequencies that are kept."""

import pytest
import torch

from merger.errors import RecipeError
from merger.filters import equal_sizes, high_pass, low_rank
from merger.memory import merge_tensors

KEY = "layers.0.mlp.weight"


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def passed(matrix: torch.Tensor, frequencies: float = 0.9) -> torch.Tensor:
    return high_pass(matrix.unsqueeze(0), KEY, "share", frequencies, 0.7)[0]


def merge(name: str, experts, params=None, key: str = KEY, **options):
    base = {key: torch.zeros_like(experts[0])}
    found = merge_tensors(name, [{key: e} for e in experts], base, params, **options)
    if key in found:
        return found[key]
    return [found[expert][key] for expert in found]


def test_the_cut_by_distance_is_that_of_the_authors_code():
    matrix = (torch.arange(24.0) ** 1.5).reshape(1, 4, 6)
    row = high_pass(matrix, KEY, "distance", 1.0, 0.7)[0, 0]
    expected = [-0.342293, 5.877118, 3.347018, -3.863195, -6.278758, 1.26011]
    torch.testing.assert_close(row, torch.tensor(expected), atol=1e-5, rtol=1e-6)


def test_the_cut_by_distance_depends_on_the_shape():
    square, long = draw(1, 64, 64), draw(1, 16, 256)
    kept, most = (high_pass(m, KEY, "distance", 1.0, 0.75) for m in (square, long))
    torch.testing.assert_close(kept, square)
    assert most.square().sum() < 0.2 * long.square().sum()


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (1, 9), (4, 4)])
def test_without_low_frequencies_the_mean_is_zero_and_filtering_again_changes_nothing(shape):
    found = passed(draw(*shape), 0.8)
    assert abs(float(found.double().mean())) < 1e-6
    torch.testing.assert_close(passed(found, 0.8), found, atol=1e-6, rtol=1e-5)


def test_a_filter_is_linear_and_keeps_everything_at_1():
    left, right = draw(6, 8), draw(6, 8, seed=1)
    torch.testing.assert_close(passed(left) + passed(right), passed(left + right))
    assert torch.equal(passed(left, 1.0), left)
    assert passed(left, 0.0).abs().max() < 1e-6


def test_fr_of_all_frequencies_is_task_arithmetic_of_linear_layers():
    experts = [draw(6, 8), draw(6, 8, seed=1)]
    everything = {"frequencies": 1.0, "scale": 0.3}
    plain = merge("task_arithmetic", experts)
    torch.testing.assert_close(merge("fr_merging", experts, everything), plain)
    assert not merge("fr_merging", experts, everything, key="embed_tokens.weight").any()
    assert not merge("fr_merging", [e[0] for e in experts], everything).any()


def test_aligned_experts_have_one_size_and_unchanged_ones_stay_so():
    stack = torch.stack([draw(4, 4), 5 * draw(4, 4, seed=1), torch.zeros(4, 4)])
    found = stack * torch.tensor(equal_sizes(stack)).reshape(3, 1, 1)
    sizes = found.abs().mean((1, 2))
    assert sizes[0].item() == pytest.approx(sizes[1].item()) and not found[2].any()
    assert torch.equal(found[1], stack[1])


def test_free_puts_the_strongest_changes_on_top_of_what_all_share():
    experts = [draw(20, 200), draw(20, 200, seed=1)]
    params = {"density": 0.02, "frequencies": 1.0, "scale": 1.0}
    found = merge("free_merging", experts, params)
    summed = experts[0] + experts[1]
    for one, tau in zip(found, experts, strict=True):
        top = torch.zeros_like(tau, dtype=torch.bool).scatter_(1, tau.abs().topk(4).indices, True)
        torch.testing.assert_close(one[~top], summed[~top])
        ratio = 1.69897 * tau[top].abs().mean() / tau.abs().mean()
        torch.testing.assert_close(one[top], ratio * tau[top], rtol=1e-4, atol=1e-5)


def test_free_takes_short_rows_for_what_they_keep():
    tau = torch.tensor([[4.0, 1.0, 1.0]])
    params = {"density": 0.1, "frequencies": 1.0, "scale": 1.0}
    (found,) = merge("free_merging", [tau], params)
    # One of three is kept: twice the mean magnitude, whose logarithm is that of a tenth.
    torch.testing.assert_close(found, torch.tensor([[8.0, 1.0, 1.0]]))


def test_low_rank_keeps_the_strongest_directions():
    matrix = torch.diag(torch.tensor([5.0, 3.0, 1.0, 0.5]))
    stack = torch.stack([matrix, -2 * matrix])
    found = low_rank(stack, 0.5)
    torch.testing.assert_close(found[0], torch.diag(torch.tensor([5.0, 3.0, 0.0, 0.0])))
    torch.testing.assert_close(found[1], -2 * found[0])
    # A share too small for one direction keeps one.
    assert torch.linalg.matrix_rank(low_rank(stack, 0.01)[0]) == 1
    assert torch.equal(low_rank(stack, 1.0), stack) and not low_rank(stack, 0.0).any()
    assert torch.equal(low_rank(stack[:, 0], 0.1), stack[:, 0])


def test_low_rank_of_kernels_works_on_output_channels():
    kernel = draw(1, 6, 2, 3, 3)
    assert torch.equal(
        low_rank(kernel, 0.5).reshape(1, 6, 18), low_rank(kernel.reshape(1, 6, 18), 0.5)
    )


def test_twin_of_everything_gives_experts_back_and_their_average():
    experts = [draw(5, 7), draw(5, 7, seed=1), draw(5, 7, seed=2)]
    for shared in (0.29, -1.0, 2.0):
        params = {"rank": 1.0, "shared_scale": shared}
        for one, tau in zip(merge("twin_per_task", experts, params), experts, strict=True):
            torch.testing.assert_close(one, tau)
        torch.testing.assert_close(merge("twin", experts, params), sum(experts) / 3)


def test_twin_of_nothing_is_what_all_share():
    experts = [draw(5, 7), draw(5, 7, seed=1)]
    shared = merge("task_arithmetic", experts, {"scale": 0.29})
    torch.testing.assert_close(merge("twin", experts, {"rank": 0.0}), shared)
    for one in merge("twin_per_task", experts, {"rank": 0.0}):
        torch.testing.assert_close(one, shared)


def test_twin_mixes_by_coefficients_that_must_not_cancel():
    experts = [draw(5, 7), draw(5, 7, seed=1)]
    found = merge("twin", experts, {"rank": 1.0, "shared_scale": 0.0}, weights=(3.0, 1.0))
    torch.testing.assert_close(found, 0.75 * experts[0] + 0.25 * experts[1])
    with pytest.raises(RecipeError, match="must not add up to 0"):
        merge("twin", experts, weights=(1.0, -1.0))


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (7, 4), (1, 9), (40, 50)])
@pytest.mark.parametrize("by", ["share", "distance"])
def test_half_a_spectrum_is_filtered_as_the_whole_one(shape, by):
    matrix, (rows, columns) = draw(*shape).double(), shape
    if by == "share":
        height, width = torch.fft.fftfreq(rows), torch.fft.fftfreq(columns)
        heights = height.double().square()[:, None] + width.double().square()
        removed = max(1, rows * columns - int(0.7 * rows * columns))
        passes = heights > heights.flatten().kthvalue(removed).values
    else:
        down = torch.arange(rows) - rows // 2
        across = torch.arange(columns) - columns // 2
        passes = (down[:, None] ** 2 + across**2).double().sqrt() <= 0.5 * min(shape)
    expected = torch.fft.ifft2(torch.fft.fft2(matrix) * passes).real
    found = high_pass(matrix.float().unsqueeze(0), KEY, by, 0.7, 0.5)[0]
    torch.testing.assert_close(found, expected.float(), atol=1e-6, rtol=1e-5)
