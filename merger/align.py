"""Do these experts fit the base and each other? A report from headers, never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from merger.checkpoint import Checkpoint
from merger.errors import AlignmentError
from merger.header import shown
from merger.matched import plain
from merger.places import count_layers
from merger.tied import find_tied, has_own_head, says_own_head
from merger.vocabulary import vocabulary_rows

# Float tensors that are computed when a model is built; some versions save them, others do not.
BUFFERS = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", "masked_bias")
# Equal shapes do not make equal models where one of these differs.
TELLING = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor",
    "max_position_embeddings", "sliding_window", "hidden_act", "hidden_activation",
    "layer_norm_eps", "rms_norm_eps", "num_experts_per_tok", "attn_logit_softcapping",
    "final_logit_softcapping", "query_pre_attn_scalar", "tie_word_embeddings", "vocab_size",
)  # fmt: skip
WORDS = (
    "Say in the recipe which words the result has: tokenizer: {source: union} for those of all "
    "models, {source: base} or {source: NAME} for those of one."
)
SAME_FAMILY = "Choose experts that were fine-tuned from this base."


class Problem(NamedTuple):
    """One thing that was noticed about the models.

    Args:
        severity: "error" forbids the merge; "note" is worth knowing.
        what: What is the matter.
        where: The model it is about.
        remedy: What to do.
    """

    severity: Literal["error", "note"]
    what: str
    where: str
    remedy: str


@dataclass(frozen=True, slots=True)
class AlignReport:
    """What a merge of these models would do with each tensor, and what stands against it.

    Args:
        problems: Errors and notes, base first, then experts in order.
        mergeable: Names of the tensors that are merged, sorted.
        copied: Names of the tensors that are copied from the base, sorted.
        tied: For each name that shares its numbers with another one, that other name; they are
            merged once and written twice.
        missing: For each expert, the names that the base has and it lacks.
        extra: For each expert, the names that it has and the base lacks.
        layers: Number of blocks.
        vocabulary: Rows of the vocabulary by config, or None where it is not said.
    """

    problems: tuple[Problem, ...]
    mergeable: tuple[str, ...]
    copied: tuple[str, ...]
    tied: Mapping[str, str]
    missing: tuple[tuple[str, ...], ...]
    extra: tuple[tuple[str, ...], ...]
    layers: int
    vocabulary: int | None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid the merge."""
        return tuple(p for p in self.problems if p.severity == "error")

    def raise_if_bad(self) -> None:
        """Raise AlignmentError when something forbids the merge."""
        errors = list(self.errors)
        if errors:
            others = len(errors) - 1
            verb, things = ("is", "problem") if others == 1 else ("are", "problems")
            more = f" There {verb} {others} more such {things}." if others else ""
            raise AlignmentError(f"{errors[0].where}: {errors[0].what}{more}", errors[0].remedy)


def align(
    base: Checkpoint | None, experts: Sequence[Checkpoint], *, read_heads: bool = True
) -> AlignReport:
    """Compare experts with the base, or with the first expert where there is no base.

    Args:
        base: The checkpoint that the experts were fine-tuned from.
        experts: The experts, in order.
        read_heads: Whether a head that the config says nothing about may be read and compared
            with its embedding; otherwise it counts as a tensor of its own.
    """
    reference = base if base is not None else experts[0]
    # Whether two tensors are one is a matter of what lies on disk, not of rows that stand in.
    tied = find_tied([plain(m) for m in (reference, *experts)], read_heads=read_heads)
    kept = [key for key in reference.tensors if key not in tied]
    copied = tuple(key for key in kept if _is_copied(reference, key))
    mergeable = tuple(sorted(set(kept) - set(copied)))
    pairs = [_differences(reference, expert, tied) for expert in experts]
    problems = [*_about_reference(reference, mergeable, copied)]
    for expert, (missing, extra) in zip(experts, pairs, strict=True):
        if expert is not reference:
            problems += _compare(reference, expert, mergeable, missing, extra)
            problems += _own_heads(reference, expert, tied, read_heads)
    config = reference.config() or {}
    return AlignReport(
        problems=tuple(problems),
        mergeable=mergeable,
        copied=copied,
        tied=MappingProxyType({key: tied[key] for key in tied if key in reference.tensors}),
        missing=tuple(missing for missing, _ in pairs),
        extra=tuple(extra for _, extra in pairs),
        layers=count_layers(reference.tensors),
        vocabulary=_vocabulary(config),
    )


def _is_copied(reference: Checkpoint, key: str) -> bool:
    return not reference.tensors[key].is_float or key.endswith(BUFFERS)


def _vocabulary(config: Mapping[str, Any]) -> int | None:
    inner = config.get("text_config")
    size = config.get("vocab_size", inner.get("vocab_size") if isinstance(inner, dict) else None)
    return size if isinstance(size, int) else None


def _differences(
    reference: Checkpoint, expert: Checkpoint, tied: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ours, theirs = reference.tensors, expert.tensors
    return (
        tuple(key for key in ours if key not in theirs and key not in tied),
        tuple(key for key in theirs if key not in ours and key not in tied),
    )


def _about_reference(
    reference: Checkpoint, mergeable: tuple[str, ...], copied: tuple[str, ...]
) -> list[Problem]:
    if not mergeable:
        return [
            Problem(
                "error",
                "it holds no floating-point tensor, so there is nothing to merge.",
                reference.label,
                "Choose a model with F16, BF16, F32 or F64 weights.",
            )
        ]
    if copied:
        what = f"{first_names(copied)} {_are(copied)} copied, not merged (not trained numbers)."
        return [Problem("note", what, reference.label, "")]
    return []


def _compare(
    reference: Checkpoint,
    expert: Checkpoint,
    mergeable: tuple[str, ...],
    missing: tuple[str, ...],
    extra: tuple[str, ...],
) -> list[Problem]:
    found = [
        *_missing(reference, expert, missing, extra),
        *_extra(reference, expert, missing, extra),
        *_shapes(reference, expert, mergeable),
        *_dtypes(reference, expert, mergeable),
        *_configs(reference, expert),
    ]
    return [Problem(severity, what, expert.label, remedy) for severity, what, remedy in found]


def _own_heads(
    reference: Checkpoint, expert: Checkpoint, tied: Mapping[str, str], read_heads: bool
) -> list[Problem]:
    """Report heads that were trained apart although the reference shares them."""
    found = []
    for head, origin in tied.items():
        if read_heads and has_own_head(plain(expert), head, origin):
            what = f"was trained apart from {shown(origin)}, and {reference.label} shares the two."
            remedy = (
                "Choose experts that share them too, or save the base with "
                "tie_word_embeddings=False."
            )
            found.append(Problem("error", f"its {shown(head)} {what}", expert.label, remedy))
        elif not read_heads and says_own_head(plain(expert), head):
            what = (
                f"it says that its {shown(head)} is its own, and {reference.label} shares it with "
                f"{shown(origin)}: the merge compares the two, and is refused where they differ."
            )
            found.append(Problem("note", what, expert.label, ""))
    return found


Found = list[tuple[Literal["error", "note"], str, str]]


def _missing(
    reference: Checkpoint, expert: Checkpoint, missing: tuple[str, ...], extra: tuple[str, ...]
) -> Found:
    hard = tuple(key for key in missing if not _is_copied(reference, key))
    if hard:
        what = f"it lacks {first_names(hard)}, which {_are(hard)} in {reference.label}."
        return [("error", what, _prefix_remedy(missing, extra) or SAME_FAMILY)]
    if missing:
        return [("note", f"it lacks {first_names(missing)}; the base's {_are(missing)} kept.", "")]
    return []


def _extra(
    reference: Checkpoint, expert: Checkpoint, missing: tuple[str, ...], extra: tuple[str, ...]
) -> Found:
    hard = tuple(key for key in extra if not _is_copied(expert, key))
    if hard:
        what = f"it has {first_names(hard)}, which {_are(hard)} not in {reference.label}."
        remedy = _prefix_remedy(missing, extra) or (
            "Remove a head that the base lacks (save the model without it), or "
            "choose experts of one architecture."
        )
        return [("error", what, remedy)]
    if extra:
        return [("note", f"it has {first_names(extra)}, which the result leaves out.", "")]
    return []


def _shapes(reference: Checkpoint, expert: Checkpoint, mergeable: tuple[str, ...]) -> Found:
    ours, theirs = reference.tensors, expert.tensors
    wrong = [k for k in mergeable if k in theirs and theirs[k].shape != ours[k].shape]
    if not wrong:
        return []
    there = reference.label
    listed = "; ".join(
        f"{shown(k)} is {list(theirs[k].shape)} here and {list(ours[k].shape)} in {there}"
        for k in wrong[:3]
    )
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    words = [_vocabulary(model.config() or {}) for model in (expert, reference)]
    if words[0] != words[1] and None not in words:
        remedy = f"The vocabularies differ ({words[0]} and {words[1]} rows). {WORDS}"
    else:
        remedy = "Choose experts of one architecture and size."
    return [("error", f"{listed}{more}.", remedy)]


def _dtypes(reference: Checkpoint, expert: Checkpoint, mergeable: tuple[str, ...]) -> Found:
    ours, theirs = reference.tensors, expert.tensors
    common = [key for key in mergeable if key in theirs]
    whole = tuple(key for key in common if not theirs[key].is_float)
    if whole:
        what = f"{first_names(whole)} {_are(whole)} {theirs[whole[0]].dtype}, not floating point."
        return [("error", what, "Choose a checkpoint that was not quantised.")]
    other = tuple(key for key in common if theirs[key].dtype != ours[key].dtype)
    if other:
        here, there = theirs[other[0]].dtype, ours[other[0]].dtype
        what = f"{first_names(other)}: {here} here, {there} in {reference.label}."
        return [("note", what, "Merging computes in float32; the result keeps the base's dtypes.")]
    return []


def _configs(reference: Checkpoint, expert: Checkpoint) -> Found:
    ours, theirs = _settings(reference), _settings(expert)
    other = [k for k in TELLING if k in ours and k in theirs and ours[k] != theirs[k]]
    if vocabulary_rows(reference) != vocabulary_rows(expert):
        # Rows that differ are an error, which says so already.
        other = [k for k in other if k != "vocab_size"]
    if not other:
        return []
    listed = ", ".join(f"{k} is {shown(theirs[k])} here, {shown(ours[k])} there" for k in other)
    remedy = f"The result keeps the config of {reference.label}: check that this is what you mean."
    return [("note", f"its config differs from {reference.label}: {listed}.", remedy)]


def _settings(model: Checkpoint) -> dict[str, Any]:
    """Return a config with the settings of its language model, where it has parts, beside it."""
    table = model.config() or {}
    inner = table.get("text_config")
    return (inner if isinstance(inner, dict) else {}) | table


def _prefix_remedy(missing: tuple[str, ...], extra: tuple[str, ...]) -> str:
    """Return the remedy for names that differ by a prefix only, as with and without a head."""
    for one, other, who in ((missing, extra, "expert"), (extra, missing, "base")):
        if not one or not other:
            continue
        prefix = next((k[: -len(one[0])] for k in other if k.endswith("." + one[0])), "")
        if prefix and sum(prefix + key in other for key in one) * 2 > len(one):
            return (
                f"The names of the {who} begin with {shown(prefix)!r}: save both from the same "
                "class (with or without a head)."
            )
    return ""


def first_names(keys: Sequence[str]) -> str:
    """Return the first names of several, and how many more there are."""
    named = ", ".join(shown(key) for key in keys[:3])
    return named + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _are(keys: Sequence[str]) -> str:
    return "is" if len(keys) == 1 else "are"
