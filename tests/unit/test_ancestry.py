"""What a model was put together from decides whose licences hold and which files must stay."""

from pathlib import Path

import pytest
import torch

from merger.ancestry import made_from
from merger.engine import merge
from merger.errors import OutputError
from merger.lineage import lineage_of
from merger.recipe import Recipe
from merger.sources import open_source
from tests.adapters import factors, save_adapter
from tests.engine.folders import save

KEY = "model.layers.0.mlp.up_proj.weight"


def stating(folder: Path, license_: str | None) -> Path:
    save(folder, {KEY: torch.randn(4, 6)})
    if license_ is not None:
        (folder / "README.md").write_text(f"---\nlicense: {license_}\n---\n", "utf-8")
    return folder


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Save a free base, an expert that is not, and a recipe of the two."""
    stating(tmp_path / "base", "mit")
    stating(tmp_path / "nc", "cc-by-nc-4.0")
    text = f"method: linear\nexperts: [{{source: {tmp_path}/base, name: b}}, {tmp_path}/nc]\n"
    (tmp_path / "inner.yaml").write_text(text, "utf-8")
    return tmp_path


def outer(folder: Path) -> Recipe:
    return Recipe.from_yaml(
        f"method: task_arithmetic\nbase: {folder}/base\n"
        f"experts: [{{source: 'recipe:{folder}/inner.yaml', name: inner}}]\n"
    )


def test_licences_of_a_recipe_inside_a_recipe_hold_for_the_result(mixed: Path) -> None:
    inner = open_source(f"recipe:{mixed}/inner.yaml")
    found = lineage_of([("base", open_source(f"{mixed}/base")), ("i", inner)])
    assert [m.licence for m in found.models] == ["mit", "mit", "cc-by-nc-4.0"]
    assert found.warnings == (
        "i: nc: cc-by-nc-4.0 allows no commercial use, so neither does the result.",
    )
    card = (merge(outer(mixed), mixed / "out") / "README.md").read_text("utf-8")
    assert "license:" not in card
    assert "The models state cc-by-nc-4.0, mit: all of these terms hold" in card
    assert "| expert inner: made from | nc | cc-by-nc-4.0 |" in card


def test_an_adapter_brings_its_own_licence_and_that_of_its_base(tmp_path: Path) -> None:
    base = stating(tmp_path / "base", "llama3.1")
    a, b = factors(0, 4, 6, 2)
    module = KEY.removesuffix(".weight")
    folder = save_adapter(
        tmp_path / "tuned", {module: (a, b)}, r=2, base_model_name_or_path="base"
    )
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", "utf-8")
    alone = lineage_of([("tuned", open_source(f"lora:{folder}"))])
    assert [m.licence for m in alone.models] == ["llama3.1", "cc-by-nc-4.0"]
    root = open_source(str(base))
    beside = lineage_of([("base", root), ("tuned", open_source(f"lora:{folder}", base=root))])
    assert [(m.name, m.licence) for m in beside.models] == [
        ("base", "llama3.1"), ("tuned", "cc-by-nc-4.0"),
    ]  # fmt: skip


def test_what_a_recipe_inside_was_made_of_is_never_replaced(mixed: Path) -> None:
    stating(mixed / "out" / "nc", None)
    (mixed / "out" / "recipe.yaml").write_text("", "utf-8")
    text = (mixed / "inner.yaml").read_text("utf-8").replace(f"{mixed}/nc", f"{mixed}/out/nc")
    (mixed / "inner.yaml").write_text(text, "utf-8")
    with pytest.raises(OutputError, match="holds nc, which is one of the models"):
        merge(outer(mixed), mixed / "out", force=True)
    assert (mixed / "out" / "nc" / "model.safetensors").is_file()


def test_a_plain_model_is_made_from_itself(mixed: Path) -> None:
    model = open_source(f"{mixed}/nc")
    assert made_from(model) == (model,)
