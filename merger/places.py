"""Read from a tensor's name where it sits: which layer, which kind of module, how deep."""

import re
from collections.abc import Iterable

# The first hit counts; without the anchor `branch.0.` would pass for `h.0.`.
LAYER = re.compile(r"(?:^|\.)(?:layers|layer|blocks|block|h|resblocks|stages)\.(\d+)(?:\.|$)")

KINDS = {
    "q": ("q", "query", "q_proj", "q_lin", "wq", "to_q"),
    "k": ("k", "key", "k_proj", "k_lin", "wk", "to_k"),
    "v": ("v", "value", "v_proj", "v_lin", "wv", "to_v"),
    "qkv": ("qkv", "c_attn", "query_key_value", "qkv_proj", "in_proj", "wqkv"),
    "gate": ("gate_proj", "wi_0", "w1"),
    "gate+up": ("gate_up_proj",),
    "up": ("up_proj", "fc1", "c_fc", "intermediate", "wi", "wi_1", "w3", "lin1", "dense_h_to_4h"),
    "down": ("down_proj", "fc2", "w2", "lin2", "dense_4h_to_h"),
    "o": ("o_proj", "out_proj", "out_lin", "to_out", "wo"),
    "head": ("lm_head", "classifier", "score", "head", "decoder", "predictions"),
    "pooler": ("pooler",),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
# These names serve attention and MLP alike; what stands above them decides.
SHARED = ("c_proj", "proj", "output", "wo", "out")
ATTENTION = re.compile(r"att(?:n|ention)|^self$", re.IGNORECASE)
NORM = re.compile(r"norm|^ln(?:_\w+)?$", re.IGNORECASE)
EMBED = re.compile(r"embed|^wte$|^wpe$|^cls_token$|^patch|^shared$", re.IGNORECASE)
# What data meets before the first layer, and names that only look so: heads.
FIRST = re.compile(r"emb|^wte$|^wpe$|^cls_token$|^patch|^shared$|^conv[12]$|_pe$", re.IGNORECASE)
OUTPUT = re.compile(r"unembed|embed_out|^lm_head$|^cls$", re.IGNORECASE)
ORDER = ("embed", "norm", "q", "k", "v", "qkv", "o", "gate", "gate+up", "up", "down")
LAST = ("bias", "pooler", "head")


def is_running_statistic(key: str) -> bool:
    """Return whether a tensor holds a batch norm's running mean or variance: no weights."""
    return key.rpartition(".")[2] in ("running_mean", "running_var")


def layer_of(key: str) -> int | None:
    """Return the number of the layer a tensor belongs to, or None outside the layers."""
    hit = LAYER.search(key)
    return int(hit.group(1)) if hit else None


def comes_before_layers(key: str) -> bool:
    """Return whether a tensor outside the layers is used before them, as embeddings are."""
    words = key.split(".")
    return any(FIRST.search(w) for w in words) and not any(OUTPUT.search(w) for w in words)


def depth_of(layer: int | None, layers: int) -> float:
    """Return the relative depth in [0, 1]: 0 outside the layers, 1 for the last or only one."""
    if layer is None:
        return 0.0
    return 1.0 if layers <= 1 else layer / (layers - 1)


def count_layers(keys: Iterable[str]) -> int:
    """Return how many layers these names number (one past the highest number)."""
    return max((layer + 1 for key in keys if (layer := layer_of(key)) is not None), default=0)


def module_of(key: str) -> str:
    """Return the short kind of module a tensor belongs to, such as "q", "up" or "norm".

    Biases of linear maps are one kind of their own; names that no rule knows keep their last
    two words.
    """
    hit = LAYER.search(key)
    inside = key[hit.end() :] if hit else key
    words = [w for w in inside.split(".") if w and not w.isdigit()]
    stem = words[:-1] if words and words[-1] in ("weight", "bias", "gamma", "beta") else words
    if any(NORM.search(w) for w in stem[-1:]):
        return "norm"
    if key.endswith("bias"):
        return "bias"
    if any(EMBED.search(w) for w in stem) and not hit:
        return "embed"
    return _linear(stem) or ".".join(stem[-2:]) or key


def module_order(module: str) -> tuple[int, str]:
    """Return a sort key that lists modules in the order data passes them."""
    if module in ORDER:
        return ORDER.index(module), ""
    if module in LAST:
        return len(ORDER) + 1 + LAST.index(module), ""
    return len(ORDER), module


def _linear(words: list[str]) -> str | None:
    attends = any(ATTENTION.search(w) for w in words)
    for word in reversed(words):
        name = word.lower()
        if name in SHARED:
            return "o" if attends else "down"
        if name in KIND_OF:
            return KIND_OF[name]
    return None
