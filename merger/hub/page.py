"""The card of a merge as the hub is to show it: links to models that are there, and no others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from merger.front_matter import read_front_matter
from merger.header import shown
from merger.layers import is_layers, read_layers
from merger.recipe import Recipe

LICENSE = "license"


class Page(NamedTuple):
    """A model card for the hub.

    Args:
        text: The card.
        license: What it states, or "".
        notices: What its author should know.
    """

    text: str
    license: str
    notices: tuple[str, ...]


def page_of(folder: Path) -> Page:
    """Return the card of a merged model for the hub.

    The hub takes what a card names as its base for a repository. A folder of this machine called
    gpt2 would become a link to somebody's gpt2, so only models that were read from the hub are
    named there; the table below names all.

    Args:
        folder: Holds README.md and recipe.yaml.
    """
    card = folder / "README.md"
    text = card.read_text("utf-8")
    table = read_front_matter(card)
    sources = list(_sources(Recipe.load(folder / "recipe.yaml")))
    there = {name for name in map(_repository, sources) if name}
    is_adapter = (folder / "adapter_config.json").is_file()
    fresh, dropped = _honest(table, there, is_adapter)
    notices = []
    if dropped:
        notices.append(
            f"base_model on the page leaves out what is not from the hub: {_listed(dropped)}."
        )
    local = sorted({s for s in sources if not _repository(s) and not s.startswith("zoo:")})
    if local:
        notices.append(
            f"recipe.yaml shows names of folders on this machine to readers: {_listed(local)}."
        )
    license_ = table.get(LICENSE)
    if not isinstance(license_, str):
        license_ = ""
        notices.append("The card states no licence: the models state none, or not the same one.")
    block = yaml.safe_dump(fresh, sort_keys=True, allow_unicode=True, width=10_000).strip()
    return Page(f"---\n{block}\n---{_body(text)}", license_, tuple(notices))


def _honest(
    table: dict[str, Any], there: set[str], is_adapter: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings on top of the card with true links only, and the names left out."""
    given = table.get("base_model")
    names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    fresh = {key: value for key, value in table.items() if not key.startswith("base_model")}
    kept = [name for name in names if name in there]
    if is_adapter:
        fresh["library_name"] = "peft"
    if kept:
        fresh["base_model"] = kept
        # An adapter goes on its base, which is named first; a merge comes from all of them.
        fresh["base_model_relation"] = "adapter" if is_adapter else "merge"
        if is_adapter:
            fresh["base_model"] = kept[:1] if kept[0] == names[0] else []
    return {key: value for key, value in fresh.items() if value != []}, [
        name for name in names if name not in there
    ]


def _sources(recipe: Recipe) -> Iterable[str]:
    """Give every source that a recipe names, those of layers one by one."""
    listed = [*([recipe.base] if recipe.base else []), *(e.source for e in recipe.experts)]
    for source in listed:
        if is_layers(source):
            yield from (run.source for run in read_layers(source))
        else:
            yield source


def _repository(source: str) -> str:
    """Return the repository that a source is read from, or ""."""
    rest = source.removeprefix("lora:")
    return rest.removeprefix("hub:").partition("@")[0] if rest.startswith("hub:") else ""


def _body(text: str) -> str:
    return text[4:].partition("\n---")[2] if text.startswith("---\n") else f"\n\n{text}"


def _listed(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:6]) + (", …" if len(names) > 6 else "")
