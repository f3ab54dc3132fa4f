"""What a user can turn: bounds, track, unit and help of one setting of a merge method."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, runtime_checkable

from merger.errors import RecipeError, did_you_mean


@runtime_checkable
class DepthLike(Protocol):
    """A number that changes with depth, as `merger.recipe.Depth` is."""

    @property
    def values(self) -> tuple[float, ...]: ...

    def at(self, u: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Knob:
    """Bounds and face of one setting.

    Args:
        low: The smallest valid value; None where the formula has no bound.
        high: The largest valid value.
        slider: First and last value of the slider's track; the bounds when empty.
        step: Width of one step of the slider.
        symbol: The letter that the paper uses.
        help: One sentence for the tooltip; the docstring's Args when empty.
        none: The word shown for None, such as "auto".
        per_expert: Whether a list with one value per expert is valid too.
    """

    low: float | None = None
    high: float | None = None
    slider: tuple[float, float] | None = None
    step: float | None = None
    symbol: str = ""
    help: str = ""
    none: str = "auto"
    per_expert: bool = False


Share = Annotated[float, Knob(0.0, 1.0, slider=(0.0, 1.0), step=0.01)]


@dataclass(frozen=True, slots=True)
class Param:
    """One setting of a merge method, as its signature declares it.

    Args:
        name: Its name in recipes.
        type: float, int, bool or str (one of `choices`).
        default: What it is when a recipe does not say.
        knob: Bounds and face.
        choices: The valid words of a str.
        optional: Whether None is valid.
        help: One sentence for the tooltip.
    """

    name: str
    type: type
    default: Any
    knob: Knob = field(default_factory=Knob)
    choices: tuple[str, ...] = ()
    optional: bool = False
    help: str = ""

    @property
    def per_expert(self) -> bool:
        """Whether a list with one value per expert is valid."""
        return self.knob.per_expert

    @property
    def is_number(self) -> bool:
        """Whether it takes numbers, so that it may change with depth."""
        return self.type in (float, int)

    def check(self, value: Any, where: str, n: int | None = None) -> Any:
        """Return the value in its own type, or say what is wrong with it.

        Args:
            value: What a recipe gave.
            where: The method's name, for the message.
            n: How many experts there are; None leaves lengths unchecked.
        Raises:
            RecipeError: the value is of the wrong kind, out of bounds or of the wrong length.
        """
        where = f"{where}: {self.name}"
        if value is None and self.optional:
            return None
        if isinstance(value, list | tuple):
            return self._check_list(value, where, n)
        if isinstance(value, DepthLike) and self.is_number:
            for v in value.values:
                self._check_one(v, where)
            return value
        return self._check_one(value, where)

    def _check_list(self, value: Any, where: str, n: int | None) -> tuple[Any, ...]:
        if not self.per_expert:
            raise RecipeError(
                f"{where} must be {self._kind()}, got a list of {len(value)}.",
                "Write {depth: [first, …, last]} for a value that changes with depth."
                if self.is_number
                else "",
            )
        if n is not None and len(value) != n:
            raise RecipeError(
                f"{where} must have one value per expert ({n}), got {len(value)}.",
                "Write {depth: [first, …, last]} for a value that changes with depth.",
            )
        return tuple(
            v if isinstance(v, DepthLike) and self._check_depth(v, where) else
            self._check_one(v, where)
            for v in value
        )  # fmt: skip

    def _check_depth(self, value: DepthLike, where: str) -> bool:
        for v in value.values:
            self._check_one(v, where)
        return True

    def _check_one(self, value: Any, where: str) -> Any:
        if self.choices:
            if not isinstance(value, str) or value not in self.choices:
                words = ", ".join(self.choices)
                raise RecipeError(
                    f"{where} must be one of {words}, got {value!r}.",
                    did_you_mean(value, self.choices) if isinstance(value, str) else "",
                )
            return value
        if self.type is bool:
            if not isinstance(value, bool):
                raise RecipeError(f"{where} must be true or false, got {value!r}.")
            return value
        return self._check_number(value, where)

    def _check_number(self, value: Any, where: str) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RecipeError(f"{where} must be {self._kind()}, got {value!r}.")
        if not math.isfinite(value):
            raise RecipeError(f"{where} must be a finite number, got {value}.")
        if self.type is int and value != int(value):
            raise RecipeError(f"{where} must be a whole number, got {value:g}.")
        low, high = self.knob.low, self.knob.high
        if (low is not None and value < low) or (high is not None and value > high):
            raise RecipeError(f"{where} must be {self._bounds()}, got {value:g}.")
        return self.type(value)

    def _kind(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return {bool: "true or false", int: "a whole number"}.get(self.type, "a number")

    def _bounds(self) -> str:
        low, high = self.knob.low, self.knob.high
        if low is not None and high is not None:
            return f"between {low:g} and {high:g}"
        return f"at least {low:g}" if low is not None else f"at most {high:g}"

    def bad_value(self) -> Any:
        """Return a value that `check` must refuse; tests feed it to every setting."""
        if self.knob.high is not None:
            return self.knob.high + 1
        if self.knob.low is not None:
            return self.knob.low - 1
        return "no such value"

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as plain data."""
        low, high = self.knob.low, self.knob.high
        track = self.knob.slider
        if track is None and low is not None and high is not None:
            track = (low, high)
        return {
            "name": self.name,
            "type": self.type.__name__,
            "default": self.default,
            "low": low,
            "high": high,
            "slider": None if track is None else list(track),
            "step": self.knob.step,
            "choices": list(self.choices),
            "per_expert": self.per_expert,
            "symbol": self.knob.symbol,
            "help": self.help,
            "none": self.knob.none if self.optional else None,
        }
