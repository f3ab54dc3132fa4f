"""Models put together from layers of others: the list, the tensors, the config, refusals."""

import json
from pathlib import Path

import pytest
import torch

from merger import Recipe, measure, merge
from merger.checkpoint import MemoryCheckpoint
from merger.doctor import doctor
from merger.errors import AlignmentError, RecipeError, SourceError
from merger.in_memory import merge_in_memory
from merger.layered import LayeredCheckpoint
from merger.layered_config import layered_config
from merger.layers import MAX_LAYERS, Run, build_layers, layers_source, read_layers
from merger.live import LiveSet
from merger.live_merge import Place
from merger.places import comes_before_layers
from merger.recipe import Depth, Expert
from merger.sources import SourceRules, open_source
from tests.builders import build_llama_family
from tests.vocabularies import WIDTH, save_speaker


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("llama"))


def model(name: str, layers: int = 3, *, head: bool = False, prefix: str = "model.", width=2):
    """Return a model whose numbers say where they are from: 10 · layer, + 0.5 for beta."""
    shift = 0.5 if name == "beta" else 0.0
    tensors = {
        f"{prefix}embed_tokens.weight": torch.full((4, width), 100 + shift),
        f"{prefix}norm.weight": torch.full((width,), 200 + shift),
    }
    tensors |= {
        f"{prefix}layers.{i}.mlp.weight": torch.full((width, width), 10.0 * i + shift)
        for i in range(layers)
    }
    if head:
        tensors["lm_head.weight"] = torch.full((4, width), 300 + shift)
    config = {"num_hidden_layers": layers, "tie_word_embeddings": not head}
    return MemoryCheckpoint(tensors, name, config=config)


def layered(*runs: Run, **models: MemoryCheckpoint) -> LayeredCheckpoint:
    known = {"alpha": model("alpha"), "beta": model("beta")} | models
    return LayeredCheckpoint(runs, known)


def first(made: LayeredCheckpoint, key: str) -> float:
    return made.read(key)[0].item()


def test_layers_are_numbered_anew_in_their_order():
    made = layered(Run("alpha", 1, 3), Run("beta", 0, 2), Run("alpha", 1, 2))
    found = [first(made, f"model.layers.{i}.mlp.weight") for i in range(5)]
    assert found == [10.0, 20.0, 0.5, 10.5, 10.0]
    assert len(made.tensors) == 7 and made.config() == {
        "num_hidden_layers": 5, "tie_word_embeddings": True,
    }  # fmt: skip


def test_embeddings_are_the_first_runs_and_the_norm_is_the_last_ones():
    made = layered(Run("alpha", 0, 1), Run("beta", 0, 1))
    assert first(made, "model.embed_tokens.weight") == 100.0
    assert first(made, "model.norm.weight") == 200.5
    ends = layered(Run("beta", 0, 0), Run("alpha", 0, 3), Run("beta", 3, 3))
    assert first(ends, "model.embed_tokens.weight") == 100.5
    assert first(ends, "model.norm.weight") == 200.5
    assert first(ends, "model.layers.0.mlp.weight") == 0.0


def test_a_head_of_another_model_than_the_embedding_is_not_tied():
    beta = model("beta", head=True)
    made = layered(Run("alpha", 0, 1), Run("beta", 0, 1), beta=beta)
    assert first(made, "lm_head.weight") == 300.5
    config = made.config()
    assert config is not None and config["tie_word_embeddings"] is False
    with pytest.raises(SourceError, match="alpha has no head of its own"):
        layered(Run("beta", 0, 1), Run("alpha", 0, 1), beta=beta)


def test_a_head_that_is_an_embedding_left_behind_is_noted():
    (note,) = layered(Run("alpha", 0, 1), Run("beta", 0, 1)).notes
    assert "the head of beta is its embedding" in note
    assert layered(Run("alpha", 0, 1), Run("alpha", 0, 1)).notes == ()


def test_a_head_of_other_words_than_the_embedding_is_refused_or_noted(tmp_path):
    few = save_speaker(tmp_path / "few", tied=False)
    many = save_speaker(tmp_path / "many", tied=False, added=("<x>",))
    others = save_speaker(tmp_path / "others", tied=False, words=("<unk>", *"cdab", "ab", "cd"))
    runs = [Run(str(few), 0, 1), Run(str(many), 0, 1)]
    with pytest.raises(SourceError, match="head of many has 8 rows, and the embedding of few 7"):
        LayeredCheckpoint(runs, {run.source: open_source(run.source) for run in runs})
    runs = [Run(str(few), 0, 1), Run(str(others), 0, 1)]
    made = LayeredCheckpoint(runs, {run.source: open_source(run.source) for run in runs})
    assert "reads the words of few and answers in those of others" in made.notes[0]
    inner = Recipe("passthrough", (Expert(str(many), "many"),), base=str(few))
    text = inner.to_yaml() + "tokenizer: {source: base}\n"
    (tmp_path / "many.yaml").write_text(text, "utf-8")
    runs = [Run(str(few), 0, 1), Run(f"recipe:{tmp_path}/many.yaml", 0, 1)]
    made = LayeredCheckpoint(runs, {run.source: open_source(run.source) for run in runs})
    assert made.tensors["lm_head.weight"].shape == (7, WIDTH) and made.notes == ()


@pytest.mark.parametrize(
    ("runs", "models", "expected"),
    [
        ([Run("alpha", 0, 4)], {}, "alpha has 3 layers, 0 to 2, and layers 0 to 3"),
        ([Run("alpha", 0, 1), Run("beta", 0, 1)], {"beta": model("beta", width=3)}, "fit alpha"),
        ([Run("alpha", 0, 1), Run("beta", 0, 1)], {"beta": model("beta", prefix="")}, "called"),
        (
            [Run("alpha", 0, 1)],
            {"alpha": MemoryCheckpoint({"encoder.block.0.w": torch.ones(1),
                                        "decoder.block.0.w": torch.ones(1)}, "t5")},
            "t5 must have one row of layers",
        ),
        (
            [Run("alpha", 0, 1)],
            {"alpha": MemoryCheckpoint({"layers.0.wte.weight": torch.ones(1)}, "phi")},
            "phi counts its embedding among its layers",
        ),
    ],
)  # fmt: skip
def test_layers_that_are_not_there_or_do_not_fit_are_refused(runs, models, expected):
    with pytest.raises(SourceError, match=expected):
        layered(*runs, **models)


def test_settings_of_each_layer_go_with_their_layer():
    one = {
        "n_layer": 3, "layer_types": ["a0", "a1", "a2"], "architectures": ["x", "y", "z"],
        "mlp_only_layers": [0, 2], "text_config": {"num_hidden_layers": 2},
    }  # fmt: skip
    other = {"n_layer": 2, "layer_types": ["b0", "b1"], "mlp_only_layers": [1]}
    runs = [(Run("a", 1, 3), one), (Run("b", 0, 2), other)]
    found = layered_config(one, runs, own_head=False)
    assert found["n_layer"] == 4 and found["layer_types"] == ["a1", "a2", "b0", "b1"]
    assert found["mlp_only_layers"] == [1, 3] and found["architectures"] == ["x", "y", "z"]
    assert found["text_config"]["num_hidden_layers"] == 4


def test_equal_layers_have_one_content_id_and_others_another():
    made = layered(Run("alpha", 0, 2))
    assert made.content_id() == layered(Run("alpha", 0, 2)).content_id()
    others = [layered(Run("alpha", 1, 3)), layered(Run("beta", 0, 2)),
              layered(Run("alpha", 0, 1), Run("alpha", 1, 2))]  # fmt: skip
    assert len({made.content_id(), *(other.content_id() for other in others)}) == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "must list 1 to 200 runs"),
        ("x", "must list 1 to 200 runs"),
        ([1], "run 1 must be a mapping"),
        ([{"source": "a", "from": 0, "till": 1}], "'till' is not known"),
        ([{"from": 0, "to": 1}], "must have a source"),
        ([{"source": "layers:[]", "from": 0, "to": 1}], "takes layers of one model"),
        ([{"source": "a", "from": 2, "to": 1}], "0 ≤ from ≤ to, got 2 and 1"),
        ([{"source": "a", "from": -1, "to": 1}], "0 ≤ from ≤ to"),
        ([{"source": "a", "from": 0, "to": True}], "whole numbers"),
        ([{"source": "a", "from": 0, "to": 0}], f"1 to {MAX_LAYERS} layers in all, got 0"),
        ([{"source": "a", "from": 0, "to": 10**6}], "whole numbers"),
    ],
)
def test_a_list_of_runs_is_checked(value, expected):
    with pytest.raises(RecipeError, match=expected):
        build_layers(value, "layers")


@pytest.mark.parametrize("text", ["layers:", "layers:{}", "layers:[[1,2]]", "layers:[[" * 5000])
def test_a_text_that_nobody_wrote_is_refused(text):
    with pytest.raises(RecipeError):
        read_layers(text)


RECIPE = """version: 1
method: task_arithmetic
base:
  layers:
  - {source: 'file:base', from: 0, to: 2}
  - {source: 'file:base', from: 0, to: 1}
experts:
- name: tall
  layers:
  - {source: 'file:alpha', from: 0, to: 2}
  - {source: 'file:beta', from: 1, to: 2}
- name: twice
  layers:
  - {source: 'file:gamma', from: 0, to: 2}
  - {source: 'file:gamma', from: 0, to: 1}
weights: [1.0, {depth: [0.0, 0.5, 1.0]}]
params:
  scale: 1.0
"""


def test_a_recipe_writes_layers_as_a_list_and_reads_them_back():
    recipe = Recipe.from_yaml(RECIPE)
    assert recipe.to_yaml() == RECIPE
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.experts[0].source == layers_source(
        [Run("file:alpha", 0, 2), Run("file:beta", 1, 2)]
    )
    with pytest.raises(RecipeError, match="beside a source"):
        Recipe.from_json({**recipe.to_json(), "base": {"source": "a", "layers": []}})
    unnamed = Recipe.from_yaml(RECIPE.replace("name: tall\n  layers", "layers"))
    assert unnamed.experts[0].name == "alpha+beta"


def test_what_a_visitor_may_not_open_stays_shut_inside_layers(llama, tmp_path):
    rules = SourceRules((llama,))
    source = layers_source([Run("file:alpha", 0, 1), Run("file:beta", 0, 2)])
    assert len(open_source(source, roots=rules).tensors) == 29
    for outside in (str(tmp_path), f"file:{llama}/alpha", "file:../x", "hub:org/name"):
        with pytest.raises(SourceError, match="not a model that this app may open"):
            open_source(layers_source([Run(outside, 0, 1)]), roots=rules)


def test_a_tall_merge_is_the_same_on_disk_in_memory_and_live(llama, tmp_path):
    recipe = Recipe.from_yaml(RECIPE)
    assert doctor(recipe, base_dir=llama).is_well
    out = merge(recipe, tmp_path / "out", base_dir=llama)
    written = open_source(str(out))
    memory = merge_in_memory(recipe, base_dir=llama)
    live = LiveSet.open(recipe, place=Place(base_dir=llama)).merge(recipe)
    assert set(written.tensors) == set(memory.tensors) == set(live.tensors)
    for key, info in written.tensors.items():
        assert torch.equal(written.read(key), memory.tensors[key].reshape(-1))
        assert torch.equal(written.read(key), live.tensors[key].reshape(-1)), info.key
    assert json.loads((out / "config.json").read_text("utf-8"))["num_hidden_layers"] == 3
    card = (out / "README.md").read_text("utf-8")
    assert "expert tall: layers | alpha" in card and "expert tall: layers | beta" in card
    base, tall, twice = (
        open_source(source, base_dir=llama)
        for source in (str(recipe.base), *(e.source for e in recipe.experts))
    )
    for layer, weight in enumerate((0.0, 0.5, 1.0)):
        key = f"model.layers.{layer}.mlp.up_proj.weight"
        b, t, w = (m.read(key).float() for m in (base, tall, twice))
        expected = b + (t - b) + weight * (w - b)
        torch.testing.assert_close(written.read(key).float(), expected, atol=0, rtol=2**-8)


def test_a_tall_merge_can_be_measured(llama):
    found = measure(Recipe.from_yaml(RECIPE), base_dir=llama)
    assert found.to_json()["experts"] == ["tall", "twice"]


def test_models_of_other_heights_do_not_merge(llama):
    recipe = Recipe.from_yaml(RECIPE)
    short = Recipe(
        "task_arithmetic", (*recipe.experts, Expert("file:alpha", "short")), recipe.base
    )
    with pytest.raises(AlignmentError, match="short|alpha"):
        merge_in_memory(short, base_dir=llama)
    assert not doctor(short, base_dir=llama).is_well


def test_a_merge_in_a_recipe_keeps_its_height(llama, tmp_path):
    inner = tmp_path / "inner.yaml"
    inner.write_text(RECIPE.replace("'file:", f"'file:{llama}/"), "utf-8")
    outer = Recipe("passthrough", (Expert(f"recipe:{inner}", "inner"),))
    out = merge(outer, tmp_path / "out")
    assert json.loads((out / "config.json").read_text("utf-8"))["num_hidden_layers"] == 3


def test_one_value_for_each_layer_is_that_value():
    for count in (2, 3, 7, 50, 99):
        values = tuple(0.1 * i for i in range(count))
        depth = Depth(values)
        assert tuple(depth.at(i / (count - 1)) for i in range(count)) == values


@pytest.mark.parametrize(
    ("key", "before"),
    [
        ("model.embed_tokens.weight", True),
        ("transformer.wpe.weight", True),
        ("bert.embeddings.LayerNorm.bias", True),
        ("gpt_neox.embed_out.weight", False),
        ("lm_head.weight", False),
        ("transformer.ln_f.bias", False),
        ("model.norm.weight", False),
    ],
)
def test_a_name_says_on_which_side_of_the_layers_a_tensor_is(key, before):
    assert comes_before_layers(key) is before


def test_the_target_may_not_hold_a_model_that_layers_are_taken_from(llama):
    recipe = Recipe.from_yaml(RECIPE.replace("'file:", f"'file:{llama}/"))
    with pytest.raises(Exception, match="one of the models to merge"):
        merge(recipe, llama / "beta", force=True)
    assert Path(llama / "beta" / "config.json").is_file()
