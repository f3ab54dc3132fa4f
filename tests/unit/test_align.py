"""What fits and what does not, by names, shapes, dtypes and configs."""

from typing import Any

import pytest
import torch

from merger.align import AlignReport, align
from merger.checkpoint import MemoryCheckpoint
from merger.errors import AlignmentError

W = torch.ones(2, 3)
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def model(label: str, config: dict[str, Any] | None = None, **tensors: Any) -> MemoryCheckpoint:
    named = {key.replace("__", "."): tensor for key, tensor in tensors.items()}
    return MemoryCheckpoint(named, label, config=config)


def said(report: AlignReport, severity: str) -> list[str]:
    return [f"{p.where}: {p.what}" for p in report.problems if p.severity == severity]


def test_equal_models_merge_every_float_tensor_and_copy_the_rest() -> None:
    base = model("base", a__w=W, ids=torch.arange(3), b=torch.tensor(0.5))
    report = align(base, [base, model("x", a__w=W, ids=torch.arange(3), b=torch.tensor(1.0))])
    assert report.mergeable == ("a.w", "b")
    assert report.copied == ("ids",)
    assert report.errors == ()
    assert said(report, "note") == ["base: ids is copied, not merged (not trained numbers)."]
    report.raise_if_bad()


def test_a_missing_and_an_extra_tensor_are_errors_with_their_names() -> None:
    base = model("base", a=W, b=W, c=W, d=W, e=W)
    report = align(base, [model("x", a=W, z=W)])
    assert said(report, "error") == [
        "x: it lacks b, c, d and 1 more, which are in base.",
        "x: it has z, which is not in base.",
    ]
    assert (report.missing, report.extra) == ((("b", "c", "d", "e"),), (("z",),))
    with pytest.raises(AlignmentError, match="lacks b, c, d and 1 more.*1 more such problem"):
        report.raise_if_bad()


def test_other_shapes_are_errors_with_both_shapes() -> None:
    report = align(model("base", conv=torch.ones(4, 1)), [model("x", conv=torch.ones(2, 1))])
    assert said(report, "error") == ["x: conv is [2, 1] here and [4, 1] in base."]


def test_other_vocabularies_are_named_in_the_remedy() -> None:
    base = model("base", {"vocab_size": 4}, embed=torch.ones(4, 2))
    report = align(base, [model("x", {"vocab_size": 5}, embed=torch.ones(5, 2))])
    assert "5 and 4 rows" in report.errors[0].remedy
    assert report.vocabulary == 4


def test_names_with_and_without_a_prefix_are_explained() -> None:
    base = model("base", layer__0__w=W, layer__1__w=W)
    expert = model("x", bert__layer__0__w=W, bert__layer__1__w=W, classifier=W)
    assert "names of the expert begin with 'bert.'" in align(base, [expert]).errors[0].remedy
    assert "names of the base begin with 'bert.'" in align(expert, [base]).errors[0].remedy


def test_another_dtype_is_a_note() -> None:
    report = align(model("base", a=W), [model("x", a=W.bfloat16())])
    assert report.errors == ()
    assert said(report, "note") == ["x: a: BF16 here, F32 in base."]


def test_integers_where_the_base_has_floats_are_an_error() -> None:
    report = align(model("base", a=W), [model("x", a=W.to(torch.int8))])
    assert said(report, "error") == ["x: a is I8, not floating point."]


def test_a_model_without_floats_has_nothing_to_merge() -> None:
    only = model("base", ids=torch.arange(3))
    assert "nothing to merge" in said(align(only, [only]), "error")[0]


def test_buffers_that_only_some_versions_save_are_no_errors() -> None:
    buffers = {"layer.rotary_emb.inv_freq": W, "position_ids": torch.arange(2), "a": W}
    old, new = MemoryCheckpoint(buffers, "old"), model("new", a=W)
    for base, expert in ((old, new), (new, old)):
        report = align(base, [expert])
        assert report.errors == ()
        assert report.mergeable == ("a",)


def test_other_head_counts_in_equal_shapes_are_noted() -> None:
    base = model("base", {"num_attention_heads": 2}, a=W)
    report = align(base, [model("x", {"num_attention_heads": 4}, a=W)])
    assert "num_attention_heads is 4 here, 2 there" in said(report, "note")[0]


def test_a_tied_head_is_merged_once() -> None:
    config = {"tie_word_embeddings": True}
    both = MemoryCheckpoint({EMBED: W, HEAD: W, "a": W}, "both", config=config)
    one = MemoryCheckpoint({EMBED: W, "a": W}, "one", config=config)
    assert align(both, [one, both]).tied == {HEAD: EMBED}
    assert align(both, [one]).mergeable == ("a", EMBED)
    assert align(one, [both]).tied == {}
    assert align(one, [both]).mergeable == ("a", EMBED)
    assert not align(both, [one]).errors + align(one, [both]).errors


def test_equal_copies_are_tied_where_no_config_says_otherwise() -> None:
    both = MemoryCheckpoint({EMBED: W, HEAD: W.clone()}, "both")
    assert align(both, [both]).tied == {HEAD: EMBED}
    assert align(both, [both], read_heads=False).tied == {}
    apart = MemoryCheckpoint({EMBED: W, HEAD: 2 * W}, "apart")
    assert align(both, [apart]).mergeable == (HEAD, EMBED)


def test_a_head_of_its_own_is_merged_as_such() -> None:
    apart = MemoryCheckpoint({EMBED: W, HEAD: W}, "apart", config={"tie_word_embeddings": False})
    assert align(apart, [apart]).mergeable == (HEAD, EMBED)


def test_an_expert_with_its_own_head_does_not_fit_a_tied_base() -> None:
    base = MemoryCheckpoint({EMBED: W}, "base", config={"tie_word_embeddings": True})
    apart = {EMBED: W, HEAD: 2 * W}
    expert = MemoryCheckpoint(apart, "x", config={"tie_word_embeddings": False})
    assert "was trained apart from" in said(align(base, [expert]), "error")[0]


def test_heads_that_differ_are_two_tensors_whatever_the_config_says() -> None:
    # As transformers 5 loads them: it ties only what is stored equal.
    tied = {"tie_word_embeddings": True}
    apart = MemoryCheckpoint({EMBED: W, HEAD: 2 * W}, "apart", config=tied)
    assert align(apart, [apart]).tied == {}
    assert align(apart, [apart]).mergeable == (HEAD, EMBED)
    one = MemoryCheckpoint({EMBED: W}, "one", config=tied)
    assert said(align(apart, [one]), "error") == [f"one: it lacks {HEAD}, which is in apart."]
    assert "was trained apart from" in said(align(one, [apart]), "error")[0]
    both = MemoryCheckpoint({EMBED: W, HEAD: W}, "both", config=tied)
    assert "was trained apart from" in said(align(both, [apart]), "error")[0]


def test_a_head_that_was_not_read_is_no_reason_to_forbid() -> None:
    base = MemoryCheckpoint({EMBED: W}, "base", config={"tie_word_embeddings": True})
    equal = MemoryCheckpoint({EMBED: W, HEAD: W}, "x", config={"tie_word_embeddings": False})
    assert not align(base, [equal]).errors
    unread = align(base, [equal], read_heads=False)
    assert not unread.errors
    assert any("the merge compares the two" in note for note in said(unread, "note"))


def test_without_a_base_the_first_expert_is_the_measure() -> None:
    report = align(None, [model("one", a=W), model("two", a=W, b=W)])
    assert said(report, "error") == ["two: it has b, which is not in one."]
    assert report.extra == ((), ("b",))


def test_layers_are_counted_from_the_names() -> None:
    base = model("base", layers__0__w=W, layers__11__w=W)
    assert align(base, [base]).layers == 12
