"""fusion-bench 0.2.33 as an oracle: its functions on tensors in memory, without its models."""

import importlib
import warnings
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

HINT = "fusion-bench is not installed here; `make conformance` installs it beside the app"
KEY = "layers"

with warnings.catch_warnings():
    # What it and its own requirements warn about at import is not ours to judge.
    warnings.simplefilter("ignore")
    pytest.importorskip("fusion_bench", reason=HINT)
    clip: Any = importlib.import_module("transformers.models.clip.modeling_clip")
    if not hasattr(clip, "CLIPVisionTransformer"):
        # transformers 5 has it no more; fusion-bench names it at import and we never build one.
        clip.CLIPVisionTransformer = clip.CLIPVisionModel

    def load(name: str) -> Any:
        """Return one of its modules."""
        return importlib.import_module(f"fusion_bench.{name}")

    arithmetic = load("utils.state_dict_arithmetic")
    ties = load("method.ties_merging.ties_merging_utils")
    magmax = load("method.magmax.magmax")
    masks = load("method.tall_mask.utils")
    iso = load("method.isotropic_merging.iso_utils")
    tsv_m = load("method.task_singular_vector.utils.TSVM_utils")
    tsv_c = load("method.task_singular_vector.utils.TSVC_utils")
    svc = load("method.singular_value_calibration.utils")
    opcm = load("method.opcm.opcm").OPCMForCLIP
    wudi = load("method.wudi.wudi")
    slerp = load("method.slerp.slerp_utils")
    knots = load("method.knots.knots_utils")
    emr = load("method.emr_merging.utils")
    dare = load("method.dare.utils")
    model_stock = load("method.model_stock.model_stock")
    expo = load("method.linear.expo")
    task_arithmetic = load("method.task_arithmetic.task_arithmetic")


def model(values: Tensor) -> nn.Module:
    """Return a model of one parameter."""
    return nn.ParameterDict({KEY: nn.Parameter(values.clone())})


def stored(values: Tensor) -> nn.Module:
    """Return a model of one tensor that is no parameter, as its sums of state dicts ask for."""
    found = nn.Module()
    found.register_buffer(KEY, values.clone())
    return found


def dicts(tensors: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Return state dicts of one tensor each."""
    return [{KEY: tensor.clone()} for tensor in tensors]


def merge_in_order(taus: Sequence[Tensor], alpha: float) -> Tensor:
    """Return OPCM of models that are one matrix of a linear layer, from its own update."""
    zero = torch.zeros_like(taus[0])
    merged, norms, previous = taus[0], [taus[0].norm()], 1.0
    for tau in taus[1:]:
        state: Any = SimpleNamespace(previous_lambda_t=previous, lambda_t=1.0)
        found = opcm.merge_linear_weights(state, merged, zero, tau, KEY, alpha)
        norms.append(tau.norm())
        average = sum(norms) / len(norms)
        previous = float(found.norm() / average)
        merged = found / previous
    return merged
