"""What lies beside the weights of a merge: a card that lists every file, and scores of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from merger import checksums, running_checksum
from merger.card import read_checksums
from merger.engine import merge
from merger.errors import RecipeError, SourceError
from merger.models import open_models
from merger.progress import Progress
from merger.verify import verify
from tests.engine.folders import family, listed


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("large", [0, 1 << 28])
def test_every_file_but_the_card_has_a_checksum_in_it(tmp_path, monkeypatch, large) -> None:
    monkeypatch.setattr(running_checksum, "LARGE", large)
    out = merge(family(tmp_path), tmp_path / "out", shard_bytes=300_000)
    sums = read_checksums((out / "README.md").read_text())
    assert sorted({*sums, "README.md"}) == listed(out)
    assert "model-00002-of-00004.safetensors" in sums
    assert "model.safetensors.index.json" in sums
    for name, (size, said) in sums.items():
        assert size == (out / name).stat().st_size
        assert said == checksums.checksum(out / name)
        assert said.startswith("sha256:" if large else "xxh128:")
    told: list[Progress] = []
    found = verify(out, report=told.append)
    assert found.is_well and found.verdict == f"All {len(sums)} files are as they were written."
    assert told[-1].done == told[-1].total == sum(size for size, _ in sums.values())


SPOIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (lambda out: flip(out / "model.safetensors"), "model.safetensors is changed"),
    "longer": (lambda out: (out / "config.json").write_text("{}"), "config.json is changed"),
    "gone": (lambda out: (out / "recipe.yaml").unlink(), "recipe.yaml is missing"),
    "more": (
        lambda out: (out / "other.safetensors").write_bytes(b""),
        "other.safetensors is not in the card",
    ),
}


@pytest.mark.parametrize("how", list(SPOIL))
def test_a_file_that_is_not_the_one_written_is_named(tmp_path: Path, how: str) -> None:
    out = merge(family(tmp_path), tmp_path / "out")
    spoil, words = SPOIL[how]
    spoil(out)
    found = verify(out)
    assert not found.is_well and words in found.verdict and len(found.wrong) == 1
    assert found.to_json()["is_well"] is False


def test_notes_beside_a_model_are_told_and_forgiven(tmp_path: Path) -> None:
    out = merge(family(tmp_path), tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    found = verify(out)
    assert found.is_well
    assert [file.name for file in found.files if file.state == "extra"] == ["notes.txt"]


def test_what_has_no_card_or_no_checksums_is_not_verified(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    with pytest.raises(SourceError, match=r"README\.md cannot be read"):
        verify(tmp_path / "base")
    (tmp_path / "base" / "README.md").write_text("# base\n")
    with pytest.raises(SourceError, match="lists no checksums"):
        verify(tmp_path / "base")
    parts = merge(replace(recipe, method="twin_per_task"), tmp_path / "parts")
    assert all(verify(parts / name).is_well for name in ("e0", "e1", "e2"))


def test_the_card_takes_scores_of_this_very_merge_only(tmp_path: Path) -> None:
    recipe = family(tmp_path, dtype=torch.bfloat16)
    row = {"task": "t", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 99}
    scores = {"split": "test", "tasks": [row], "digest": open_models(recipe).digest}
    out = merge(recipe, tmp_path / "out", scores=scores)
    card = (out / "README.md").read_text()
    assert "| t | accuracy | 0.5000 | 0.4000 to 0.6000 | 99 of test |" in card
    other = replace(recipe, seed=1)
    with pytest.raises(RecipeError, match="The scores are of the merge"):
        merge(other, tmp_path / "other", scores=scores)
    assert not (tmp_path / "other").exists()
