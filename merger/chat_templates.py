"""The chat template of a model, and the one that a merge gets."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import AlignmentError
from merger.layout import read_json
from merger.tokenizer_choice import TokenizerChoice


def choose_template(choice: TokenizerChoice, models: Sequence[Checkpoint]) -> str | None:
    """Return the chat template that a recipe asks for; None keeps that of the tokenizer."""
    text = choice.chat_template
    if text is None:
        return None
    if text == "auto":
        distinct = {id(model): model for model in models}.values()
        found = [t for model in distinct if (t := template_of(model.folder)) is not None]
        # The first of those that are equally common: the base's, then the experts' in order.
        return Counter(found).most_common(1)[0][0] if found else None
    if "{" not in text or len(text) < 20:
        raise AlignmentError(
            f"tokenizer: the chat template {text[:40]!r} is not here; mergekit has some under "
            "such names.",
            "Write the template itself, in Jinja, or auto.",
        )
    return text


def template_of(folder: Path | None) -> str | None:
    """Return the chat template of a model folder."""
    if folder is None:
        return None
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8").strip() or None
    if not (folder / "tokenizer_config.json").is_file():
        return None
    found = read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        named = [t for t in found if isinstance(t, dict) and t.get("name") == "default"]
        found = named[-1].get("template") if named else None
    return found.strip() if isinstance(found, str) and found.strip() else None
