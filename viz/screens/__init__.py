"""The tabs of the page; each file declares one, with its panels, and is found by scanning."""

from importlib import import_module
from pkgutil import iter_modules

from viz.spec import PanelSpec, Screen

__all__ = ["SCREENS", "PanelSpec", "Screen", "panels"]


def _scan() -> tuple[Screen, ...]:
    names = sorted(m.name for m in iter_modules(__path__))
    found = [import_module(f"{__name__}.{name}").SCREEN for name in names]
    return tuple(sorted(found, key=lambda screen: screen.order))


SCREENS: tuple[Screen, ...] = _scan()


def panels() -> dict[str, PanelSpec]:
    """Return every panel by its id."""
    return {panel.id: panel for screen in SCREENS for panel in screen.panels}
