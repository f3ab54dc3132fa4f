"""Cards are static markup, payloads are plain JSON, sequence numbers only grow."""

import json
import re

import numpy as np
import pytest

from viz.panel import bus, kpi_strip, next_seq, notices, panel, static_text


def test_sequence_numbers_only_grow() -> None:
    numbers = [next_seq() for _ in range(1000)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**53


def test_a_title_can_neither_be_markup_nor_code() -> None:
    assert static_text("<b>${x}</b> {{y}} `z` \\") == (
        "&lt;b&gt;&#36;&#123;x&#125;&lt;/b&gt; &#123;&#123;y&#125;&#125; &#96;z&#96; &#92;"
    )
    block = panel("a", "${alert(1)} <script>", height=100, caption="{{value}}", why="`")
    assert not re.search(r"[$`\\]|\{|<script", block.html_template)


def test_a_card_keeps_room_for_its_chart() -> None:
    block = panel("bars", "Accuracy", height=321, wide=True)
    assert "height: 321px" in block.html_template
    assert "ms-wide" in block.elem_classes
    assert block.elem_id == "ms-panel-bars"


@pytest.mark.parametrize("bad", ["", "A", "a b", "1a", "a'", 'a"'])
def test_a_panel_id_that_is_not_a_plain_word_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="panel id must match"):
        panel(bad, "x", height=100)


def test_the_bus_sends_json_text_whatever_the_numbers_are() -> None:
    payload = {"seq": 1, "panels": {"a": {"patch": {"z": np.float32([[0.5, np.nan]])}}}}
    sent = bus().postprocess(payload)
    assert isinstance(sent, str)
    assert json.loads(sent)["panels"]["a"]["patch"]["z"] == [[0.5, None]]
    assert bus().postprocess(None) is None


def test_names_with_script_tags_travel_without_a_warning() -> None:
    assert "<script>" in (bus({"seq": 1, "state": {"name": "<script>"}}).value or "")


def test_strip_and_notices_are_static() -> None:
    for block in (kpi_strip(), notices()):
        assert "${" not in block.html_template and "{{" not in block.html_template
