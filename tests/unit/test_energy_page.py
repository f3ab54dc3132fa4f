"""The page beside an adapter: it stands on its own, and user text is never markup."""

import json
from xml.etree import ElementTree

import numpy as np

from merger.diagnostics.energy import Change, EnergyInfo, Stored, measure_energy
from merger.energy_page import energy_page, write_energy

NASTY = "model.layers.0.<img src=x onerror=alert(1)>.weight"
CHANGES = [Change(NASTY, np.array([6.0, 9.0, 10.0]), 7), Change("b.weight", np.array([4.0]), 5)]
INFO = measure_energy(CHANGES, 2, Stored(100, 1000, 1), error=0.25)


def test_the_page_says_what_is_kept_and_draws_it():
    page = energy_page("mine", INFO)
    assert "At rank 2 the adapter keeps 92.86% of the change&#x27;s energy" in page
    assert "25.00% as long as the change itself once rounded as it is stored." in page
    picture = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    (bold,) = (path for path in picture.iter("path") if path.get("class") == "all")
    assert len(bold.attrib["d"].split()) == 3
    assert picture.find("circle") is not None


def test_the_page_runs_nothing_loads_nothing_and_shows_names_as_text():
    page = energy_page("<script>alert(1)</script>", INFO)
    assert "<script" not in page and "<img" not in page and "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_what_lies_beside_the_adapter_is_the_same_measure(tmp_path):
    write_energy(tmp_path, "mine", INFO)
    kept = EnergyInfo.from_json(json.loads((tmp_path / "energy.json").read_text()))
    assert kept == INFO
    assert (tmp_path / "energy.html").read_text().startswith("<!doctype html>")


def test_nothing_that_changes_has_a_page_too():
    assert "No matrix changes" in energy_page("mine", measure_energy([], 4, Stored(0, 0, 0)))
