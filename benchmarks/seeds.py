"""Train the bundled experts again with other seeds, for headroom.py.

    python -m benchmarks.seeds --cache DIR --seeds 1 2

Needs what `make zoo` needs. The base, the drawings and the splits are those of the bundled zoo;
the order of batches and the flipped labels are new. One checkpoint each is kept, as a change to
the base of four bits an entry: step 256, where the experts have most of their accuracy.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from transformers import ViTModel

from merger.threads import one_thread
from merger.zoo.build import expert_states
from merger.zoo.gather import gather
from merger.zoo.model import load_folder, read_tensors, save_folder
from merger.zoo.places import BASE, ZOO_DIR, model_folder
from merger.zoo.quantise import write_delta
from merger.zoo.read import load_head
from merger.zoo.store import Store

OUT = Path(__file__).resolve().parent / "headroom"
STEP = 256


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="the folder that the zoo's build kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    store = Store(args.cache)
    slice = gather(store, 0)
    slice = replace(slice, experts=replace(slice.experts, steps=(STEP,)))
    folder = model_folder(ZOO_DIR, BASE)
    start = read_tensors(folder)
    with one_thread(), tempfile.TemporaryDirectory() as scratch:
        base = load_folder(folder)
        for seed in args.seeds:
            for task in slice.tasks:
                name = task.spec.name
                states = expert_states(store, slice, base, task, load_head(name), seed)
                model = ViTModel(base.config)
                model.load_state_dict(states[STEP])
                save_folder(model, Path(scratch))
                about = {"base": BASE, "expert": name, "step": str(STEP)}
                path = OUT / f"seed-{seed}" / f"{name}.safetensors"
                write_delta(path, read_tensors(Path(scratch)), start, {**about, "seed": str(seed)})
                print(path, flush=True)


if __name__ == "__main__":
    main()
