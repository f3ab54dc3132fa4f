"""Which training steps a source keeps, and which checkpoint stands for it."""

import json
import shutil
from pathlib import Path

import pytest

from merger.errors import SourceError
from merger.sources import SourceRules, SourceSteps, list_models, open_source, source_steps
from tests.builders import build_llama_family
from viz.catalog import folder_families, zoo_family


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family whose experts are folders of a Trainer: steps 2 and 4, final model at 8."""
    folder = tmp_path_factory.mktemp("trained") / "family"
    return build_llama_family(folder, experts=("alpha", "beta"), train_steps=8, keep=(2, 4))


@pytest.fixture
def family(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "family")


def steps_of(folder: Path) -> SourceSteps:
    return source_steps(f"file:{folder}")


def test_bundled_experts_keep_the_steps_of_the_zoo() -> None:
    assert source_steps("zoo:mnist") == SourceSteps((8, 16, 32, 64, 128, 256, 512, 900), 900)
    assert source_steps("zoo:base") == source_steps("zoo:mnist@64") == SourceSteps()


def test_the_final_model_stands_at_the_step_where_training_was_to_end(family: Path) -> None:
    assert steps_of(family / "alpha") == SourceSteps((2, 4, 8), 8)
    assert steps_of(family / "base") == SourceSteps()


def test_a_step_opens_the_checkpoint_that_the_trainer_kept(family: Path) -> None:
    source = f"file:{family / 'alpha'}"
    kept = open_source(f"file:{family / 'alpha' / 'checkpoint-2'}").content_id()
    assert open_source(source, 2).content_id() == kept
    assert open_source(source, 2).label == "alpha@2"
    assert open_source(source, 8).content_id() == open_source(source).content_id() != kept


def test_what_the_trainer_says_itself_comes_first(family: Path) -> None:
    (family / "alpha" / "trainer_state.json").write_text(json.dumps({"global_step": 6}))
    assert steps_of(family / "alpha") == SourceSteps((2, 4, 6), 6)


def test_a_final_model_that_is_the_best_checkpoint_is_listed_once(family: Path) -> None:
    for path in (family / "alpha" / "checkpoint-2").glob("*.safetensors"):
        shutil.copy(path, family / "alpha" / path.name)
    assert steps_of(family / "alpha") == SourceSteps((2, 4), 2)


def test_without_a_word_about_its_end_the_final_model_has_no_step(family: Path) -> None:
    for path in family.glob("alpha/checkpoint-*/trainer_state.json"):
        path.write_text("{")
    assert steps_of(family / "alpha") == SourceSteps((2, 4), None)
    with pytest.raises(SourceError, match="no checkpoint at step 8"):
        open_source(f"file:{family / 'alpha'}", 8)


def test_a_trainer_that_kept_only_checkpoints_is_a_model_too(family: Path) -> None:
    for path in [*(family / "alpha").glob("*.*")]:
        path.unlink()
    assert steps_of(family / "alpha") == SourceSteps((2, 4), 4)
    assert [m.name for m in list_models(family)] == ["alpha", "base", "beta"]
    assert [m.name for m in list_models(family) if m.is_base] == ["base"]
    assert open_source(f"file:{family / 'alpha'}").label == "alpha@4"


def test_a_step_that_was_not_kept_is_named_with_those_that_were(family: Path) -> None:
    with pytest.raises(SourceError, match=r"no checkpoint at step 3.*\n?.*2, 4"):
        open_source(f"file:{family / 'alpha'}", 3)
    with pytest.raises(SourceError, match="holds one checkpoint, so step 3 picks nothing"):
        open_source(f"file:{family / 'base'}", 3)


def test_a_checkpoint_that_leads_out_of_the_folder_is_refused(
    family: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "secret.safetensors"
    outside.write_bytes(b"")
    rules = SourceRules((family,))
    assert open_source("file:alpha", 2, roots=rules).label == "alpha@2"
    (family / "alpha" / "checkpoint-2" / "link.safetensors").symlink_to(outside)
    with pytest.raises(SourceError, match="may open"):
        open_source("file:alpha", 2, roots=rules)


def test_the_catalog_offers_the_steps_of_every_source(family: Path) -> None:
    found = folder_families([family])[0]
    assert [(c.name, c.steps, c.final) for c in found.choices] == [
        ("alpha", (2, 4, 8), 8),
        ("beta", (2, 4, 8), 8),
    ]
    assert {c.final for c in zoo_family().choices} == {900}
