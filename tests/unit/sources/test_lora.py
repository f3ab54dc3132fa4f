"""A LoRA adapter on its base is a model like any other, without a merged copy on disk."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger import adapted
from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import FileCheckpoint, MemoryCheckpoint
from merger.compute import prepare
from merger.engine import merge
from merger.errors import SourceError
from merger.flat import FlatInputs, merge_flat
from merger.inputs import CheckpointInputs
from merger.models import open_models
from merger.pieces import Piece
from merger.recipe import Expert, Recipe
from merger.sources import list_models, open_source
from merger.stack import stack_experts
from tests.adapters import PREFIX, draw, factors, save_adapter

Q, UP, EMBED, HEAD = (
    "model.layers.0.q_proj",
    "model.layers.1.up_proj",
    "model.embed_tokens",
    "score",
)


def save_base(folder: Path, dtype=torch.float32, **more) -> Path:
    tensors = {
        f"{Q}.weight": draw(1, 6, 4),
        f"{Q}.bias": draw(2, 6),
        f"{UP}.weight": draw(3, 5, 6),
        f"{EMBED}.weight": draw(4, 7, 4),
        f"{HEAD}.weight": draw(5, 2, 4),
        "conv.weight": draw(6, 4, 2, 3, 3),
        **more,
    }
    folder.mkdir(parents=True)
    save_file({k: v.to(dtype) for k, v in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> FileCheckpoint:
    return FileCheckpoint(save_base(tmp_path / "base"))


def whole(model, key: str) -> torch.Tensor:
    return model.read(key).reshape(model.tensors[key].shape)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_the_change_is_the_product_of_the_factors_times_alpha_over_rank(tmp_path, base):
    a, b = factors(10, 6, 4, 2)
    model = AdaptedCheckpoint(base, save_adapter(tmp_path / "a", {Q: (a, b)}, lora_alpha=6))
    close(whole(model, f"{Q}.weight"), draw(1, 6, 4) + 3 * (b @ a))
    close(model.change(f"{Q}.weight").reshape(6, 4), 3 * (b @ a))
    assert model.touched == (f"{Q}.weight",)


def test_what_the_adapter_does_not_touch_is_the_base(tmp_path, base):
    model = AdaptedCheckpoint(base, save_adapter(tmp_path / "a", {Q: factors(10, 6, 4, 2)}))
    for key in (f"{UP}.weight", f"{Q}.bias"):
        assert torch.equal(model.read(key), base.read(key))
        assert not model.change(key).any()
    assert model.config() == base.config()


def test_rank_stabilised_adapters_divide_by_the_root_of_the_rank(tmp_path, base):
    a, b = factors(10, 6, 4, 4)
    folder = save_adapter(tmp_path / "a", {Q: (a, b)}, lora_alpha=8, use_rslora=True)
    close(AdaptedCheckpoint(base, folder).change(f"{Q}.weight").reshape(6, 4), 4 * (b @ a))


def test_ranks_and_alphas_may_differ_between_modules(tmp_path, base):
    q, up = factors(10, 6, 4, 2), factors(20, 5, 6, 3)
    folder = save_adapter(
        tmp_path / "a", {Q: q, UP: up}, r=2, lora_alpha=4,
        rank_pattern={"up_proj": 3}, alpha_pattern={r"layers\.1\.up_proj": 9},
    )  # fmt: skip
    model = AdaptedCheckpoint(base, folder)
    close(model.change(f"{Q}.weight").reshape(6, 4), 2 * (q[1] @ q[0]))
    close(model.change(f"{UP}.weight").reshape(5, 6), 3 * (up[1] @ up[0]))


def test_matrices_stored_as_in_out_get_the_product_turned(tmp_path):
    base = MemoryCheckpoint({"h.0.attn.c_attn.weight": draw(1, 4, 6)})
    a, b = factors(10, 6, 4, 2)
    module = "transformer.h.0.attn.c_attn"
    folder = save_adapter(tmp_path / "a", {module: (a, b)}, lora_alpha=2, fan_in_fan_out=True)
    change = AdaptedCheckpoint(base, folder).change("h.0.attn.c_attn.weight")
    close(change.reshape(4, 6), (b @ a).T)


def test_embeddings_are_stored_turned(tmp_path, base):
    a, b = draw(1, 2, 7), draw(2, 4, 2)
    folder = save_adapter(tmp_path / "a", {}, lora_alpha=2)
    stored = {f"{PREFIX}{EMBED}.lora_embedding_A": a, f"{PREFIX}{EMBED}.lora_embedding_B": b}
    save_file(stored, folder / "adapter_model.safetensors")
    close(AdaptedCheckpoint(base, folder).change(f"{EMBED}.weight").reshape(7, 4), (b @ a).T)


def test_kernels_have_factors_of_four_axes(tmp_path, base):
    a, b = draw(1, 3, 2, 3, 3), draw(2, 4, 3, 1, 1)
    folder = save_adapter(tmp_path / "a", {"conv": (a, b)}, lora_alpha=3)
    expected = (b.flatten(1) @ a.flatten(1)).reshape(4, 2, 3, 3)
    close(AdaptedCheckpoint(base, folder).change("conv.weight").reshape(4, 2, 3, 3), expected)


def test_a_head_that_was_trained_whole_replaces_the_base_s(tmp_path, base):
    head = draw(50, 2, 4)
    folder = save_adapter(tmp_path / "a", {}, whole={f"{HEAD}.weight": head})
    model = AdaptedCheckpoint(base, folder)
    assert torch.equal(whole(model, f"{HEAD}.weight"), head)
    close(model.change(f"{HEAD}.weight").reshape(2, 4), head - draw(5, 2, 4))


def test_an_embedding_stored_whole_beside_its_factors_counts_with_both(tmp_path, base):
    a, b, own = draw(1, 2, 7), draw(2, 4, 2), draw(3, 7, 4)
    folder = save_adapter(tmp_path / "a", {}, lora_alpha=2)
    stored = {f"{PREFIX}{EMBED}.lora_embedding_A": a, f"{PREFIX}{EMBED}.lora_embedding_B": b}
    stored[f"{PREFIX}{EMBED}.base_layer.weight"] = own
    save_file(stored, folder / "adapter_model.safetensors")
    model = AdaptedCheckpoint(base, folder)
    close(whole(model, f"{EMBED}.weight"), own + (b @ a).T)
    close(model.change(f"{EMBED}.weight").reshape(7, 4), own + (b @ a).T - draw(4, 7, 4))


def test_any_part_read_is_the_same_bytes_as_the_whole(tmp_path, base, monkeypatch):
    monkeypatch.setattr(adapted, "CHUNK", 8)
    model = AdaptedCheckpoint(base, save_adapter(tmp_path / "a", {Q: factors(10, 6, 4, 3)}))
    key = f"{Q}.weight"
    all_at_once = model.change(key)
    for start in range(25):
        for stop in (start, start + 1, start + 5, 24, None):
            assert torch.equal(model.change(key, start, stop), all_at_once[start:stop])
            assert torch.equal(model.read(key, start, stop), model.read(key)[start:stop])


def recipe(tmp_path: Path, method: str, names=("a", "b"), **options) -> Recipe:
    experts = tuple(Expert(f"lora:{tmp_path / name}", name) for name in names)
    return Recipe(method, experts, f"file:{tmp_path / 'base'}", **options)


def two_adapters(tmp_path: Path, dtype=torch.float32) -> None:
    save_base(tmp_path / "base", dtype)
    for i, name in enumerate("ab"):
        pairs = {Q: factors(10 * i, 6, 4, 1 + i), UP: factors(10 * i + 5, 5, 6, 2)}
        save_adapter(tmp_path / name, pairs, lora_alpha=0.01)


def test_task_vectors_of_adapters_are_exact_even_on_a_rounded_base(tmp_path):
    two_adapters(tmp_path, torch.bfloat16)
    models = open_models(recipe(tmp_path, "task_arithmetic"))
    inputs = CheckpointInputs(models.plan, models.base, models.experts)
    tau = inputs.deltas(Piece((models.plan.by_key[f"{Q}.weight"],), 0, 24))[0].reshape(6, 4)
    strength = torch.linalg.svdvals(tau.double())
    assert strength[1] < 1e-7 * strength[0]


METHODS = ["task_arithmetic", "ties", "linear", "iso_c", "slerp", "dare_linear"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
def test_blocks_of_any_length_and_the_live_form_give_the_same_bytes(tmp_path, method, dtype):
    two_adapters(tmp_path, dtype)
    models = open_models(recipe(tmp_path, method, weights=(0.5, 1.5)))
    prepared = prepare(models.plan, models.base, models.experts)
    stack = stack_experts(models.base, models.experts, ["a", "b"])
    live = merge_flat(models.plan, FlatInputs(stack, models.experts))
    for size in (5, 1000):
        for block in prepared.blocks(size):
            at = stack.slot(block.key).start
            saved = prepared.merge_block(block).to(torch.float32)
            assert torch.equal(saved, live[at + block.start : at + block.stop]), block


def test_an_adapter_merges_as_its_merged_copy_does(tmp_path):
    two_adapters(tmp_path)
    out = merge(recipe(tmp_path, "task_arithmetic", params={"scale": 1.0}), tmp_path / "out")
    found = FileCheckpoint(out)
    for key in (f"{Q}.weight", f"{UP}.weight"):
        base, one, two = (
            whole(m, key)
            for m in (
                FileCheckpoint(tmp_path / "base"),
                open_source(f"lora:{tmp_path / 'a'}", base=FileCheckpoint(tmp_path / "base")),
                open_source(f"lora:{tmp_path / 'b'}", base=FileCheckpoint(tmp_path / "base")),
            )
        )
        close(whole(found, key), one + two - base)


def test_without_a_recipe_s_base_the_adapter_s_own_is_opened_beside_it(tmp_path):
    save_base(tmp_path / "tiny-llama")
    pairs = {Q: factors(1, 6, 4, 2)}
    folder = save_adapter(tmp_path / "a", pairs, base_model_name_or_path="org/tiny-llama")
    model = open_source(f"lora:{folder}")
    assert isinstance(model, AdaptedCheckpoint) and model.base.label == "tiny-llama"
    with pytest.raises(SourceError, match="does not say what it was trained on"):
        open_source(f"lora:{save_adapter(tmp_path / 'b', pairs)}")


def test_an_adapter_of_the_hub_opens_from_the_cache(tmp_path, base, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "cache" / "models--org--maths"
    save_adapter(cached / "snapshots" / commit, {Q: factors(1, 6, 4, 2)})
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    model = open_source("lora:hub:org/maths", base=base)
    assert model.label == "org/maths" and model.tensors[f"{Q}.weight"].dtype == "F32"
    with pytest.raises(SourceError, match="may open"):
        open_source("lora:hub:org/maths", base=base, roots=[tmp_path])


def test_a_visitor_opens_adapters_of_the_models_folder_only(tmp_path):
    save_base(tmp_path / "models" / "base")
    pairs = {Q: factors(1, 6, 4, 2)}
    for place in ("models/maths", "outside"):
        save_adapter(tmp_path / place, pairs, base_model_name_or_path="/home/x/base")
    roots = [tmp_path / "models"]
    assert open_source("lora:maths", roots=roots).tensors[f"{Q}.weight"].dtype == "F32"
    for text in ("lora:../outside", "lora:base", f"lora:{tmp_path / 'outside'}"):
        with pytest.raises(SourceError, match="may open"):
            open_source(text, roots=roots)


def test_a_visitor_s_adapter_cannot_reach_a_base_outside(tmp_path):
    save_base(tmp_path / "secret")
    folder = tmp_path / "models" / "maths"
    save_adapter(
        folder, {Q: factors(1, 6, 4, 2)}, base_model_name_or_path=str(tmp_path / "secret")
    )
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source("lora:maths", roots=[tmp_path / "models"])


def test_adapters_are_listed_beside_the_base_they_name(tmp_path):
    save_base(tmp_path / "base")
    save_adapter(tmp_path / "maths", {}, base_model_name_or_path="org/base")
    found = [(m.name, m.source, m.is_base) for m in list_models(tmp_path)]
    assert found == [("base", "file:base", True), ("maths", "lora:maths", False)]


def test_the_id_follows_the_base_the_factors_and_the_scale(tmp_path, base):
    def id_of(name: str, seed: int = 1, root=base, **config) -> str:
        folder = save_adapter(tmp_path / name, {Q: factors(seed, 6, 4, 2)}, **config)
        return AdaptedCheckpoint(root, folder).content_id()

    first = id_of("a")
    assert first == id_of("b", inference_mode=True)
    other = MemoryCheckpoint({key: 2 * whole(base, key) for key in base.tensors})
    assert len({first, id_of("c", 9), id_of("d", lora_alpha=4), id_of("e", root=other)}) == 4


BAD = {
    "type LOHA": {"peft_type": "LOHA"},
    "DoRA": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa_niter_4"},
    "lora_alpha must be a number": {"lora_alpha": "eight"},
    "cannot be used": {"alpha_pattern": {"(a+)+b": 1}},
    "cannot be used: ": {"alpha_pattern": {"(": 1}},
    r"x!'? cannot be used: too": {"alpha_pattern": {".*" * 40 + "x!": 1}},
    r"a'? cannot be used: too": {"alpha_pattern": {"a?" * 30 + "a" * 30: 1}},
    "repeated layers": {"layer_replication": [[0, 2]]},
}


@pytest.mark.parametrize("message", list(BAD))
def test_adapters_that_mean_something_else_are_refused(tmp_path, base, message):
    folder = save_adapter(tmp_path / "a", {Q: factors(1, 6, 4, 2)}, **BAD[message])
    with pytest.raises(SourceError, match=message):
        AdaptedCheckpoint(base, folder)


def test_factors_that_do_not_fit_are_refused(tmp_path, base):
    a, b = factors(1, 6, 4, 2)
    bad = {
        "cannot be multiplied": {Q: (a, draw(1, 6, 3))},
        r"is \[6, 5\] here and \[6, 4\] there": {Q: (draw(1, 2, 5), b)},
        "which base does not have": {"model.layers.9.q_proj": (a, b)},
    }
    for i, (message, pairs) in enumerate(bad.items()):
        with pytest.raises(SourceError, match=message):
            AdaptedCheckpoint(base, save_adapter(tmp_path / str(i), pairs))


def test_incomplete_or_pickled_adapters_are_refused(tmp_path, base):
    folder = save_adapter(tmp_path / "a", {})
    one = {f"{PREFIX}{Q}.lora_A.weight": draw(1, 2, 4)}
    save_file(one, folder / "adapter_model.safetensors")
    with pytest.raises(SourceError, match="only one of its two factors"):
        AdaptedCheckpoint(base, folder)
    save_file({f"{PREFIX}{Q}.lora_magnitude": draw(1, 2)}, folder / "adapter_model.safetensors")
    with pytest.raises(SourceError, match="no part of a LoRA adapter"):
        AdaptedCheckpoint(base, folder)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(SourceError, match="pickled"):
        AdaptedCheckpoint(base, folder)
    with pytest.raises(SourceError, match="no adapter_config.json"):
        AdaptedCheckpoint(base, tmp_path / "base")


def test_a_folder_that_holds_an_adapter_says_how_to_name_it(tmp_path):
    folder = save_adapter(tmp_path / "a", {})
    with pytest.raises(SourceError, match=f"Write lora:{folder}"):
        FileCheckpoint(folder)
