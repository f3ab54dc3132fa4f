"""What a pipeline is: the steps of a method, and what every expert still has after each of them.

A step leaves one row per expert, or a single one where the experts have become one. The last step
leaves what the method gives: its rows add up to the merged update, or are the updates of each
expert's own model. A test holds every pipeline to that.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

from merger.algebra import total
from merger.feeds import Serving
from merger.lazy import Tensor, torch
from merger.settings import Stage

Unit = Literal["weights", "coordinates", "directions"]


class Step(NamedTuple):
    """One step of a method.

    Args:
        name: What it is called, in a word or two.
        did: What it does, as a sentence without its full stop.
        lost: What is called that which it takes away; empty where it takes nothing away.
        conflict: Whether it takes away because experts disagree.
        together: Whether it leaves one row for all experts.
    """

    name: str
    did: str
    lost: str = ""
    conflict: bool = False
    together: bool = False


class Held(NamedTuple):
    """What there is after a step.

    Args:
        stack: One row per expert, (n, *piece), or one for all, (1, *piece).
        directions: How many directions each row is made of, where they are known.
    """

    stack: Tensor
    directions: tuple[int, ...] | None = None


class Work:
    """One piece of a merge, with everything that a step may need.

    Args:
        serving: The piece.
        stage: The method, in its place in the recipe.
    """

    def __init__(self, serving: Serving, stage: Stage) -> None:
        self._serving = serving
        self._stage = stage
        self._uses = {use.name: use for use in stage.method.feeds}
        self.scope = stage.method.scope_at(stage.knobs(serving.settings))
        self.shape = serving.piece.shape(self.scope)
        self.n = serving.plan.n
        self.key = serving.piece.first.key
        self.weights = serving.settings.weights

    def __getitem__(self, name: str) -> Any:
        """Return what the method is fed under this name."""
        return self._serving.feed(self._uses[name], self._stage)

    @cached_property
    def knobs(self) -> Mapping[str, Any]:
        """The method's settings."""
        return self._serving.knobs(self._stage, self._stage.method.signature)

    @cached_property
    def tau(self) -> Tensor:
        """Task vectors, each multiplied by its coefficient, (n, *piece)."""
        return self._stacked(self._serving.deltas(self._stage, weighted=True))

    @cached_property
    def raw(self) -> Tensor:
        """Task vectors before any coefficient, (n, *piece)."""
        return self._stacked(self._serving.deltas(self._stage))

    @cached_property
    def update(self) -> Tensor:
        """What the method changes: (1, *piece), or (n, *piece) with one model per expert."""
        output = self._stage.method.output
        result = self._serving.result()
        found = result if output == "delta" else result - self._serving.base()
        return found.reshape(self.n if output == "per_task" else 1, *self.shape)

    def after(self, verbs: int) -> Tensor:
        """Return the update once so many verbs have done their work, (1, *piece)."""
        return self._serving.update(verbs).reshape(1, *self.shape)

    @property
    def scale(self) -> Any:
        """The method's factor of the whole update; 1 where it has none."""
        return self.knobs.get("scale", 1.0)

    def shares(self) -> Tensor:
        """Return how much of each expert a method takes that mixes whole tensors, (…, n).

        The method itself is asked: it is handed one unit vector per expert instead of weights.
        """
        units = torch.eye(self.n)
        instead = {"deltas": units, "raw_deltas": units, "weights": units}
        feeds = []
        for use in self._stage.method.feeds:
            given = None
            if use.of.wanted_at(self._stage.knobs(self._serving.settings)):
                given = instead.get(use.feed.name)
                if given is None:
                    is_base = use.feed.name == "base"
                    given = torch.zeros(self.n) if is_base else self[use.name]
            feeds.append(given)
        return self._stage.method(*feeds, **self.knobs)

    def column(self, values: Sequence[float] | Tensor) -> Tensor:
        """Return one number per expert in the shape that multiplies a stack."""
        column = torch.as_tensor(values, dtype=torch.float32)
        return column.reshape(-1, *[1] * len(self.shape))

    def _stacked(self, flat: Tensor) -> Tensor:
        return flat.reshape(self.n, *self.shape)


class Pipeline(NamedTuple):
    """The steps of one method.

    Args:
        steps: The steps, in order.
        follow: Returns what there is before the first step and after each one.
        unit: What is counted: weights, coordinates in another frame, or directions; what there
            is of directions is measured as energy (sums of squares), else as mass (of magnitudes).
        adds: Whether the experts' last rows are added up, so that what opposes cancels.
        scaled: How many of the last steps are proportional to the setting `scale`.
        origin: After which step entries are followed to where they are lost; 0 from the start.
        matrix: Whether the method shows what it does on matrices, not on vectors.
        note: What cannot be counted here, and why; empty where everything can.
    """

    steps: tuple[Step, ...]
    follow: Callable[[Work], Sequence[Held | Tensor]]
    unit: Unit = "weights"
    adds: bool = True
    scaled: int = 1
    origin: int = 0
    matrix: bool = False
    note: str = ""

    @property
    def elects(self) -> bool:
        """Whether a step takes away what disagrees."""
        return any(step.conflict for step in self.steps)

    @property
    def lost(self) -> str:
        """What is called that which steps take away, other than for a conflict."""
        words = [step.lost for step in self.steps if step.lost and not step.conflict]
        return " or ".join(dict.fromkeys(words))

    def trace(self, work: Work) -> list[Held]:
        """Return what there is before the first step and after each one."""
        found = [h if isinstance(h, Held) else Held(h) for h in self.follow(work)]
        return [
            Held(total(held.stack).unsqueeze(0), held.directions) if one else held
            for held, one in zip(found, [False, *(s.together for s in self.steps)], strict=True)
        ]
