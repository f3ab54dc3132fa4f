"""Copy what a model folder needs besides its weights: config, tokenizer, preprocessor."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merger.checkpoint import Checkpoint
from merger.layout import model_config
from merger.matched import plain
from merger.matching import TokenizerPlan, check_ids
from merger.vocabulary import read_vocabulary

CONFIG = "config.json"
GENERATION = "generation_config.json"
SETTINGS = (
    GENERATION,
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "feature_extractor_config.json",
)
TEMPLATES = ("chat_template.jinja", "chat_template.json")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "target.spm",
    # Of single families: DeBERTa, Whisper, Mistral, BERTweet, LUKE, translators and others.
    "spm.model",
    "spm_char.model",
    "sentencepiece.model",
    "normalizer.json",
    "tekken.json",
    "tiktoken.model",
    "bpe.codes",
    "dict.txt",
    "target_vocab.json",
    "vocab-src.json",
    "vocab-tgt.json",
    "entity_vocab.json",
    "word_shape.json",
    "word_pronunciation.json",
    "byte_maps.json",
    "emoji.json",
    "prophetnet.tokenizer",
)


KEEP = TokenizerPlan()


def copy_companions(
    reference: Checkpoint,
    experts: Sequence[Checkpoint],
    folder: Path,
    out_dtype: str | None,
    tokenizer: TokenizerPlan = KEEP,
) -> None:
    """Copy config, tokenizer and preprocessor files into a folder, byte for byte.

    They are the reference's; a tokenizer comes from the first expert where the reference has
    none. Only the dtype in config.json changes, and only when another one was asked for.

    Args:
        reference: The base, or the first expert where there is no base.
        experts: The experts, in order.
        folder: Where to copy to.
        out_dtype: float16, bfloat16 and so on when the recipe asks for one.
        tokenizer: Whose tokenizer to copy, when the recipe says.
    """
    home = plain(reference).folder
    _write_config(reference, home, folder, out_dtype)
    for name in SETTINGS:
        _copy(home, name, folder)
    if tokenizer.settings is not None:
        # Where a text begins and ends is said in ids of the tokenizer that goes with it.
        _copy(tokenizer.settings.folder, GENERATION, folder)
    donor = tokenizer.donor if tokenizer.donor is not None else reference
    for name in TEMPLATES:
        _copy(donor.folder, name, folder)
    if tokenizer.template is not None:
        text = tokenizer.template + "\n"
        (folder / TEMPLATES[0]).write_text(text, "utf-8", newline="\n")
    if tokenizer.made is not None:
        tokenizer.made.write(folder)
        return
    for model in (donor, *experts):
        if any([_copy(model.folder, name, folder) for name in TOKENIZER]):
            return


def check_tokenizer(
    reference: Checkpoint, experts: Sequence[Checkpoint], tokenizer: TokenizerPlan
) -> None:
    """Check that the tokenizer that goes with a merge gives no id without a row.

    Raises:
        AlignmentError: which token, which id, and how many rows there are.
    """
    if tokenizer.made is not None:
        check_ids(reference, tokenizer.made.ids)
        return
    donor = tokenizer.donor if tokenizer.donor is not None else reference
    for model in (donor, *experts):
        found = read_vocabulary(model.folder)
        if found is not None:
            check_ids(reference, found.ids)
            return


def _copy(source: Path | None, name: str, folder: Path) -> bool:
    if source is None or not (source / name).is_file():
        return False
    shutil.copyfile(source / name, folder / name)
    return True


def _write_config(
    reference: Checkpoint, home: Path | None, folder: Path, out_dtype: str | None
) -> None:
    config = reference.config()
    if config is None:
        return
    # A model put together from layers lies in the folder of the first one, with another config.
    as_it_is = home is not None and model_config(home) == config
    if out_dtype is None and as_it_is and _copy(home, CONFIG, folder):
        return
    if out_dtype is not None:
        config = _with_dtype(config, out_dtype)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(text, "utf-8", newline="\n")


def _with_dtype(config: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Return a config that names a dtype wherever it named one, and at the top in any case."""
    changed = {
        key: _with_dtype(value, dtype)
        if isinstance(value, dict) and ("dtype" in value or "torch_dtype" in value)
        else value
        for key, value in config.items()
    }
    names = [name for name in ("dtype", "torch_dtype") if name in config] or ["dtype"]
    return changed | dict.fromkeys(names, dtype)
