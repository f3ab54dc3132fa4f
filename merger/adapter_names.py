"""Which tensor of a base an adapter means: by its name on disk, or by the one it has in memory.

transformers 5 renames tensors of some architectures as it loads them, and PEFT knows the new names
only.
"""

from collections.abc import Mapping
from functools import cached_property

from merger.checkpoint import Checkpoint
from merger.errors import SourceError
from merger.header import shown


class BaseNames:
    """The tensors of a base as adapters name them.

    Args:
        base: What the adapter is put on.
        label: What the adapter is called in messages.
    """

    def __init__(self, base: Checkpoint, label: str) -> None:
        self._base = base
        self._label = label

    def find(self, name: str) -> str:
        """Return the name on disk of a tensor.

        Raises:
            SourceError: The base has none of this name.
        """
        key = _match({key: key for key in self._base.tensors}, name)
        # Names in memory take the model's code, which most adapters do without.
        key = _match(self._in_memory, name) if key is None else key
        if key is None:
            raise SourceError(
                f"{self._label} changes {shown(name)}, which {self._base.label} does not have.",
                "Choose the base that the adapter was trained on.",
            )
        return key

    @cached_property
    def _in_memory(self) -> Mapping[str, str]:
        from merger.module_names import parameter_names  # noqa: PLC0415  (builds the model)

        return {name: key for key, name in parameter_names(self._base).by_key.items()}


def _match(keys: Mapping[str, str], name: str) -> str | None:
    """Return what a name stands for; models with and without a head differ by a prefix."""
    rest = name
    while rest.count("."):
        if rest in keys:
            return keys[rest]
        rest = rest.partition(".")[2]
    longer = [key for known, key in keys.items() if known.endswith(f".{name}")]
    return longer[0] if len(longer) == 1 else None
