"""What was found out about a saved model, and what it comes to in words."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merger.align import Problem
from merger.drift import FAR, Drift
from merger.info import plain

if TYPE_CHECKING:
    from merger.reload import Answer, Loading


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was found out about a saved model.

    Args:
        path: The folder.
        problems: Errors make it unfit, notes are worth a look.
        loading: What transformers said; None where it was not loaded.
        answer: What it answered; None where it was not asked.
        drift: Its norms against those of its base.
    """

    path: str
    problems: tuple[Problem, ...]
    loading: "Loading | None"
    answer: "Answer | None"
    drift: Drift

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make it unfit for use."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def is_well(self) -> bool:
        """Whether nothing makes it unfit for use."""
        return not self.errors

    @property
    def verdict(self) -> str:
        """What was found, in words, with the next step."""
        if self.errors:
            first, more = self.errors[0], len(self.errors) - 1
            also = f" And {more} more." if more else ""
            return f"Not fit for use. {_sentence(first.what)}{also} {first.remedy}".strip()
        done = []
        if self.loading is not None:
            done.append("it loads whole")
        if self.answer is not None:
            done.append("it answers with finite numbers")
        done += self._about_sizes()
        words = _sentence(", ".join(done) or "its files can be read, and nothing more was tried")
        notes = [problem.what for problem in self.problems]
        return " ".join([words, *map(_sentence, notes[:2])])

    def _about_sizes(self) -> list[str]:
        count = len(self.drift.outliers)
        if not self.drift.reference:
            return []
        if not self.drift.compared:
            return ["it has too few layers to tell whether one stands out in size"]
        which = f"{count} tensors stand" if count > 1 else "1 tensor stands"
        return [f"{which} out in size" if count else "no tensor stands out in size"]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "path": self.path,
            "is_well": self.is_well,
            "verdict": self.verdict,
            "problems": [problem._asdict() for problem in self.problems],
            "loading": _plain(self.loading),
            "answer": _plain(self.answer),
            "drift": _plain(self.drift) | {"threshold": FAR},
        }


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _plain(part: Any) -> Any:
    return None if part is None else plain(asdict(part))
