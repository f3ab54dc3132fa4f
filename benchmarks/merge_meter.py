"""How long one merge takes in a process of its own, and how much memory it holds."""

import gc
import json
import mmap
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

PAUSE = 0.002
# More than mergekit holds of cheap merges would only make the host take it all away sooner.
CLAIMED_MODELS = 1
# Shorter writes make shorter runs of pages, and longer ones do not find these again.
WRITTEN = 8 << 20


class AnonymousPeak:
    """The most anonymous memory a process held while a block ran, sampled every 2 ms.

    Pages of mapped files do not count: the system takes them back when it needs them.
    """

    def __enter__(self) -> "AnonymousPeak":
        self.start = self.peak = anonymous_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE):
            self.peak = max(self.peak, anonymous_bytes())


def anonymous_bytes() -> int:
    """Return the anonymous memory of this process in bytes."""
    resident, shared = os.pread(_sizes(), 100, 0).split()[1:3]
    return (int(resident) - int(shared)) * mmap.PAGESIZE


@cache
def _sizes() -> int:
    # Open all the time, and the shorter of two lists: it is read some hundred times a second.
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        raise SystemExit("This system does not say how much memory a process holds.") from None


def measure(call: Callable[[], Any]) -> dict[str, float]:
    """Return seconds, processor seconds and memory beyond what was there before the call."""
    # What imports left behind is not looked through by chance while the clock runs.
    gc.collect()
    gc.freeze()
    with AnonymousPeak() as memory:
        wall, processor = time.perf_counter(), time.process_time()
        call()
        processor, wall = time.process_time() - processor, time.perf_counter() - wall
    return {
        "wall": wall,
        "cpu": processor,
        "anonymous": memory.peak - memory.start,
        "imports": memory.start,
    }


def claim_memory(family: Path) -> None:
    """Touch free memory as large as a few models, and pages for files; give both back.

    The host of a virtual machine takes free memory away within seconds, and getting it again costs
    as much as writing a model: by turns one program or another would pay for that.
    """
    model = sum(path.stat().st_size for path in (family / "base").glob("*.safetensors"))
    with mmap.mmap(-1, min(CLAIMED_MODELS * model, free_bytes() // 2)) as room:
        for start in range(0, len(room), mmap.PAGESIZE):
            room[start] = 1
    # The system takes pages of files from elsewhere: those of a file just removed come first.
    few = bytes(WRITTEN)
    with tempfile.TemporaryFile(dir=family, buffering=0) as file:
        for _ in range(0, model, WRITTEN):
            file.write(few)


def free_bytes() -> int:
    """Return the memory that this machine can give at once, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def forget_pages(folder: Path) -> None:
    """Ask the system to drop the files of a folder from its cache."""
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def recall_pages(folder: Path) -> None:
    """Read the files of a folder, so that they are in the system's cache.

    Those that `held_pages` keeps are there already.
    """
    buffer = bytearray(1 << 23)
    for path in folder.rglob("*.safetensors"):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


@contextmanager
def held_pages(folder: Path) -> Iterator[None]:
    """Read the files of a folder anew, and keep them in the system's cache while a block runs.

    Some systems drop what no process has mapped for some seconds. What they drop in part comes
    back in small pages, and mapping those takes three times as long: so every run begins with the
    same large ones.
    """
    forget_pages(folder)
    recall_pages(folder)
    with ExitStack() as held:
        for path in sorted(folder.rglob("*.safetensors")):
            with path.open("rb") as file:
                room = held.enter_context(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
            # One byte of each page.
            sum(room[:: mmap.PAGESIZE])
        yield


def report(prepare: Callable[[Path, Path, int], Callable[[], Any]]) -> None:
    """Measure what the command line names, and print it as JSON.

    Args:
        prepare: Takes a configuration, a folder to write and a number of threads, and returns
            what is measured; what it does by itself does not count.
    """
    config, out, threads, temperature = sys.argv[1:]
    call = prepare(Path(config), Path(out), int(threads))
    if temperature == "cold":
        forget_pages(Path(config).parent)
    else:
        recall_pages(Path(config).parent)
    # At last, because it does not stay: see there.
    claim_memory(Path(config).parent)
    print("\n" + json.dumps(measure(call)))
