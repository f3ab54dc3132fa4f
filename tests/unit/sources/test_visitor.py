"""A visitor opens the zoo, the models folders and, where allowed, the hub: nothing else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.errors import SourceError
from merger.sources import SourceRules, open_source, resolve_visitor_source


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("models/good", "models/deep/er", "outside"):
        (tmp_path / name).mkdir(parents=True)
        save_file({"w": torch.ones(2)}, tmp_path / name / "model.safetensors")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "models" / "alias").symlink_to(tmp_path / "models" / "good")
    (tmp_path / "models" / "leak").mkdir()
    (tmp_path / "models" / "leak" / "config.json").symlink_to("/etc/passwd")
    return tmp_path / "models"


@pytest.mark.parametrize("text", ["good", "file:good", "file:deep/er", "file:alias"])
def test_a_model_under_the_models_folder_opens(models: Path, text: str) -> None:
    assert open_source(text, roots=[models]).tensors["w"].shape == (2,)


@pytest.mark.parametrize("text", ["zoo:mnist", "zoo:mnist@400"])
def test_the_zoo_is_open_to_all(text: str) -> None:
    assert resolve_visitor_source(text, []) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "/", "file:", "file:..", "file:../outside", "../outside", "file:/etc",
        "good/../../outside", "/etc/passwd", "~", "~root", "file:~/x", "link", "file:link", "leak",
        "none", "good/", "good//", "./good", "recipe:good", "hub:org/name", "lora:good",
        "zoo:../good", "zoo:a/b", "zoo:a@-1", "zoo:", "good\\..", "C:/x", "good\0", "good\n",
        "<script>", "${HOME}", ".hidden", "file:file:good",
    ],
)  # fmt: skip
def test_everything_else_is_refused(models: Path, text: str) -> None:
    with pytest.raises(SourceError, match="not a model that this app may open"):
        resolve_visitor_source(text, [models])


def test_an_absolute_path_is_refused_even_inside_the_models_folder(models: Path) -> None:
    with pytest.raises(SourceError, match="not a model that this app may open"):
        open_source(f"file:{models / 'good'}", roots=[models])


def test_the_hub_opens_only_where_the_host_allows_it(models: Path) -> None:
    allowed = SourceRules((models,), hub=True)
    assert resolve_visitor_source("hub:org/name@main", allowed) == "hub:org/name@main"
    for text in ("hub:../x", "hub:a/b/c", "hub:/etc", "hub:a@../..", "hub:a b"):
        with pytest.raises(SourceError):
            resolve_visitor_source(text, allowed)
    with pytest.raises(SourceError, match="switched off"):
        resolve_visitor_source("hub:org/name", [models])
