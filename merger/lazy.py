"""`torch`, imported at its first use, so that commands which only list things start fast."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    __all__ = ["Tensor", "torch"]
else:

    class LazyModule(ModuleType):
        """A module that imports the real one when something is looked up in it."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self.__name__), name)
            # Kept, so that later look-ups cost no more than on the module itself.
            setattr(self, name, value)
            return value

    class Tensor:
        """Stands for torch.Tensor in signatures, which are read before torch is there."""

    torch = LazyModule("torch")
