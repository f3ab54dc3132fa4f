"""What holds for the models of one slice: by model, slice, module and configuration."""

from collections.abc import Collection, Sequence
from typing import Any

from merger.mergekit.document import Document, Input, Slice
from merger.mergekit.findings import Findings
from merger.mergekit.table import Setting, Translated
from merger.mergekit.values import Condition, Holds, Place, merged, pick
from merger.recipe import Depth


class Settled:
    """The conditions of one slice, and what they come to for a tensor.

    Args:
        document: The configuration.
        one: The slice.
        base: Its base.
        inputs: Its experts, in order.
        findings: Told of parameters that have no effect.
        raw: Whether lists are read as mergekit-pytorch does, which knows no layers.
    """

    def __init__(
        self,
        document: Document,
        one: Slice,
        base: Input | None,
        inputs: Sequence[Input],
        findings: Findings,
        raw: bool = False,
    ) -> None:
        self.document = document
        self.slice = one
        self.base = base
        self.inputs = list(inputs)
        self.raw = raw
        self.tried: dict[tuple[str, int], list[Condition]] = {}
        for setting in document.kind.settings:
            self._try(setting, findings)

    def _try(self, setting: Setting, findings: Findings) -> None:
        shared = [level.get(setting.name, []) for level in self.slice.shared]
        if setting.each:
            for i, item in enumerate(self.inputs):
                levels = [item.level.get(setting.name, []), *shared]
                self.tried[setting.name, i] = merged(levels)
            return
        self.tried[setting.name, -1] = merged(shared)
        for item in self.inputs:
            if setting.name in item.level:
                findings.trap(
                    f"{setting.name} is one for all models, and has no effect here.",
                    item.where,
                    "Move it to the parameters of the whole configuration.",
                )

    @property
    def filters(self) -> list[str]:
        """Every filter in the order of its first mention."""
        texts = [c.filter for found in self.tried.values() for c in found if c.filter is not None]
        return list(dict.fromkeys(texts))

    def matching(self, filters: Collection[str], place: Place | None = None) -> Translated:
        """Return what holds for tensors whose names match exactly these filters."""
        return self.at(filters.__contains__, [filters.__contains__] * len(self.inputs), place)

    def named(self, name: str, sources: Sequence[str], place: Place) -> Translated:
        """Return what holds for a tensor.

        Args:
            name: Its name in the new model, which parameters for all models look at.
            sources: Its name in each expert, which parameters of one model look at.
            place: Its layer.
        """
        return self.at(name.__contains__, [own.__contains__ for own in sources], place)

    def at(self, holds: Holds, each: Sequence[Holds], place: Place | None) -> Translated:
        """Return what holds where filters match like this."""
        kind = self.document.kind
        shared = {
            s.name: self._value(s, -1, "parameters", holds, place)
            for s in kind.settings
            if not s.each
        }
        own = [
            {
                s.name: self._value(s, i, item.where, each[i], place)
                for s in kind.settings
                if s.each
            }
            for i, item in enumerate(self.inputs)
        ]
        found = kind.translate(shared, own)
        if kind.base == "optional" and self.base is not None:
            found.params["space"] = "task_vectors"
        return found

    def _value(
        self, setting: Setting, i: int, where: str, holds: Holds, place: Place | None
    ) -> Any:
        said = f"{where}: {setting.name}"
        found = pick(self.tried[setting.name, i], holds, setting, said, place)
        return found.values[0] if self.raw and isinstance(found, Depth) else found
