"""mergekit's tokenizer fields, and what a recipe says in their place."""

from collections.abc import Callable, Mapping
from typing import Any

from merger.errors import RecipeError, did_you_mean
from merger.mergekit.findings import Findings
from merger.mergekit.models import Model, read_model
from merger.recipe_schema import kind_of
from merger.tokenizer_choice import Token, TokenizerChoice, build_tokenizer

KEYS = ("source", "tokens", "pad_to_multiple_of")


def read_tokenizer(data: Mapping[str, Any], findings: Findings) -> Mapping[str, Any] | None:
    """Return what a configuration says about the tokenizer, in a recipe's words.

    Models stand in it as mergekit names them.
    """
    found: dict[str, Any] = {}
    if data.get("tokenizer_source") and data.get("tokenizer"):
        raise RecipeError(
            "A mergekit configuration has tokenizer_source or tokenizer, got both.", "Keep one."
        )
    if data.get("tokenizer_source") is not None:
        found["source"] = _source(data["tokenizer_source"], "tokenizer_source", findings)
    elif data.get("tokenizer") is not None:
        found |= _table(data["tokenizer"], findings)
    if data.get("chat_template") is not None:
        found["chat_template"] = data["chat_template"]
    if "source" in found:
        findings.trap(
            "mergekit cuts embeddings to the words of the tokenizer, padding rows too; here rows "
            "are kept.",
            "tokenizer",
            "Say pad_to_multiple_of for mergekit.",
        )
    return found or None


def choice_of(
    said: Mapping[str, Any] | None, source: Callable[[Model, str], str]
) -> TokenizerChoice | None:
    """Return a recipe's choice; `source` says what a model is called there."""
    if said is None:
        return None

    def named(value: Any) -> Any:
        if isinstance(value, Model):
            return source(value, "tokenizer")
        if isinstance(value, Mapping):
            return {key: named(v) for key, v in value.items()}
        return value

    return build_tokenizer(named(said))


def write_tokenizer(choice: TokenizerChoice, model: Callable[[str], Any]) -> dict[str, Any]:
    """Return mergekit's fields; `model` says what it calls a source or an expert."""

    def source(text: str) -> Any:
        return text if text in ("base", "union") else model(text)

    found: dict[str, Any] = {}
    if choice.tokens or choice.pad_to_multiple_of is not None:
        table: dict[str, Any] = {}
        # Without a source mergekit makes a union, and a recipe keeps the base's.
        table["source"] = source(choice.source or "base")
        if choice.tokens:
            table["tokens"] = {n: _written(n, t, model) for n, t in choice.tokens.items()}
        if choice.pad_to_multiple_of is not None:
            table["pad_to_multiple_of"] = choice.pad_to_multiple_of
        found["tokenizer"] = table
    elif choice.source is not None:
        found["tokenizer_source"] = source(choice.source)
    if choice.chat_template is not None:
        found["chat_template"] = choice.chat_template
    return found


def _source(value: Any, where: str, findings: Findings) -> Any:
    if value in ("union", "base"):
        return value
    return read_model(value, where, findings)


def _table(value: Any, findings: Findings) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise RecipeError(f"tokenizer must be a mapping, got {kind_of(value)}.", "")
    for key in value:
        if key not in KEYS:
            findings.unknown(key, "tokenizer", KEYS)
    found: dict[str, Any] = {
        "source": _source(value.get("source", "union"), "tokenizer", findings)
    }
    tokens = value.get("tokens")
    if tokens is not None and not isinstance(tokens, Mapping):
        raise RecipeError(f"tokenizer: tokens must be a mapping, got {kind_of(tokens)}.", "")
    if tokens:
        found["tokens"] = {name: _token(own, findings) for name, own in tokens.items()}
    if value.get("pad_to_multiple_of") is not None:
        found["pad_to_multiple_of"] = value["pad_to_multiple_of"]
    return found


def _token(value: Any, findings: Findings) -> dict[str, Any]:
    where = "tokenizer: tokens"
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} must map words to mappings, got {kind_of(value)}.", "")
    for key in value:
        if key not in ("source", "force"):
            findings.unknown(key, where, ("source", "force"))
    found: dict[str, Any] = {"force": True} if value.get("force") else {}
    source = value.get("source")
    if not isinstance(source, Mapping) or "kind" not in source:
        return found | ({} if source is None else {"source": read_model(source, where, findings)})
    if source["kind"] == "zero":
        return found | {"source": "zero"}
    if source["kind"] != "model_token":
        raise RecipeError(
            f"{where}: mergekit has no kind {str(source['kind'])[:40]!r}.",
            did_you_mean(str(source["kind"]), ("zero", "model_token")),
        )
    own = {key: source[key] for key in ("token", "token_id") if source.get(key) is not None}
    return found | own | {"source": read_model(source.get("model"), where, findings)}


def _written(name: str, token: Token, model: Callable[[str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if token.source is None and token.force:
        raise RecipeError(
            f"tokenizer: mergekit cannot choose by itself where {name[:40]!r} comes from.",
            "Give the token a source, or leave it out.",
        )
    if token.source == "zero":
        found["source"] = {"kind": "zero"}
    elif token.token is not None or token.token_id is not None:
        row = {"token": token.token} if token.token is not None else {"token_id": token.token_id}
        found["source"] = {"kind": "model_token", "model": model(token.source or ""), **row}
    elif token.source is not None:
        found["source"] = model(token.source)
    return found | ({"force": True} if token.force else {})
