"""Which methods that are no sum of experts have a faster form, and of what kind it is."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from merger.algebra import row_length
from merger.plan import TensorPlan

# Rows that are shorter are ranked faster by the plain form.
SHORTEST_ROW = 64
Knobs = Mapping[str, Any]


class Form(NamedTuple):
    """The faster form of one method.

    Args:
        keeps: What is kept of each expert.
        combines: What is done with it.
        fits: Whether these settings, for this tensor, have a faster form.
    """

    keeps: Literal["cut", "band", "even lots", "ranked lots", "selected"]
    combines: Literal["agreeing", "sum", "by share"]
    fits: Callable[[Knobs, TensorPlan], bool] = lambda knobs, tensor: True


def _long_rows(knobs: Knobs, tensor: TensorPlan) -> bool:
    return row_length(tensor.shape) >= SHORTEST_ROW


def _long_rows_if_any(knobs: Knobs, tensor: TensorPlan) -> bool:
    return knobs["trim"] == "tensor" or _long_rows(knobs, tensor)


FORMS = {
    "ties": Form("cut", "agreeing"),
    "dare_linear": Form("even lots", "sum"),
    "dare_ties": Form("even lots", "agreeing"),
    "breadcrumbs": Form("band", "sum", _long_rows_if_any),
    "breadcrumbs_ties": Form("band", "agreeing", _long_rows_if_any),
    "della_linear": Form("ranked lots", "sum", _long_rows),
    "della": Form("ranked lots", "agreeing", _long_rows),
    "sce": Form("selected", "by share"),
}
