"""What a source text opens, and what it is refused for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.errors import SourceError
from merger.sources import SCHEMES, open_source, split_source


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"w": torch.ones(2)}, folder / "model.safetensors")
    return folder


def test_a_plain_path_and_a_file_source_open_the_same(model: Path) -> None:
    one, other = open_source(str(model)), open_source(f"file:{model}")
    assert one.content_id() == other.content_id()
    assert one.label == "model"


def test_a_relative_path_starts_from_the_folder_that_is_given(model: Path) -> None:
    assert open_source("file:model", base_dir=model.parent).folder == model


def test_a_step_picks_nothing_in_a_folder(model: Path) -> None:
    with pytest.raises(SourceError, match="step 4 picks nothing"):
        open_source(str(model), 4)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing-here does not exist"):
        open_source(str(tmp_path / "nothing-here"))


@pytest.mark.parametrize("scheme", ["", "file:", "lora:", "recipe:"])
def test_a_path_that_the_system_refuses_is_an_error_in_words(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("x" * 300, str(tmp_path / "loop" / "x")):
        with pytest.raises(SourceError, match="cannot be read"):
            open_source(f"{scheme}{path}")


def hint_of(source: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(source)
    return caught.value.hint


def test_a_source_that_is_nearly_right_is_told_how_to_be_written(tmp_path: Path) -> None:
    assert "write hub:org/name-7B." in hint_of("org/name-7B")
    assert "from the folder that the command runs in" in hint_of("models/a/b")
    assert "hub:" not in hint_of("./org/name") and "runs in" not in hint_of(str(tmp_path / "x"))
    assert hint_of("https://huggingface.co/org/name/tree/main") == "Write hub:org/name."
    (tmp_path / "inner.yaml").write_text("method: average\n")
    assert hint_of(str(tmp_path / "inner.yaml")).endswith(f"write recipe:{tmp_path}/inner.yaml.")


def test_an_unknown_scheme_names_the_near_one() -> None:
    with pytest.raises(SourceError, match="Did you mean 'zoo'"):
        open_source("zo:mnist")


@pytest.mark.parametrize("text", ["", "  ", "a\0b", "a\nb", "\x1b[0m"])
def test_a_text_that_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="printable"):
        open_source(text)


def test_the_schemes_are_the_files_of_the_room() -> None:
    assert SCHEMES == ("file", "hub", "layers", "lora", "recipe", "zoo")
    assert split_source("zoo:a@3") == ("zoo", "a@3")
    assert split_source("models/a") == ("file", "models/a")


def test_a_step_is_given_once_and_is_a_number() -> None:
    with pytest.raises(SourceError, match="must be a whole number"):
        open_source("zoo:mnist@last")
    with pytest.raises(SourceError, match="names step 3, and step 4"):
        open_source("zoo:mnist@3", 4)


def test_a_hub_model_that_is_not_in_the_cache_is_not_found_offline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="HF_HUB_OFFLINE forbids"):
        open_source("hub:mergescope-tests/there-is-no-such-model")


def test_a_hub_model_in_the_cache_opens_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--org--name"
    for folder in ("blobs", "refs", f"snapshots/{commit}"):
        (cached / folder).mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    save_file({"w": torch.ones(2)}, cached / "blobs" / "abc")
    link = cached / "snapshots" / commit / "model.safetensors"
    link.symlink_to("../../blobs/abc")
    for source in ("hub:org/name", f"hub:org/name@{commit}"):
        model = open_source(source)
        assert model.label == "org/name"
        assert model.read("w").tolist() == [1.0, 1.0]


def test_a_hub_name_must_be_one() -> None:
    with pytest.raises(SourceError, match="must be hub:organisation/name"):
        open_source("hub:../../etc")
