"""Inputs at the edge: nothing changed, all the same, one number, no number at all."""

import pytest
import torch

from merger.errors import FeedError, MergeError
from merger.memory import merge_tensors
from merger.spec import METHODS
from tests.contract.cases import models, parts, run, same_bytes

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]
TASK_VECTORS = [name for name in MERGES if "base" in METHODS[name].needs]


@pytest.mark.parametrize("name", TASK_VECTORS)
def test_one_expert_that_did_not_change_at_all(name):
    base, experts = models(3)
    experts[1] = dict(base)
    result = run(name, experts, base)
    assert all(torch.isfinite(v).all() for v in result.values())


CHANGES = [name for name in TASK_VECTORS if METHODS[name].output in ("delta", "per_task")]


@pytest.mark.parametrize("name", CHANGES)
def test_a_tensor_that_nobody_changed_stays_as_it_is(name):
    base, experts = models(3)
    for expert in experts:
        expert["layers.0.w"] = base["layers.0.w"]
    for result in parts(run(name, experts, base)):
        assert torch.equal(result["layers.0.w"], base["layers.0.w"])


@pytest.mark.parametrize("name", list(METHODS))
def test_models_of_nothing_but_zeros(name):
    zeros = {"w": torch.zeros(3, 2), "layers.0.b": torch.zeros(())}
    for result in parts(run(name, [zeros] * 3, zeros)):
        assert same_bytes(result, dict(sorted(zeros.items())))


@pytest.mark.parametrize("name", list(METHODS))
def test_a_model_of_one_number(name):
    experts = [{"w": torch.tensor(value)} for value in (2.0, 3.0, 5.0)]
    for result in parts(run(name, experts, {"w": torch.ones(())})):
        assert result["w"].shape == () and torch.isfinite(result["w"])


@pytest.mark.parametrize("name", list(METHODS))
def test_a_model_with_an_empty_tensor(name):
    model = {"w": torch.ones(2), "gone": torch.zeros(0, 4)}
    for result in parts(run(name, [model] * 3, model)):
        assert result["gone"].shape == (0, 4)


@pytest.mark.parametrize("name", list(METHODS))
def test_entries_that_are_all_equally_large(name):
    base = {"w": torch.zeros(3, 4)}
    experts = [{"w": torch.full((3, 4), sign * 0.5)} for sign in (1.0, -1.0, 1.0)]
    for result in parts(run(name, experts, base)):
        assert torch.isfinite(result["w"]).all()
        assert result["w"].abs().max() <= 1.5 / lowest_chance(name)


def lowest_chance(name: str) -> float:
    """Return the lowest chance of an entry to be kept by lot, which is what it is divided by."""
    defaults = {param.name: param.default for param in METHODS[name].params}
    if "density" not in defaults or "uniform" not in {u.feed.name for u in METHODS[name].feeds}:
        return 1.0
    return defaults["density"] - defaults.get("epsilon", 0.0)


READS = [(name, "expert_1") for name in METHODS]
READS += [(m.name, "base") for m in METHODS.values() if "base" in m.needs]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(("name", "where"), READS)
def test_an_input_that_is_not_finite_is_named(name, where, bad):
    base, experts = models(3)
    broken = base if where == "base" else experts[0]
    broken["layers.0.w"][1, 2] = bad
    with pytest.raises(FeedError, match=f"{where}: layers.0.w holds NaN or infinity"):
        run(name, experts, base)


def test_a_result_that_overflows_is_counted_and_named():
    base = {"w": torch.zeros(20, dtype=torch.float16)}
    expert = {"w": torch.cat([torch.full((12,), 60000.0), torch.ones(8)]).half()}
    with pytest.raises(MergeError) as caught:
        merge_tensors("task_arithmetic", [expert], base, {"scale": 2.0})
    assert caught.value.message == "w: 12 values overflow float16."
    assert caught.value.hint == "Lower scale or set out_dtype: float32."
    found = merge_tensors("task_arithmetic", [expert], base, {"scale": 2.0}, out_dtype="float32")
    assert found["w"][0].item() == pytest.approx(120_000)


def test_a_scale_of_a_billion_is_allowed_where_it_fits():
    base, experts = {"w": torch.zeros(2)}, [{"w": torch.ones(2)}]
    assert merge_tensors("task_arithmetic", experts, base, {"scale": 1e9})["w"][0].item() == 1e9
    with pytest.raises(MergeError, match="w: 2 values overflow float32"):
        merge_tensors("task_arithmetic", [{"w": torch.full((2,), 1e30)}], base, {"scale": 1e9})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_results_are_rounded_once_to_the_dtype_of_the_base(dtype):
    base, experts = models(3)
    small = {k: v.to(dtype) for k, v in base.items()}
    found = merge_tensors("task_arithmetic", experts, small)
    exact = merge_tensors("task_arithmetic", experts, {k: v.float() for k, v in small.items()})
    assert same_bytes(found, {k: v.to(dtype) for k, v in exact.items()})


def test_integers_are_copied_from_the_base_or_the_first_expert():
    base = {"w": torch.zeros(1), "steps": torch.tensor([1, 2])}
    expert = {"w": torch.ones(1), "steps": torch.tensor([3, 4])}
    found = merge_tensors("task_arithmetic", [expert], base, out_dtype="float16")
    assert found["steps"].tolist() == [1, 2] and found["steps"].dtype == torch.int64
    assert found["w"].dtype == torch.float16
    assert merge_tensors("average", [expert, base])["steps"].tolist() == [3, 4]
