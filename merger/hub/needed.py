"""Which files of a repository a merge needs, of all that people keep there."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from merger.companions import CONFIG, SETTINGS, TEMPLATES, TOKENIZER
from merger.errors import SourceError
from merger.header import shown
from merger.layout import INDEX, PICKLES, SHARD_NAME, SINGLE

README = "README.md"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
PLAIN = (CONFIG, README, ADAPTER[0], *SETTINGS, *TEMPLATES, *TOKENIZER)
INDEX_END = ".safetensors.index.json"


def companions_in(names: Iterable[str]) -> list[str]:
    """Return the small files beside the weights: config, tokenizer, card, index."""
    listed = set(names)
    return sorted(name for name in listed if name in PLAIN or name == index_in(listed))


def index_in(names: Iterable[str]) -> str | None:
    """Return the index that says which shards make up the model, if there is one."""
    listed = set(names)
    if SINGLE in listed:
        return None
    found = sorted(name for name in listed if name.endswith(INDEX_END) and "/" not in name)
    if INDEX in found:
        return INDEX
    return found[0] if len(found) == 1 else None


def weights_in(
    name: str, names: Iterable[str], read_index: Callable[[str], Mapping[str, Any]]
) -> list[str]:
    """Return the weight files of the model, and of no other form in which it is kept.

    The same choice that a folder with all of them would be read by.

    Args:
        name: The repository, for messages.
        names: Its files.
        read_index: Returns what an index says.

    Raises:
        SourceError: There are no weights that may be opened.
    """
    listed = {n for n in names if "/" not in n}
    if SINGLE in listed:
        return [SINGLE]
    index = index_in(listed)
    if index is not None:
        table = read_index(index).get("weight_map")
        shards = set(table.values()) if isinstance(table, dict) else set()
        # What is no plain name is refused, with its own words, when the index is read for good.
        plain = {s for s in shards if isinstance(s, str) and SHARD_NAME.fullmatch(s)}
        _check_there(name, index, plain - listed)
        return sorted(plain)
    found = sorted(n for n in listed if n.endswith(".safetensors"))
    if ADAPTER[0] in listed and ADAPTER[1] in listed:
        return [ADAPTER[1]]
    if len(found) == 1:
        return found
    raise _nothing_to_open(name, listed, found)


def _check_there(name: str, index: str, missing: set[str]) -> None:
    if missing:
        raise SourceError(
            f"hub:{name}: {index} names {shown(min(missing))}, which is not there.",
            "Tell the authors; another revision may be complete.",
        )


def _nothing_to_open(name: str, listed: set[str], found: list[str]) -> SourceError:
    pickles = sorted(n for n in listed if n.lower().endswith(PICKLES))
    if found:
        return SourceError(
            f"hub:{name} has {len(found)} safetensors files ({', '.join(map(shown, found[:3]))}"
            f"{', …' if len(found) > 3 else ''}) and no index that says which make up the model.",
            "Download the one you want, and name its file.",
        )
    if pickles:
        return SourceError(
            f"hub:{name} holds pickled weights only ({shown(pickles[0])}), and opening a pickle "
            "runs code from it.",
            'If you trust it, convert it once: python -c "from transformers import AutoModel as '
            f"M; M.from_pretrained('{name}').save_pretrained('NEW')\" writes safetensors.",
        )
    return SourceError(
        f"hub:{name} holds no safetensors file beside its config.",
        "Is it a model? Other formats, such as GGUF, cannot be merged.",
    )
