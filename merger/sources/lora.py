"""`lora:DIR`: a base with a LoRA adapter of PEFT on it, without a merged copy on disk.

`lora:hub:org/name[@revision]` takes the adapter from the hub.
"""

from pathlib import Path

from merger.adapted import AdaptedCheckpoint
from merger.adapter import read_adapter
from merger.checkpoint import Checkpoint
from merger.errors import Cancelled, MergeError, SourceError
from merger.header import shown
from merger.hub.headers import look
from merger.sources import Opening, open_source
from merger.sources._steps import NO_STEPS, SourceSteps, folder_at, folder_steps
from merger.sources.hub import fetched, wish_of
from merger.unfetched import UnfetchedCheckpoint


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Put an adapter on the recipe's base, or else on the one that its config names."""
    folder, label, unfetched = _find(rest, opening)
    if not folder.is_dir():
        raise SourceError(
            f"{shown(str(folder))} is no folder.",
            "Give the folder of an adapter: adapter_config.json and adapter_model.safetensors.",
        )
    whole, folder = folder, folder_at(folder, opening.step, f"lora:{rest}")
    if folder != whole:
        label = f"{label or whole.name}@{folder.name.rpartition('-')[2]}"
    base = opening.base or _named_base(folder, opening, unfetched)
    return AdaptedCheckpoint(base, folder, label, unfetched)


def steps_here(rest: str, opening: Opening) -> SourceSteps:
    """Return the steps of the adapters in a Trainer's folder."""
    return NO_STEPS if rest.startswith("hub:") else folder_steps(opening.path(rest))


def _find(rest: str, opening: Opening) -> tuple[Path, str | None, UnfetchedCheckpoint | None]:
    if not rest.startswith("hub:"):
        return opening.path(rest), None, None
    wish = wish_of(rest.removeprefix("hub:"), opening, is_adapter=True)
    if opening.headers_only:
        folder, unfetched = look(wish)
        return folder, wish.name, unfetched
    return fetched(wish, opening), wish.name, None


def _named_base(
    folder: Path, opening: Opening, unfetched: UnfetchedCheckpoint | None
) -> Checkpoint:
    """Open the base that an adapter's config names: beside it, at its path, or on the hub."""
    name = read_adapter(folder, None if unfetched is None else unfetched.file).base
    name = name.replace("\\", "/").rstrip("/")
    last = name.rpartition("/")[2]
    if not name:
        raise SourceError(
            f"{shown(str(folder))} does not say what it was trained on.", "Set base in the recipe."
        )
    sources = [f"file:{last}"]
    if opening.roots is None:
        places = (folder.resolve().parent / last, opening.path(name))
        sources = [f"file:{path.absolute()}" for path in places if path.is_dir()]
    why = ""
    for source in (*sources, f"hub:{name}"):
        try:
            return open_source(
                source, base_dir=opening.base_dir, roots=opening.roots,
                report=opening.report, cancel=opening.cancel,
                headers_only=opening.headers_only,
            )  # fmt: skip
        except Cancelled:
            raise
        except MergeError as error:
            why = error.message
    raise SourceError(
        f"{shown(str(folder))} was trained on {shown(name)}, which cannot be opened: {why}",
        "Set base in the recipe.",
    )
