"""The merges whose results are kept: every method and dialect on one small family of models."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from merger.memory import merge_tensors
from merger.spec import METHODS, Method

FOLDER = Path(__file__).parent
SHAPES = {"embed.weight": (6, 4), "layers.0.w": (5, 7), "layers.1.w": (3, 2, 4), "norm": (9,)}
WEIGHTS = (1.0, 0.5, 1.5)


def models() -> tuple[dict[str, torch.Tensor], list[dict[str, torch.Tensor]]]:
    """Return a base and three experts from a generator that never changes."""
    rng = np.random.Generator(np.random.Philox(20261122))

    def draw(width: float) -> dict[str, torch.Tensor]:
        # Multiples of 1/4096 are the same floats on every machine.
        return {
            key: torch.from_numpy(np.round(rng.normal(0, width, shape) * 4096) / 4096).float()
            for key, shape in SHAPES.items()
        }

    base = draw(1.0)
    changes = [draw(0.2) for _ in WEIGHTS]
    return base, [{k: base[k] + change[k] for k in base} for change in changes]


def settings(method: Method) -> Iterator[dict[str, str]]:
    """Yield the settings that are kept: the defaults, and each dialect's."""
    words = next((p.choices for p in method.params if p.name == "dialect"), ())
    yield from ({"dialect": word} for word in words)
    if not words:
        yield {}


def results(name: str) -> dict[str, np.ndarray]:
    """Return what a method gives now, by setting and tensor."""
    method = METHODS[name]
    base, experts = models()
    found: dict[str, np.ndarray] = {}
    for params in settings(method):
        label = params.get("dialect", "default")
        if method.stage == "merge":
            merged = merge_tensors(name, experts, base, params, WEIGHTS, seed=1)
        else:
            verbs = {method.stage: [{name: params}]}
            merged = merge_tensors("task_arithmetic", experts, base, None, WEIGHTS, **verbs)
        if method.output == "per_task":
            merged = {f"{e}/{k}": v for e, model in merged.items() for k, v in model.items()}
        found |= {f"{label}/{key}": value.numpy() for key, value in merged.items()}
    return found


def kept(name: str) -> dict[str, np.ndarray] | None:
    """Return what is kept for a method, or None where nothing is yet."""
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def differences(name: str) -> list[str]:
    """Return one line for each array in which kept and present results differ."""
    old, new = kept(name) or {}, results(name)
    lines = [f"{name}: {key} is gone" for key in old if key not in new]
    for key, value in new.items():
        if key not in old:
            lines.append(f"{name}: {key} is new")
        elif old[key].shape != value.shape:
            lines.append(f"{name}: {key} was {old[key].shape}, is {value.shape}")
        elif not np.allclose(old[key], value, rtol=1e-6, atol=1e-7):
            far = float(np.abs(old[key] - value).max())
            lines.append(f"{name}: {key} differs by up to {far:.3g}")
    return lines
