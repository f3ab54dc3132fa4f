"""What a tab and a panel are: measure → Info → figure → panel, declared once."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from merger.errors import MergeError
from viz.answers import error_card
from viz.scene import Scene

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One chart of a tab.

    Args:
        id: How the page calls it.
        title: What it shows, in a few words.
        height: Height in pixels before the figure says otherwise.
        measure: Returns what is to be drawn; raises MergeError for what is missing.
        draw: Turns it into a figure.
        patch: Turns it into the part of the figure that a slider can move.
        frame: Returns what decides axes and traces; when it changes the figure is sent anew.
        caption: Shown until the first figure arrives.
        why: Formula and source, behind a "Why?".
        wide: Take the whole row.
    """

    id: str
    title: str
    height: int
    measure: Callable[[Scene], Any]
    draw: Callable[[Any], Any]
    patch: Callable[[Any], Mapping[str, Any]]
    frame: Callable[[Scene, Any], Any]
    caption: str = ""
    why: str = ""
    wide: bool = False

    def payload(self, scene: Scene, rev: str | None, stamp: str | None) -> dict[str, Any] | None:
        """Return what the page needs to show this panel, None when it shows it already.

        Args:
            scene: The merge on screen.
            rev: Which figure the page has.
            stamp: Which patch the page drew last.
        """
        try:
            info = self.measure(scene)
        except MergeError as error:
            card = error_card(error)
            mark = _mark(card)
            return None if mark == stamp else {"error": card, "stamp": mark}
        now = _mark([scene.frame, self.frame(scene, info)])
        if now != rev:
            return {"rev": now, "base": self.draw(info).to_json(), "stamp": "", "error": None}
        patch = self.patch(info)
        mark = _mark(patch)
        return None if mark == stamp else {"rev": now, "patch": patch, "stamp": mark}


@dataclass(frozen=True, slots=True)
class Screen:
    """One tab.

    Args:
        id: How the page calls it.
        title: Its label.
        order: Where it stands.
        panels: Its charts, in reading order.
        lead: One sentence above them.
        above: Id of the place above the charts that scripts fill; empty for none.
        below: Id of the place below them.
    """

    id: str
    title: str
    order: int
    panels: tuple[PanelSpec, ...] = field(default_factory=tuple)
    lead: str = ""
    above: str = ""
    below: str = ""


def _mark(value: Any) -> str:
    return hashlib.blake2b(orjson.dumps(value, option=OPTIONS), digest_size=8).hexdigest()
