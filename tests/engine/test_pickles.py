"""The command that converts a pickled model keeps every tensor under its name."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, LlamaForCausalLM

from merger.checkpoint import FileCheckpoint
from merger.errors import SourceError
from tests.builders import llama_config


def models(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "bert":
        sizes: dict[str, Any] = {
            "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 24, "num_labels": 3,
        }  # fmt: skip
        return BertForSequenceClassification(BertConfig(**sizes))
    return LlamaForCausalLM(llama_config(tie_word_embeddings=kind == "tied"))


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("kind", ["tied", "untied", "bert"])
def test_the_command_in_the_refusal_converts_and_loses_no_head(
    tmp_path: Path, kind: str, shards: int
) -> None:
    made = models(kind)
    made.config.architectures = [type(made).__name__]
    made.config.save_pretrained(tmp_path)
    state = list(made.state_dict().items())
    for i in range(shards):
        torch.save(dict(state[i::shards]), tmp_path / f"pytorch_model-{i + 1:05d}-of-2.bin")
    torch.save({"args": object}, tmp_path / "training_args.bin")
    with pytest.raises(SourceError) as caught:
        FileCheckpoint(tmp_path)
    command = shlex.split(re.findall(r"python -c .*", caught.value.hint)[0])
    assert command[:2] == ["python", "-c"]
    done = subprocess.run(
        [sys.executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = FileCheckpoint(tmp_path)
    assert set(found.tensors) == {key for key, _ in state}
    for key, value in state:
        assert torch.equal(found.read(key), value.reshape(-1)), key
    transformers.utils.logging.disable_progress_bar()
    loaded, told = type(made).from_pretrained(tmp_path, output_loading_info=True)
    transformers.utils.logging.enable_progress_bar()
    assert not any(told.values())
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, dict(state)[key]), key
