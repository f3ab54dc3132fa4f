"""Bits per byte: windows, bytes and bits against hand-computed values."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.finding import find_text_tasks
from merger.tasks.passages import cut_windows
from merger.tasks.text import TextTask, window_bits
from tests.builders import build_llama_family, llama_config


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"))


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return tensors


def runner_of(folder: Path) -> tuple[Runner, dict[str, torch.Tensor]]:
    tensors = tensors_of(folder)
    config = json.loads((folder / "config.json").read_text())
    return Runner(config, {key: tuple(t.shape) for key, t in tensors.items()}), tensors


def test_a_model_that_knows_nothing_costs_the_bits_of_its_vocabulary(family: Path) -> None:
    runner, tensors = runner_of(family / "base")
    runner.load({key: torch.zeros_like(tensor) for key, tensor in tensors.items()})
    outcomes = TextTask(family / "text.txt", family / "base").predict(runner, "validation")
    # All logits are 0: each of 258 tokens is equally likely; one token is one byte here.
    assert outcomes.value == pytest.approx(math.log2(258), rel=1e-6)
    assert outcomes.top[0] == pytest.approx(63 * math.log2(258), rel=1e-6)


def test_bits_agree_with_the_loss_that_transformers_computes(family: Path) -> None:
    runner, tensors = runner_of(family / "base")
    runner.load(tensors)
    task = TextTask(family / "text.txt", family / "base")
    ids = torch.from_numpy(task.windows("test").tokens[:1])
    model = transformers.AutoModelForCausalLM.from_pretrained(family / "base", dtype=torch.float32)
    with torch.inference_mode():
        loss = float(model(input_ids=ids, labels=ids).loss)
    bits = task.predict(runner, "test", index=np.array([0])).top[0]
    assert bits == pytest.approx(loss * 63 / math.log(2), rel=1e-5)


def test_windows_are_even_for_validation_and_odd_for_test(family: Path) -> None:
    task = TextTask(family / "text.txt", family / "base")
    text = (family / "text.txt").read_text("utf-8")
    assert task.splits == {"validation": 32, "test": 32}
    letters = sorted(set(text[:128]))
    validation, test = task.windows("validation").tokens[0], task.windows("test").tokens[0]
    by_letter = {letter: set() for letter in letters}
    for letter, token in zip(text[:128], [*validation, *test], strict=True):
        by_letter[letter].add(int(token))
    assert all(len(tokens) == 1 for tokens in by_letter.values())


def test_the_first_token_of_a_window_is_context_only() -> None:
    # "aé" is 3 bytes; the two tokens of "é" both end at character 2.
    offsets = [(0, 1), (1, 2), (1, 2), (2, 3)]
    windows = cut_windows([5, 6, 7, 8], offsets, "aéb", 4)
    assert windows.tokens.tolist() == [[5, 6, 7, 8]]
    assert windows.bytes.tolist() == [3]


def test_a_last_short_window_is_dropped_and_long_files_are_thinned_evenly() -> None:
    n = 3 * 300 + 2
    windows = cut_windows(list(range(n)), [(i, i + 1) for i in range(n)], "x" * n, 3)
    assert len(windows.bytes) == 256
    assert windows.tokens[0].tolist() == [0, 1, 2]
    assert windows.tokens[-1][0] == 3 * (255 * 300 // 256)
    assert set(windows.bytes.tolist()) == {2}


def test_chunks_do_not_change_the_bits(family: Path) -> None:
    runner, tensors = runner_of(family / "base")
    runner.load(tensors)
    tokens = TextTask(family / "text.txt", family / "base").windows("test").tokens
    one_by_one = np.concatenate([window_bits(runner, tokens[i : i + 1]) for i in range(32)])
    assert np.allclose(window_bits(runner, tokens), one_by_one, rtol=1e-6)


def test_text_files_of_a_models_folder_are_tasks(family: Path) -> None:
    tasks = find_text_tasks(family, family / "base")
    assert [(task.name, task.title) for task in tasks] == [("text:text", "text")]
    assert tasks[0].metric == "bits_per_byte"
    assert not tasks[0].higher_is_better


def test_a_file_that_is_not_utf8_is_refused(family: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"fine \xff not")
    with pytest.raises(TaskError, match=r"bad.txt: must be UTF-8, byte 5 is not"):
        _ = TextTask(tmp_path / "bad.txt", family / "base").splits


def test_a_short_file_is_refused(family: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(TaskError, match=r"must fill 2 windows of 64 tokens, got 9 tokens"):
        _ = TextTask(tmp_path / "short.txt", family / "base").splits


def test_a_missing_file_and_a_missing_tokenizer_are_refused(family: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"none.txt: must be a text file that can be read"):
        _ = TextTask(tmp_path / "none.txt", family / "base").splits
    with pytest.raises(TaskError, match="must hold a tokenizer"):
        _ = TextTask(family / "text.txt", tmp_path).splits


def test_a_model_without_a_language_head_is_refused() -> None:
    config = llama_config(architectures=["LlamaModel"])
    model = transformers.LlamaModel(config)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    with pytest.raises(TaskError, match="need a causal language model"):
        window_bits(Runner(config.to_dict(), shapes), np.zeros((1, 4), np.int64))
