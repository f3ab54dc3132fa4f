"""Show in what the results of methods differ from the golden files, then write these anew.

python tests/golden/regenerate.py [--check]     # --check only shows, and fails if anything differs
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402  (after the path)

from merger.spec import METHODS  # noqa: E402
from tests.golden.cases import FOLDER, differences, kept, results  # noqa: E402


def main(arguments: list[str]) -> int:
    """Print differences; write the files unless asked only to check."""
    gone = sorted(p.stem for p in FOLDER.glob("*.npz") if p.stem not in METHODS)
    lines = [line for name in METHODS for line in differences(name)]
    lines += [f"{name}: there is no such method any more" for name in gone]
    print("\n".join(lines) or "Nothing differs.")
    if "--check" in arguments:
        return 1 if lines else 0
    for name in gone:
        (FOLDER / f"{name}.npz").unlink()
    for name in METHODS:
        if kept(name) is None or differences(name):
            np.savez_compressed(FOLDER / f"{name}.npz", **results(name))
            print(f"Wrote {name}.npz")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
