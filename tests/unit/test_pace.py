"""What earlier merges on a machine say of the next one."""

import json

import pytest

from merger.pace import KEPT, UNKNOWN, pace_of, remember


def test_nothing_known_corrects_nothing(tmp_path):
    assert pace_of(tmp_path / "pace.json", "ties") == UNKNOWN == pace_of(None, "ties")
    assert UNKNOWN.factor == 1.0 and "nothing was merged" in UNKNOWN.words


def test_the_methods_own_merges_count_first_then_those_of_others(tmp_path):
    place = tmp_path / "new" / "pace.json"
    for seconds in (20.0, 40.0, 30.0):
        remember(place, "ties", 10.0, seconds)
    remember(place, "linear", 10.0, 5.0)
    own = pace_of(place, "ties")
    assert own.factor == 3.0 and own.words == "from 3 merges by this method on this machine"
    assert pace_of(place, "linear").words == "from 1 merge by this method on this machine"
    other = pace_of(place, "della")
    assert other.factor == 2.5 and other.words == "from 4 merges by other methods on this machine"


def test_only_the_last_merges_are_kept_and_short_or_strange_ones_never(tmp_path):
    place = tmp_path / "pace.json"
    for i in range(KEPT + 3):
        remember(place, "ties", 10.0, 10.0 * (i + 1))
    assert json.loads(place.read_text()) == {"ties": [4.0, 5.0, 6.0, 7.0, 8.0]}
    remember(place, "linear", 1.0, 0.5)
    remember(place, "linear", 0.0, 5.0)
    remember(place, "linear", 1.0, 5000.0)
    assert set(json.loads(place.read_text())) == {"ties"}


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{", '{"ties": 3}', '{"ties": [null, "x", true, -1, 1e9]}', "[" * 100_000,
     '{"ties": [NaN]}'],
)  # fmt: skip
def test_a_damaged_file_is_as_none(tmp_path, text):
    place = tmp_path / "pace.json"
    place.write_text(text)
    assert pace_of(place, "ties") == UNKNOWN
    remember(place, "ties", 10.0, 20.0)
    assert pace_of(place, "ties").factor == 2.0


def test_a_place_that_cannot_be_written_stops_no_merge(tmp_path):
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file" / "pace.json", "ties", 10.0, 20.0)
