"""Asking several models about one text: numbers of transformers itself, and what is remembered."""

import math
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from merger.checkpoint import FileCheckpoint
from merger.continuing import continue_text
from merger.errors import Cancelled
from merger.parts import Parts
from merger.scorer import Scorer, read_tensors
from merger.tasks import TextTask
from merger.tasks.tokens import Tokens
from merger.trying import Model, measure_surprise, scorer_without_tasks
from tests.builders import build_llama_family

TEXT = "012 345 abc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("trying") / "family", train_steps=20)


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return Tokens(folder / "base")


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return scorer_without_tasks(FileCheckpoint(folder / "base"))


def model_of(folder: Path, name: str, key: str, asked: list[str] | None = None) -> Model:
    opened = FileCheckpoint(folder / name)

    def numbers():
        if asked is not None:
            asked.append(name)
        return read_tensors(opened)

    return Model(name, "base" if name == "base" else "expert", key, numbers)


def test_bits_and_what_follows_are_those_of_transformers(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    info = measure_surprise(tokens, tokens.cut(TEXT), [model_of(folder, "base", "t-1")], scorer)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
    ids = torch.from_numpy(tokens.cut(TEXT).ids)[None]
    with torch.inference_mode():
        found = model(input_ids=ids, labels=ids)
        chances = torch.softmax(found.logits[0, -1], 0)
    assert float(info.bits_per_byte[0]) == pytest.approx(float(found.loss) / math.log(2), rel=1e-5)
    assert info.bits.shape == (1, len(TEXT) - 1) and info.bytes == len(TEXT) - 1
    best = int(chances.argmax())
    assert info.following[0][0] == (tokens.text([best]), pytest.approx(float(chances[best])))
    assert [p for _, p in info.following[0]] == sorted(
        (p for _, p in info.following[0]), reverse=True
    )


def test_a_model_that_answered_once_is_not_run_again(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    asked: list[str] = []
    models = [model_of(folder, "base", "t-2", asked), model_of(folder, "alpha", "t-3", asked)]
    first = measure_surprise(tokens, tokens.cut(TEXT), models, scorer)
    assert asked == ["base", "alpha"]
    assert measure_surprise(tokens, tokens.cut(TEXT), models, scorer) == first
    moved = [models[0], model_of(folder, "beta", "t-4", asked)]
    measure_surprise(tokens, tokens.cut(TEXT), moved, scorer)
    assert asked == ["base", "alpha", "beta"]
    measure_surprise(tokens, tokens.cut("other"), models[:1], scorer)
    assert asked == ["base", "alpha", "beta", "base"]


def test_one_that_cannot_answer_keeps_no_other_from_answering(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    parts = Parts({"alpha": read_tensors(FileCheckpoint(folder / "alpha"))})
    models = [Model("merged", "merged", "t-5", lambda: parts), model_of(folder, "base", "t-6")]
    info = measure_surprise(tokens, tokens.cut(TEXT), models, scorer)
    assert "one model per expert" in info.whys[0] and info.answered.tolist() == [False, True]
    assert np.isnan(info.bits[0]).all() and info.following[0] == ()
    own = TextTask(folder / "alpha.txt", folder / "base")
    assert measure_surprise(tokens, tokens.cut(TEXT), models, scorer, task=own).answered.all()


def test_a_continuation_is_the_one_that_transformers_writes(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    pieces = tokens.cut(TEXT)
    (found,) = continue_text(tokens, pieces, 8, [model_of(folder, "alpha", "t-7")], scorer)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "alpha", dtype=torch.float32
    )
    ids = torch.from_numpy(pieces.ids)[None]
    with torch.inference_mode():
        theirs = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False,
            pad_token_id=1,
        )  # fmt: skip
    assert found.whole and found.text == tokens.text(theirs[0, len(pieces.ids) :].tolist())


def test_a_continuation_stops_when_its_time_is_up_or_somebody_asks(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    pieces, models = tokens.cut(TEXT), [model_of(folder, "beta", "t-8")]
    (cut,) = continue_text(tokens, pieces, 8, models, scorer, seconds=-1.0)
    assert not cut.whole and cut.text == ""
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        continue_text(tokens, pieces, 8, models, scorer, cancel=stop)
    parts = Parts({"alpha": {}})
    (none,) = continue_text(
        tokens, pieces, 8, [Model("merged", "merged", "t-9", lambda: parts)], scorer
    )
    assert "one model per expert" in none.why and not none.text


def test_a_token_that_the_model_does_not_know_is_told(
    folder: Path, tokens: Tokens, scorer: Scorer
) -> None:
    pieces = tokens.cut(TEXT)
    pieces.ids[0] = 300
    info = measure_surprise(tokens, pieces, [model_of(folder, "base", "t-10")], scorer)
    assert "the model knows 258" in info.whys[0]


def test_numbers_of_another_shape_are_told(folder: Path, tokens: Tokens, scorer: Scorer) -> None:
    wrong = Model("x", "expert", "t-11", dict)
    info = measure_surprise(tokens, tokens.cut(TEXT), [wrong], scorer)
    assert "needs" in info.whys[0]
