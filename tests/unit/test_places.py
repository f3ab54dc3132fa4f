import pytest

from merger.places import count_layers, depth_of, layer_of, module_of, module_order

NAMES = {
    "model.layers.3.self_attn.q_proj.weight": (3, "q"),
    "model.layers.3.self_attn.o_proj.weight": (3, "o"),
    "model.layers.3.mlp.gate_proj.weight": (3, "gate"),
    "model.layers.3.mlp.down_proj.weight": (3, "down"),
    "model.layers.3.post_attention_layernorm.weight": (3, "norm"),
    "model.embed_tokens.weight": (None, "embed"),
    "model.norm.weight": (None, "norm"),
    "lm_head.weight": (None, "head"),
    "bert.encoder.layer.11.attention.self.query.weight": (11, "q"),
    "bert.encoder.layer.11.attention.self.query.bias": (11, "bias"),
    "bert.encoder.layer.11.attention.output.dense.weight": (11, "o"),
    "bert.encoder.layer.11.attention.output.LayerNorm.bias": (11, "norm"),
    "bert.encoder.layer.11.intermediate.dense.weight": (11, "up"),
    "bert.encoder.layer.11.output.dense.weight": (11, "down"),
    "bert.embeddings.word_embeddings.weight": (None, "embed"),
    "bert.embeddings.LayerNorm.weight": (None, "norm"),
    "bert.pooler.dense.weight": (None, "pooler"),
    "vit.encoder.layer.0.attention.attention.value.weight": (0, "v"),
    "vit.encoder.layer.0.layernorm_before.weight": (0, "norm"),
    "vit.embeddings.patch_embeddings.projection.weight": (None, "embed"),
    "vit.embeddings.cls_token": (None, "embed"),
    "classifier.weight": (None, "head"),
    "transformer.h.7.attn.c_attn.weight": (7, "qkv"),
    "transformer.h.7.attn.c_proj.weight": (7, "o"),
    "transformer.h.7.mlp.c_fc.weight": (7, "up"),
    "transformer.h.7.mlp.c_proj.weight": (7, "down"),
    "transformer.h.7.ln_1.weight": (7, "norm"),
    "transformer.ln_f.bias": (None, "norm"),
    "transformer.wte.weight": (None, "embed"),
    "visual.resblocks.2.attn.in_proj_weight": (2, "attn.in_proj_weight"),
    "branch.0.conv.weight": (None, "branch.conv"),
    "scale": (None, "scale"),
}


@pytest.mark.parametrize("key", sorted(NAMES))
def test_names_tell_layer_and_module(key):
    assert (layer_of(key), module_of(key)) == NAMES[key]


def test_numbers_inside_other_words_are_no_layers():
    assert layer_of("conv_path.1.weight") is None
    assert layer_of("player.3.weight") is None
    assert layer_of("blocks.3.mlp.0.weight") == 3


def test_depth_runs_from_first_to_last_layer():
    assert [depth_of(i, 3) for i in (None, 0, 1, 2)] == [0.0, 0.0, 0.5, 1.0]
    assert depth_of(0, 1) == 1.0
    assert count_layers(["h.0.a", "h.4.b", "c"]) == 5


def test_modules_are_listed_as_data_passes_them():
    modules = ["head", "down", "bias", "odd", "q", "embed", "norm"]
    assert sorted(modules, key=module_order) == [
        "embed", "norm", "q", "down", "odd", "bias", "head",
    ]  # fmt: skip
