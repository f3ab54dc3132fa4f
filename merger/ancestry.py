"""Which models went into a model: those whose licences hold and whose files must stay."""

from collections.abc import Collection

from merger.checkpoint import Checkpoint
from merger.matched import plain


def made_from(model: Checkpoint, known: Collection[Checkpoint] = ()) -> tuple[Checkpoint, ...]:
    """Return the models, as they lie on disk, that a model was put together from, each once.

    Layers are taken from several models, an adapter lies on a base, and a recipe merges what it
    names; anything else is made from itself.

    Args:
        model: What to look into.
        known: Models that are named elsewhere, and left out here.
    """
    model = plain(model)
    parts: tuple[Checkpoint, ...] = getattr(model, "made_of", ())
    if not parts:
        return (model,)
    listed = {id(plain(one)) for one in known}
    found = {
        id(leaf): leaf
        for part in parts
        if id(plain(part)) not in listed
        for leaf in made_from(part, known)
    }
    return tuple(found.values())
