"""Merge methods, one a file; whatever lies here registers itself."""

import importlib
import pkgutil

# An error in one of these files must surface, not hide the method.
for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
