"""Statistics of what is stored are taken by the compiled loops, whatever device merges."""

import pytest
import torch

from merger.kernels import choice, stored_counts
from merger.plan import plan
from tests.contract.test_kernels import counted, models
from tests.contract.test_same_bytes import recipe
from tests.devices.merging import merged, same_bits, staged

# Cuts over the model and over each tensor, inner products, and cuts of what a function gives.
METHODS = {
    "ties": {"density": 0.3},
    "dare_ties": {},
    "breadcrumbs": {},
    "model_stock": {},
    "karcher": {},
    "sce": {"select_topk": 0.4},
    "della": {},
}


@pytest.mark.parametrize("name", list(METHODS))
def test_a_large_merge_on_a_device_gives_the_bits_of_the_processor(name, monkeypatch) -> None:
    monkeypatch.setattr(choice, "SMALLEST", 0)
    base, *experts = models(3, torch.bfloat16)
    planned = plan(recipe(name, 3, METHODS[name]), base, experts)
    used = counted(stored_counts.StoredCounts, "__init__", monkeypatch)
    found = merged(planned, base, experts, staged("far"), size=100)
    assert bool(used) == (name == "ties")
    assert same_bits(found, merged(planned, base, experts, size=100))
