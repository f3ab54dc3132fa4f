"""Which licences a merge inherits, from what cards state."""

from pathlib import Path

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.lineage import kind_of, lineage_of


def model(folder: Path, front: str | None) -> MemoryCheckpoint:
    folder.mkdir(parents=True)
    if front is not None:
        (folder / "README.md").write_text(f"---\n{front}\n---\n# A model\n", "utf-8")
    return MemoryCheckpoint({"a": torch.zeros(1)}, folder.name, folder=folder)


def lineage(tmp_path: Path, **fronts: str | None):
    return lineage_of((name, model(tmp_path / name, front)) for name, front in fronts.items())


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("apache-2.0", "free"), ("mit", "free"), ("cc-by-4.0", "free"), ("bsd-3-clause", "free"),
        ("cc-by-nc-4.0", "non-commercial"), ("cc-by-nc-sa-4.0", "non-commercial"),
        ("mrl", "non-commercial"),
        ("fair-noncommercial-research-license", "non-commercial"),
        ("cc-by-nd-4.0", "no changes"), ("cc-by-nc-nd-4.0", "no changes"),
        ("gpl-3.0", "same terms"), ("agpl-3.0", "same terms"), ("cc-by-sa-4.0", "same terms"),
        ("llama2", "own terms"), ("llama3.1", "own terms"), ("gemma", "own terms"),
        ("creativeml-openrail-m", "own terms"), ("other", "own terms"), ("", "unknown"),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_its_name(licence, kind):
    assert kind_of(licence) == kind


def test_one_licence_is_the_results(tmp_path):
    found = lineage(tmp_path, base="license: mit", a="license: mit")
    assert found.sentence == "All models state mit, and so does the result."
    assert found.warnings == ()
    assert found.to_json()["models"] == [
        {"name": "base", "licence": "mit"}, {"name": "a", "licence": "mit"},
    ]  # fmt: skip


def test_terms_add_up_and_silence_is_named(tmp_path):
    found = lineage(
        tmp_path, base="license: llama3.1", a="license: cc-by-nc-4.0", b=None,
        c="license: other\nlicense_name: own-words",
    )  # fmt: skip
    assert found.sentence == (
        "The terms of llama3.1, cc-by-nc-4.0 and own-words hold for the result. b states none: "
        "ask the authors."
    )
    assert found.warnings == (
        "a: cc-by-nc-4.0 allows no commercial use, so neither does the result.",
        "base: llama3.1 brings terms of its own (use, naming), which the result carries on.",
    )


def test_terms_that_exclude_each_other_are_said_to(tmp_path):
    found = lineage(tmp_path, a="license: gpl-3.0", b="license: cc-by-nc-4.0")
    assert "gpl-3.0 and cc-by-nc-4.0 ask for contrary things" in found.warnings[-1]
    assert lineage(tmp_path / "2", a="license: gpl-3.0", b="license: gpl-3.0").warnings == ()
    assert "no changed versions" in lineage(tmp_path / "3", a="license: cc-by-nd-4.0").warnings[0]


def test_no_card_and_a_card_of_anything_are_words(tmp_path):
    found = lineage(tmp_path, a=None, b="license: [mit, 3, apache-2.0]", c='license: "a\\nb"')
    assert [m.licence for m in found.models] == ["", "mit + apache-2.0", "a b"]
    assert "No model states a licence" in lineage(tmp_path / "2", a=None).sentence
