"""Task analogy: three tasks make a fourth."""

import pytest
import torch

from merger.errors import RecipeError
from tests.unit.methods.vectors import TAU, check, merged


def test_the_third_task_changes_as_the_first_did_into_the_second():
    check(merged("analogy"), [[-2.2, 4.4, -3.7], [-1, 1.9, -0.1]])
    check(merged("analogy", params={"scale": 0.5}), [[-1.1, 2.2, -1.85], [-0.5, 0.95, -0.05]])


def test_it_is_task_arithmetic_with_one_task_taken_away():
    found = merged("task_arithmetic", weights=(-1, 1, 1), params={"scale": 1.0})
    torch.testing.assert_close(merged("analogy"), found, atol=1e-6, rtol=0)


def test_it_needs_three_experts():
    with pytest.raises(RecipeError, match="Task analogy needs at least 3 experts, got 2"):
        merged("analogy", TAU[:2])
