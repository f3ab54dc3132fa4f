"""The example in CONTRIBUTING.md is a method: pasted into one file, it passes the contract."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACT = ("methods", "laws", "facts", "same_bytes", "order")


def test_the_example_for_newcomers_passes_the_contract_as_one_new_file(tmp_path):
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", guide, re.DOTALL | re.MULTILINE)
    code = textwrap.dedent(next(block for block in blocks if "merge_method(" in block))
    name = re.search(r"^def (\w+)\(", code, re.MULTILINE)
    assert name is not None and len(code.splitlines()) < 40
    for folder in ("merger", "tests"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "e2e")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "merger" / "methods" / f"{name[1]}.py").write_text(code, "utf-8")
    files = [f"tests/contract/test_{part}.py" for part in CONTRACT]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    ran = subprocess.run(
        [*command, "-k", name[1]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert ran.stdout.splitlines()[0].count(".") > 20
