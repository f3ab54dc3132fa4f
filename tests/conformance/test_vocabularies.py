"""Rows of models with different words, and mergekit's own, token by token.

mergekit cuts rows beyond the words, so models here have none; the ids of several new words are
in no fixed order there, so rows are compared by word.
"""

import warnings

import pytest
import torch
from transformers import AutoTokenizer

from merger.engine import merge
from tests.conformance.pico import configuring, options, read, running, tensors
from tests.vocabularies import LETTERS, MERGES, save_speaker

HEADS = ("model.embed_tokens.weight", "lm_head.weight")
BIGGER = (*LETTERS, "e", "abe")


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "own head"])
def folder(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("speakers")
    more = {"tied": request.param}
    save_speaker(root / "base", added=("<s>",), **more)
    save_speaker(root / "one", words=BIGGER, merges=(*MERGES, ("ab", "e")),
                 added=("<s>", "<tool>", "<both>"), seed=1, **more)  # fmt: skip
    save_speaker(root / "two", words=("<unk>", "ab", "a", "b", "c", "d", "cd"),
                 added=("<s>", "<both>"), seed=2, **more)  # fmt: skip
    return root


SINGLE = """
  source: union
  tokens:
    <tool>: {{source: {{kind: zero}}, force: true}}
    <x>: {{source: {{kind: model_token, model: {one}, token: e}}}}
    <y>: {{source: {{kind: model_token, model: {two}, token_id: 3}}}}
    <s>: {{source: {two}, force: true}}
    <both>: {{source: {one}}}
  pad_to_multiple_of: 8
"""


@pytest.mark.parametrize("method", ["linear", "task_arithmetic", "ties"])
@pytest.mark.parametrize("source", ["union", "base", "{one}", SINGLE])
def test_each_word_has_mergekits_row(folder, tmp_path, method, source):
    where = {name: str(folder / name) for name in ("base", "one", "two")}
    said = source.format(**where)
    key = "tokenizer" if source is SINGLE else "tokenizer_source"
    text = f"""
merge_method: {method}
base_model: {where["base"]}
models:
  - {{model: {where["base"]}, parameters: {{weight: 0.25}}}}
  - {{model: {where["one"]}, parameters: {{weight: 0.5}}}}
  - {{model: {where["two"]}, parameters: {{weight: 0.75}}}}
{key}: {said}
"""
    theirs, their_ids, their_size = run_theirs(text, tmp_path / "theirs")
    out = merge(read(text), tmp_path / "ours")
    ours, ids = tensors(out), AutoTokenizer.from_pretrained(out).get_vocab()
    assert set(ids) == set(their_ids)
    assert set(ours) == set(theirs)
    for name in sorted(ours):
        if name not in HEADS:
            torch.testing.assert_close(ours[name], theirs[name], atol=5e-7, rtol=1e-5)
            continue
        assert ours[name].shape == theirs[name].shape and len(ours[name]) == their_size
        for token, i in ids.items():
            torch.testing.assert_close(
                ours[name][i], theirs[name][their_ids[token]], atol=5e-7, rtol=1e-5, msg=token
            )
        for spare in range(len(ids), len(ours[name])):
            torch.testing.assert_close(
                ours[name][spare], theirs[name][spare], atol=5e-7, rtol=1e-5
            )


def run_theirs(text, out):
    """Return mergekit's tensors, the ids of its tokenizer and the rows its config says."""
    import yaml  # noqa: PLC0415

    chosen = options.MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True)
    configuration = configuring.MergeConfiguration.model_validate(yaml.safe_load(text))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running.run_merge(configuration, str(out), chosen)
    found = tensors(out)
    ids = AutoTokenizer.from_pretrained(out).get_vocab()
    return found, ids, len(found[HEADS[0]])
