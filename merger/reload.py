"""Load a saved model as its users will, and ask it one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merger.errors import MergeError
from merger.naming import model_class, quiet_transformers

PROMPT = "The first thing to say is"
WORDS_SHOWN = 3
LONGEST = 256
# Words without a tokenizer.
IDS = 8


@dataclass(frozen=True, slots=True)
class Loading:
    """What transformers said while it loaded a model, in the names it uses in memory.

    Args:
        architecture: The class that the config names.
        parameters: How many numbers it holds; tied ones count once.
        missing: Parameters that the files do not fill: they are random.
        unexpected: Tensors that the model has no place for.
        mismatched: Tensors of another shape.
    """

    architecture: str
    parameters: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Args:
        asked: The prompt, or what else it was shown.
        outputs: How many numbers it answered with.
        finite: Whether all of them are finite.
        varied: Whether they differ from each other.
        words: The likeliest next words, where it goes on with a text.
    """

    asked: str
    outputs: int
    finite: bool
    varied: bool
    words: tuple[str, ...]


def load(folder: Path, config: Mapping[str, Any]) -> tuple[Any, Loading]:
    """Load a model through the class that its config names; code of the model is never run.

    Raises:
        TaskError: an architecture that transformers lacks.
        MergeError: transformers could not load it.
    """
    quiet_transformers()
    kind, _ = model_class(config)
    try:
        with _same_random():
            module, told = kind.from_pretrained(
                folder, output_loading_info=True, dtype="auto", local_files_only=True,
                use_safetensors=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise MergeError(f"{kind.__name__} cannot load it: {_first_line(error)}") from error
    module.eval().requires_grad_(False)
    wrong = tuple(
        f"{name}: {list(there)} in the files, {list(here)} in the model"
        for name, there, here in sorted(told["mismatched_keys"])
    )
    loading = Loading(
        kind.__name__,
        sum(parameter.numel() for parameter in module.parameters()),
        tuple(sorted(set(told["missing_keys"]))),
        tuple(sorted(set(told["unexpected_keys"]))),
        wrong,
    )
    return module, loading


def ask(module: Any, folder: Path, prompt: str = PROMPT) -> Answer:
    """Show a loaded model a text, or an image of noise, and look at its answer.

    Raises:
        MergeError: it takes neither, or fails.
    """
    inputs, asked, tokenizer = _inputs(module, folder, prompt)
    try:
        with torch.inference_mode():
            found = module(**inputs)
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise MergeError(f"It fails on {asked}: {_first_line(error)}") from error
    tensors = [value.float() for value in _tensors(found)]
    logits = getattr(found, "logits", None)
    judged = logits.float() if isinstance(logits, Tensor) else tensors[0]
    return Answer(
        asked,
        sum(tensor.numel() for tensor in tensors),
        all(bool(torch.isfinite(tensor).all()) for tensor in tensors),
        judged.numel() < 2 or bool(judged.max() > judged.min()),
        _next_words(logits, tokenizer),
    )


def _inputs(module: Any, folder: Path, prompt: str) -> tuple[dict[str, Tensor], str, Any]:
    name = module.main_input_name
    if name == "pixel_values":
        image = _image(module.config)
        return {name: image.to(module.dtype)}, f"an image of noise, {list(image.shape[1:])}", None
    if name != "input_ids":
        raise MergeError(f"It takes {name}, and only texts and images are tried.")
    tokenizer = _tokenizer(folder)
    if tokenizer is not None:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, :LONGEST]
        asked = f"“{prompt}”"
    else:
        ids = torch.arange(min(IDS, module.get_input_embeddings().weight.shape[0])).unsqueeze(0)
        asked = f"the first {ids.shape[1]} words of its vocabulary"
    if not ids.numel():
        raise MergeError("The prompt is empty.", "Give some words.")
    rows = module.get_input_embeddings().weight.shape[0]
    if int(ids.max()) >= rows:
        raise MergeError(
            f"The tokenizer gives the id {int(ids.max())}, and the embedding has {rows} rows.",
            "Merge again with a tokenizer of this vocabulary.",
        )
    inputs = {name: ids}
    if getattr(module.config, "is_encoder_decoder", False):
        start = module.config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.tensor([[0 if start is None else start]])
    return inputs, asked, tokenizer


def _tokenizer(folder: Path) -> Any:
    """Return the folder's tokenizer, or None where it has none that transformers knows."""
    from transformers import AutoTokenizer  # noqa: PLC0415  (seconds to import)

    if not any(folder.glob("*token*")) and not any(folder.glob("vocab*")):
        return None
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError) as error:
        raise MergeError(
            f"Its tokenizer cannot be loaded: {_first_line(error)}",
            "Merge again with the tokenizer of a model whose tokenizer loads.",
        ) from error


def _image(config: Any) -> Tensor:
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", 224)
    height, width = size if isinstance(size, list | tuple) else (size, size)
    draw = torch.Generator().manual_seed(0)
    return torch.rand(1, getattr(vision, "num_channels", 3), height, width, generator=draw)


def _tensors(found: Any) -> list[Tensor]:
    """Return the floating-point tensors of an answer."""
    listed: list[Tensor] = []

    def take(value: Any) -> None:
        if isinstance(value, Tensor):
            if value.is_floating_point():
                listed.append(value)
        elif isinstance(value, list | tuple):
            for part in value:
                take(part)
        elif isinstance(value, Mapping):
            take(list(value.values()))

    take(found)
    if not listed:
        raise MergeError("Its answer holds no numbers.")
    return listed


def _next_words(logits: object, tokenizer: Any) -> tuple[str, ...]:
    if tokenizer is None or not isinstance(logits, Tensor) or logits.dim() != 3:
        return ()
    last = logits[0, -1].float()
    if not torch.isfinite(last).all() or last.numel() < len(tokenizer):
        return ()
    best: Sequence[int] = last[: len(tokenizer)].topk(WORDS_SHOWN).indices.tolist()
    return tuple(tokenizer.decode([id_]) for id_ in best)


@contextmanager
def _same_random() -> Iterator[None]:
    """Let what a model misses be the same random numbers every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 300 else f"{text[:299]}…"
