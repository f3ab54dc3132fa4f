"""Is a saved model fit for use? It is loaded, asked, and compared with what it was made from."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from merger.align import Problem, first_names
from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.drift import measure_drift
from merger.drift_words import AGAIN, about_drift
from merger.errors import MergeError, SourceError
from merger.finishing import CARD
from merger.progress import Report, check_cancel
from merger.recipe import Recipe
from merger.selftest_info import SelfTest
from merger.sources import SourceRules, open_source
from merger.verify import verify

if TYPE_CHECKING:
    from merger.reload import Answer, Loading

MEMORY = Path("/proc/meminfo")
# What a model takes while it answers, as a share of its files.
ROOM = 1.3


class Reference(NamedTuple):
    """What a model is compared with, or why with nothing."""

    model: Checkpoint | None
    why: str


def self_test(
    folder: Path,
    *,
    base: str | None = None,
    prompt: str | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
) -> SelfTest:
    """Load a saved model as its users will, ask it one thing, and look for what stands out.

    Args:
        folder: The model.
        base: Source to compare norms with; what its recipe.yaml names when None.
        prompt: A text for it to go on with.
        base_dir: Folder that relative sources start from.
        roots: What a visitor may open; None opens everything.
        report: Told of bytes read.
        cancel: Stops the test.

    Raises:
        SourceError: the folder holds no model that can be opened.
    """
    model = FileCheckpoint(folder)
    problems = _about_files(folder, cancel)
    reference = _reference(folder, base, base_dir, roots)
    if reference.model is None:
        problems.append(_note(f"its norms were compared with nothing: {reference.why}"))
    else:
        problems += _about_names(model, reference.model)
    drift = measure_drift(model, reference.model, report=report, cancel=cancel)
    problems += about_drift(drift)
    check_cancel(cancel)
    loading, answer, found = _reload(model, prompt, inherited=_has_same_names(model, reference))
    return SelfTest(str(folder), tuple(_sorted([*problems, *found])), loading, answer, drift)


def written_models(path: Path) -> list[Path]:
    """Return the folders of models that a merge wrote: one, or one for each expert."""
    if (path / CARD).is_file():
        return [path]
    return sorted(card.parent for card in path.glob(f"*/{CARD}"))


def _reference(
    folder: Path,
    base: str | None,
    base_dir: Path | None,
    roots: SourceRules | Sequence[Path] | None,
) -> Reference:
    """Open the base of the merge, or its first expert."""
    step = None
    try:
        if base is None:
            path = folder / "recipe.yaml"
            if not path.is_file():
                return Reference(None, "it has no recipe.yaml, and no base is given.")
            recipe = Recipe.load(path)
            first = recipe.experts[0]
            base, step = (recipe.base, None) if recipe.base else (first.source, first.step)
        return Reference(open_source(base, step, base_dir=base_dir, roots=roots), "")
    except MergeError as error:
        return Reference(None, error.message)


def _about_files(folder: Path, cancel: Event | None) -> list[Problem]:
    if not (folder / CARD).is_file():
        return []
    try:
        found = verify(folder, cancel=cancel)
    except SourceError:
        return []
    if found.is_well:
        return []
    return [_error(f"its files are not those of its card: {found.verdict}")]


def _about_names(model: Checkpoint, reference: Checkpoint) -> list[Problem]:
    here, there = set(model.tensors), set(reference.tensors)
    lacks, more = sorted(there - here), sorted(here - there)
    shapes = [
        key
        for key in sorted(here & there)
        if model.tensors[key].shape != reference.tensors[key].shape
    ]
    found = []
    if lacks:
        found.append(_note(f"it lacks {first_names(lacks)}, which {reference.label} has."))
    if more:
        found.append(_note(f"it has {first_names(more)}, which {reference.label} has not."))
    if shapes:
        found.append(_note(f"shapes differ from {reference.label}: {first_names(shapes)}."))
    return found


def _has_same_names(model: Checkpoint, reference: Reference) -> bool:
    """Return whether what transformers does not find is not there in the base either."""
    if reference.model is None:
        return False
    here, there = model.tensors, reference.model.tensors
    return {k: here[k].shape for k in here} == {k: there[k].shape for k in there}


def _reload(
    model: FileCheckpoint, prompt: str | None, inherited: bool
) -> "tuple[Loading | None, Answer | None, list[Problem]]":
    config, folder = model.config(), model.folder
    if config is None or folder is None:
        return None, None, [_note("it was not loaded: it has no config.json.")]
    needed = ROOM * sum(info.nbytes for info in model.tensors.values())
    free = free_memory()
    if free is not None and needed > free:
        what = (
            f"it was not loaded: that takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} are free."
        )
        return None, None, [_note(what)]
    from merger.reload import PROMPT, ask, load  # noqa: PLC0415  (imports torch)

    try:
        module, loading = load(folder, config)
    except MergeError as error:
        if error.message.startswith("config.json: model_type"):
            return None, None, [_note(f"it was not loaded. {error.message}", error.hint)]
        return None, None, [_error(error.message, error.hint or AGAIN)]
    problems = _about_loading(loading, inherited)
    try:
        answer = ask(module, folder, prompt or PROMPT)
    except MergeError as error:
        if "only texts and images" in error.message:
            return loading, None, [*problems, _note(f"it was asked nothing: {error.message}")]
        return loading, None, [*problems, _error(error.message, error.hint or AGAIN)]
    if not answer.finite:
        problems.append(_error(f"its answer to {answer.asked} is not finite.", AGAIN))
    elif not answer.varied:
        what = f"all numbers of its answer to {answer.asked} are equal."
        problems.append(_error(what, "Look for tensors that are zero or far too small."))
    return loading, answer, problems


def _about_loading(loading: "Loading", inherited: bool) -> list[Problem]:
    found = []
    for what, keys in (
        ("has no numbers for", loading.missing),
        ("has no place for", loading.unexpected),
        ("has another shape for", loading.mismatched),
    ):
        if not keys:
            continue
        words = f"{loading.architecture} {what} {first_names(keys)}."
        if inherited:
            found.append(_note(f"{words} The base has the same tensors.", ""))
        else:
            found.append(_error(words, "Choose models that were saved from one class."))
    return found


def free_memory() -> int | None:
    """Return the bytes of memory that programs may still take, or None where nothing says."""
    try:
        lines = MEMORY.read_text("ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found else None


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.severity != "error")


def _error(what: str, remedy: str = "") -> Problem:
    return Problem("error", what, "", remedy)


def _note(what: str, remedy: str = "") -> Problem:
    return Problem("note", what, "", remedy)
