"""Ctrl-C and SIGTERM at any time: the command ends, and nothing half-written is left."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from merger.recipe import Recipe
from tests.engine.folders import contents, family, listed

ROOT = Path(__file__).parents[2]
# Forks of one interpreter, each the whole command line; a timer sends the signal to the process.
SCRIPT = """
import json, os, signal, sys, tempfile, threading, time
from merger.cli import main

words, *times = json.loads(sys.argv[1])
said = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
# What a merge loads and compiles is loaded here, once.
with tempfile.TemporaryDirectory() as folder:
    main([*words, "--out", folder + "/out", "--threads", "1"])
for out, number, after in times:
    started = time.monotonic()
    if os.fork() == 0:
        code = 99
        if number:
            threading.Timer(after, os.kill, (os.getpid(), number)).start()
        try:
            code = main([*words, "--out", out])
        except KeyboardInterrupt as stop:
            # As merger/__main__.py does with what comes before and after.
            code = 128 + getattr(stop, "number", 2)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    os.write(said, json.dumps([code, time.monotonic() - started]).encode() + b"\\n")
"""
MERGES = 24
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(recipe: Path, *times: tuple[Path, int, float]) -> list[tuple[int, float]]:
    """Return exit code and seconds of each merge: its folder, its signal, and when that comes."""
    words = ["merge", str(recipe), "--threads", "2", "--memory", "13MB"]
    told = json.dumps([words, *((str(out), int(number), after) for out, number, after in times)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, told],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    path = folder / "recipe.yaml"
    path.write_text(Recipe.to_yaml(family(folder / "in")))
    return path


def weights_of(out: Path) -> dict[str, bytes]:
    """Return everything but the card, which has the folder's name in it."""
    return {name: data for name, data in contents(out).items() if name != "README.md"}


def test_a_signal_at_any_time_leaves_all_or_nothing(tmp_path: Path, recipe: Path) -> None:
    ((code, seconds),) = run(recipe, (tmp_path / "first", 0, 0.0))
    assert code == 0
    whole = weights_of(tmp_path / "first")
    draw = random.Random(11)
    shots = [
        (tmp_path / str(i) / "new" / "out", draw.choice(SIGNALS), draw.uniform(0, seconds))
        for i in range(MERGES)
    ]
    for out, _, _ in shots:
        out.parent.parent.mkdir()
    ends = run(recipe, *shots)
    for (out, number, _), (code, _) in zip(shots, ends, strict=True):
        assert code in (0, 128 + number, -number)
        assert out.exists() or code != 0
        if out.exists():
            assert listed(out.parent) == ["out"] and weights_of(out) == whole
        else:
            assert listed(out.parent.parent) == []
    assert any(code for code, _ in ends)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_model_that_is_to_be_replaced_is_there_after_a_signal(tmp_path, recipe, number) -> None:
    out = tmp_path / "out"
    assert run(recipe, (out, 0, 0.0))[0][0] == 0
    before = contents(out)
    code = (
        "import os, sys, merger.engine as engine\n"
        "whole = engine.merge\n"
        "def merge(recipe, out, *, report=None, **rest):\n"
        f"    return whole(recipe, out, report=lambda p: os.kill(os.getpid(), {int(number)}),\n"
        "                 **rest)\n"
        "engine.merge = merge\n"
        "from merger.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "merge", str(recipe), "--out", str(out), "--force"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 128 + number and "Traceback" not in done.stderr, done.stderr
    assert contents(out) == before
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize("module", ["merger.cli.progress", "merger.models", "merger.engine"])
def test_a_signal_while_libraries_load_ends_the_program_without_a_trace(
    tmp_path: Path, recipe: Path, module: str
) -> None:
    # Some libraries say that they are broken when they are interrupted while they load.
    code = (
        "import builtins, runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "real, wanted = builtins.__import__, sys.argv.pop(1)\n"
        "def load(name, *rest, **more):\n"
        "    if name == wanted:\n"
        "        builtins.__import__ = real\n"
        "        try:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "        except KeyboardInterrupt:\n"
        "            if wanted != 'merger.cli.progress':\n"
        "                raise ImportError('half a library') from None\n"
        "            raise\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = load\n"
        "runpy.run_module('merger', run_name='__main__', alter_sys=True)\n"
    )
    words = ["merge", str(recipe), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, module, *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert listed(tmp_path) == []
