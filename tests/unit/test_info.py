from dataclasses import dataclass

import numpy as np

from merger.info import Info


@dataclass(frozen=True, eq=False)
class Sample(Info):
    name: str
    values: np.ndarray
    number: float = 0.0


def test_infos_compare_by_value_and_nan_equals_nan():
    a = Sample("a", np.array([1.0, np.nan]), float("nan"))
    assert a == Sample("a", np.array([1.0, np.nan]), float("nan"))
    assert a != Sample("a", np.array([1.0, 2.0]), float("nan"))
    assert a != Sample("a", np.array([1.0, np.nan]), 0.0)
    assert a != Sample("a", np.array([[1.0, np.nan]]), float("nan"))
    assert a != "a"


def test_json_has_no_number_that_json_lacks():
    info = Sample("a", np.array([1.0, np.nan, np.inf]), float("nan"))
    assert info.to_json() == {"name": "a", "values": [1.0, None, None], "number": None}
