"""What the hub let each asker read: asked before anything made from a model is handed out."""

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from merger.errors import SourceError
from merger.hub.access import Access, Secret
from merger.hub.asking import check_rights
from merger.lru import Lru

# Rights that are taken away hold for so long at most; each slider cannot ask anew.
SECONDS = 300.0
ASKERS = 4096
AT_ONCE = 8


class Rights:
    """Remembers for some minutes which repositories an asker may read; never across askers.

    Args:
        seconds: How long an answer holds.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._known: Lru[float] = Lru(ASKERS)

    def check(self, asker: str, names: Iterable[str], token: Secret | None) -> None:
        """Raise unless the hub lets this asker read every one of some repositories.

        Args:
            asker: Names the visitor.
            names: Repositories, such as org/name; public ones are asked about too.
            token: The visitor's own token, if they are signed in.

        Raises:
            SourceError: The hub refuses one, or cannot be asked.
        """
        keys = {name: (asker, _mark(token), name) for name in dict.fromkeys(names)}
        now = self._clock()
        unknown = [
            name for name, key in keys.items()
            if (until := self._known.get(key)) is None or until <= now
        ]  # fmt: skip
        if not unknown:
            return
        _check_online(unknown[0])
        access = Access(token, is_visitor=True)
        with ThreadPoolExecutor(min(AT_ONCE, len(unknown))) as pool:
            list(pool.map(lambda name: check_rights(name, access), unknown))
        for name in unknown:
            self._known.put(keys[name], now + self._seconds)


def _mark(token: Secret | None) -> str:
    """Return what tells tokens apart, from which none can be read."""
    return "" if token is None else hashlib.sha256(token.reveal().encode()).hexdigest()


def _check_online(name: str) -> None:
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        raise SourceError(
            f"hub:{name}: this app is offline, and cannot ask the hub whether you may read it.",
            "The host can offer the model's folder with --models.",
        )
