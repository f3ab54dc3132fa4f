"""Run all tests in two processes, which takes little more than half the time: `make test`.

One half begins with the browser's stories, the other with everything else and helps with the
stories when it is through. The other half's words are shown when it ends.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest")
STORIES = ("--half=browser", "-p", "no:cacheprovider")
NOTHING_CHOSEN = 5


def main(arguments: list[str]) -> int:
    """Run both halves and return 0 when every test passed."""
    with tempfile.TemporaryDirectory() as folder:
        claims, said = Path(folder) / "claims", Path(folder) / "stories.txt"
        claims.mkdir()
        shared = [f"--claims={claims}", *arguments]
        named = any(Path(word.split("::")[0]).exists() for word in arguments)
        with said.open("w") as out:
            stories = subprocess.Popen(
                [*PYTEST, *STORIES, *shared, *([] if named else ["tests/e2e"])],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            try:
                rest = subprocess.run([*PYTEST, "--half=rest", *shared], check=False).returncode
                codes = {rest, stories.wait()}
            except KeyboardInterrupt:
                stories.wait()
                codes = {130}
        print("\nThe half that began with the browser:", said.read_text(), sep="\n", flush=True)
    return joint(codes)


def joint(codes: set[int]) -> int:
    """Return one exit status for both: an empty half is no fault, two of them are."""
    return max(codes) if codes == {NOTHING_CHOSEN} else max(codes - {NOTHING_CHOSEN})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
