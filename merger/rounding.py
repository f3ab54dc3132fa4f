"""Round merged values once, to the dtype that they are written in."""

from typing import Any

from merger.checkpoint import TORCH_NAMES
from merger.errors import MergeError
from merger.inputs import is_finite
from merger.lazy import Tensor, torch
from merger.plan import TensorPlan


def round_once(values: Tensor, tensor: TensorPlan) -> Tensor:
    """Return values in the dtype they are written in, which must be able to hold them."""
    if not is_finite(values):
        raise overflow(values, tensor.key, "float32", "Lower scale or the coefficients.")
    dtype = torch_dtype(tensor.out_dtype)
    rounded = values.to(dtype)
    if tensor.out_dtype in ("F16", "BF16") and not is_finite(rounded):
        name = str(dtype).removeprefix("torch.")
        raise overflow(rounded, tensor.key, name, "Lower scale or set out_dtype: float32.")
    return rounded


def overflow(values: Tensor, key: str, name: str, hint: str) -> MergeError:
    """Return the error of values of which some are not finite."""
    count = int((~torch.isfinite(values)).sum())
    what = "1 value overflows" if count == 1 else f"{count} values overflow"
    return MergeError(f"{key}: {what} {name}.", hint)


def torch_dtype(word: str) -> Any:
    """Return torch's dtype for a word of safetensors'."""
    return getattr(torch, TORCH_NAMES[word])
