"""Many merges, each in a fork of one interpreter, each ended in its own way."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
# SIGPROF ends a process as SIGKILL does, and a timer over processor time sends it wherever the
# process is, however busy the machine.
SCRIPT = """
import json, os, resource, signal, sys, tempfile, traceback
from pathlib import Path
from merger.engine import merge
from merger.errors import MergeError
from merger.recipe import Recipe


def run(job, pipe):
    if job["file_limit"]:
        limit = job["file_limit"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def report(progress):
        if progress.done >= job["kill_at_byte"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if job["cut"] and progress.done:
            os.truncate(job["cut"], job["cut_to"])

    if job["kill_after"]:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, job["kill_after"])
    try:
        merge(Recipe.load(Path(job["recipe"])), job["out"], threads=2, memory=13_000_000,
              report=report, resume=job["resume"], force=job["force"],
              shard_bytes=600_000)
        said = ""
    except MergeError as error:
        said = f"{type(error).__name__}: {error.message}"
    os.write(pipe, said.encode())


jobs = json.loads(sys.argv[1])
# What a merge loads and compiles is loaded here, once: forks have it from their beginning.
for recipe in sorted({job["recipe"] for job in jobs}):
    with tempfile.TemporaryDirectory() as folder:
        merge(Recipe.load(Path(recipe)), Path(folder) / "out", threads=1)
for job in jobs:
    kept = Path(job["cut"]).read_bytes() if job["cut"] else b""
    there, here = os.pipe()
    if os.fork() == 0:
        try:
            run(job, here)
        except BaseException:
            # A merge ends in an error in words or not at all: anything else fails the test.
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(here)
    with os.fdopen(there) as pipe:
        said = pipe.read()
    _, status, used = os.wait3(0)
    code = os.waitstatus_to_exitcode(status)
    if job["cut"]:
        Path(job["cut"]).write_bytes(kept)
    print(json.dumps([code, used.ru_utime + used.ru_stime, said]), flush=True)
"""
NEVER = 10**12


class End(NamedTuple):
    """How one merge ended: exit code (negative for a signal), processor seconds, its error."""

    code: int
    seconds: float
    said: str


def job(recipe: Path, out: Path, **how: Any) -> dict[str, Any]:
    """Describe one merge.

    Args:
        recipe: The recipe's file.
        out: The folder to write.
        how: `resume`, `force`, `kill_at_byte` (of what is reported), `kill_after` (processor
            seconds), `file_limit` (bytes that a file may have), `cut` (a file to be cut short
            to `cut_to` bytes once something has been written, and whole again afterwards).
    """
    plain = {"resume": False, "force": False, "kill_at_byte": NEVER, "kill_after": 0.0}
    more = {"file_limit": 0, "cut": "", "cut_to": 0}
    return {"recipe": str(recipe), "out": str(out)} | plain | more | how


def run(*jobs: dict[str, Any]) -> list[End]:
    """Run merges one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(jobs)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return [End(*json.loads(line)) for line in done.stdout.splitlines()]
