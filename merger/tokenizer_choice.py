"""What a recipe says about the tokenizer of the merged model, as checked plain data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from merger.errors import RecipeError, did_you_mean

KEYS = ("source", "tokens", "pad_to_multiple_of", "chat_template")
MAX_TOKENS = 10_000
MAX_TEMPLATE = 200_000
UNWRITABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NO_TOKENS: Mapping[str, "Token"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Token:
    """Where the embedding of one token comes from.

    Args:
        source: "base", "zero", an expert's name or a source; None for the usual choice.
        token: Which token of that model; None for the one of the same name.
        token_id: Which row of that model's embedding.
        force: Whether it replaces what models have that know the token.
    """

    source: str | None = None
    token: str | None = None
    token_id: int | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class TokenizerChoice:
    """Which tokenizer the merged model has.

    Args:
        source: "base", "union" of all vocabularies, an expert's name or a source; None keeps
            that of the base.
        tokens: Where embeddings of single tokens come from.
        pad_to_multiple_of: The number of rows is made a multiple of this.
        chat_template: "auto" for the one that most models have, a name that mergekit knows, or
            a template in Jinja; None keeps that of the tokenizer.
    """

    source: str | None = None
    tokens: Mapping[str, Token] = field(default_factory=lambda: NO_TOKENS)
    pad_to_multiple_of: int | None = None
    chat_template: str | None = None


def build_tokenizer(value: Any, where: str = "tokenizer") -> TokenizerChoice | None:
    """Return what plain data says about the tokenizer; None where it says nothing.

    Raises:
        RecipeError: an unknown key, or a value of the wrong kind.
    """
    if value is None:
        return None
    table = _table(value, where, KEYS)
    tokens = table.get("tokens") or {}
    if not isinstance(tokens, Mapping) or len(tokens) > MAX_TOKENS:
        raise RecipeError(f"{where}: tokens must map up to {MAX_TOKENS} tokens.", "")
    pad = table.get("pad_to_multiple_of")
    if pad is not None and (isinstance(pad, bool) or not isinstance(pad, int) or pad < 1):
        raise RecipeError(f"{where}: pad_to_multiple_of must be 1 or more.", "Write 64.")
    choice = TokenizerChoice(
        source=_name(table.get("source"), f"{where}: source"),
        tokens=MappingProxyType(
            {_text(k, f"{where}: tokens", 1000): _token(v, where) for k, v in tokens.items()}
        ),
        pad_to_multiple_of=pad,
        chat_template=_optional(table, "chat_template", where, MAX_TEMPLATE),
    )
    return None if choice == TokenizerChoice() else choice


def plain_tokenizer(choice: TokenizerChoice) -> dict[str, Any]:
    """Return the canonical plain data; what is not said is left out."""
    found: dict[str, Any] = {"source": choice.source}
    if choice.tokens:
        found["tokens"] = {name: _plain_token(token) for name, token in choice.tokens.items()}
    found["pad_to_multiple_of"] = choice.pad_to_multiple_of
    found["chat_template"] = choice.chat_template
    return {key: value for key, value in found.items() if value is not None}


def _plain_token(token: Token) -> dict[str, Any]:
    found = {"source": token.source, "token": token.token, "token_id": token.token_id}
    said: dict[str, Any] = {key: value for key, value in found.items() if value is not None}
    return said | ({"force": True} if token.force else {})


def _token(value: Any, where: str) -> Token:
    where = f"{where}: tokens"
    table = _table(value, where, ("source", "token", "token_id", "force"))
    number, force = table.get("token_id"), table.get("force", False)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise RecipeError(f"{where}: token_id must be a whole number.", "")
    if not isinstance(force, bool):
        raise RecipeError(f"{where}: force must be true or false.", "")
    token = Token(
        _name(table.get("source"), where), _optional(table, "token", where, 1000), number, force
    )
    if token.token is not None and number is not None:
        raise RecipeError(f"{where}: a token has both token and token_id.", "Keep one of them.")
    if (token.token is not None or number is not None) and token.source in (None, "zero"):
        raise RecipeError(f"{where}: token and token_id need a source.", "Name a model.")
    return token


def _table(value: Any, where: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where} must be a mapping.", f"Its keys are {', '.join(keys)}.")
    for key in value:
        if key not in keys:
            raise RecipeError(
                f"{where}: {str(key)[:60]!r} is not known.", did_you_mean(str(key), keys)
            )
    return value


def _name(value: Any, where: str) -> str | None:
    found = None if value is None else _text(value, where, 500)
    if found is not None and not found.isprintable():
        raise RecipeError(f"{where} must not hold control characters.", "")
    return found


def _optional(table: Mapping[str, Any], key: str, where: str, most: int) -> str | None:
    return None if table.get(key) is None else _text(table[key], f"{where}: {key}", most)


def _text(value: Any, where: str, most: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise RecipeError(f"{where} must be a text of 1 to {most:,} characters.", "")
    # What a YAML text cannot hold would not come back from a saved recipe.
    if UNWRITABLE.search(value):
        raise RecipeError(f"{where} must not hold control characters.", "")
    return value
