"""What a method is handed for one piece, as its signature asks."""

from functools import partial
from typing import Any, Protocol

from merger.inputs import Inputs
from merger.lazy import Tensor, torch
from merger.pieces import Piece
from merger.plan import Plan
from merger.settings import Stage
from merger.signature import FeedUse, Of, Signature


class Statistics(Protocol):
    """What a survey knows; see merger/survey.py."""

    def mask(self, serving: "Serving", stage: Stage, use: FeedUse) -> Tensor:
        """Return 1 where entries of the piece survive a cut, and 0 elsewhere."""
        ...

    def majority(self, serving: "Serving", stage: Stage, use: FeedUse) -> Any:
        """Return the sign that most entries elect."""
        ...

    def gram(self, serving: "Serving", stage: Stage, use: FeedUse) -> Tensor:
        """Return inner products over the tensor."""
        ...

    def l1(self, serving: "Serving", stage: Stage, use: FeedUse) -> Any:
        """Return a sum of magnitudes, or one per expert."""
        ...

    def norms(self, serving: "Serving", stage: Stage, use: FeedUse) -> tuple[float, ...]:
        """Return lengths."""
        ...

    def costly(self, serving: "Serving", stage: Stage, of: Of) -> Tensor:
        """Return what a slow function gives for the piece, flat."""
        ...

    def ranks(self, serving: "Serving", stage: Stage, use: FeedUse) -> Tensor:
        """Return the place of each entry by magnitude, (n, length)."""
        ...

    def ordered(self, serving: "Serving", stage: Stage, use: FeedUse) -> Tensor:
        """Return values at some places of the ascending order, (places, n)."""
        ...

    def sizes(self, serving: "Serving", stage: Stage, use: FeedUse) -> Tensor:
        """Return each expert's sums of magnitudes and of mean magnitudes, (2, n)."""
        ...


class Serving:
    """One piece, with everything that methods and verbs may ask for; read at most once.

    Args:
        plan: What is merged.
        inputs: Where the piece is read.
        statistics: What the survey knows.
        piece: The piece.
        result: What the method returned for this piece, when that is known already.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        statistics: Statistics,
        piece: Piece,
        result: Tensor | None = None,
    ) -> None:
        self.plan = plan
        self.piece = piece
        self.settings = piece.settings
        self._inputs = inputs
        self._statistics = statistics
        self.device = inputs.device
        self._kept: dict[Any, Tensor] = {} if result is None else {"result": result}

    def base(self) -> Tensor:
        """Return the base's entries, (length,)."""
        return self._once("base", lambda: self._inputs.base(self.piece))

    def theta(self) -> Tensor:
        """Return the experts' entries, (n, length), as verbs before the method left them."""
        if any(stage.label == "before" for stage in self.plan.stages):
            return self._once("changed theta", lambda: self.base() + self.deltas(self._method))
        return self._once("theta", lambda: self._inputs.theta(self.piece))

    def deltas(self, stage: Stage, weighted: bool = False) -> Tensor:
        """Return the task vectors as a stage finds them, (n, length).

        Args:
            stage: The stage; verbs before it have done their work.
            weighted: Whether each is multiplied by its coefficient.
        """
        done = stage.index if stage.label == "before" else len(self.settings.before)
        if done:
            verb = self.plan.stages[done - 1]
            tau = self._once(("deltas", done), lambda: self.evaluate(verb))
        else:
            tau = self._once("deltas", self._raw_deltas)
        if not weighted or stage.label == "before" or all(w == 1.0 for w in self.settings.weights):
            return tau
        return self._once("weighted", lambda: tau * self._weights(tau))

    def _raw_deltas(self) -> Tensor:
        # Formed from what is there already, so that no entry is read twice.
        if "theta" in self._kept and self._inputs.only_differences:
            return self._kept["theta"] - self.base()
        return self._inputs.deltas(self.piece)

    def update(self, after: int) -> Tensor:
        """Return the merged update once `after` verbs have done their work, (length,)."""
        if after:
            verb = self.plan.stages[self.plan.stages.index(self._method) + after]
            return self._once(("update", after), lambda: self.evaluate(verb))
        if self.plan.method.output == "delta":
            return self.result()
        return self._once("update", lambda: self.result() - self.base())

    def result(self) -> Tensor:
        """Return what the method gives, before any verb: (length,), or (n, length) per task."""
        return self._once("result", lambda: self.evaluate(self._method))

    @property
    def _method(self) -> Stage:
        return self.plan.stages[len(self.settings.before)]

    def evaluate(
        self, stage: Stage, function: Signature | None = None, weighted: bool = True
    ) -> Tensor:
        """Call a method, or a function that its survey looks at, on this piece; flat again."""
        signature = function or stage.method.signature
        feeds = [self.feed(use, stage, weighted) for use in signature.feeds]
        result = signature.fn(*feeds, **self.knobs(stage, signature))
        stacked = signature.output in ("deltas", "per_task")
        return result.reshape((self.plan.n, -1) if stacked else (-1,))

    def costly(self, stage: Stage, of: Of) -> Tensor:
        """Return what a slow function gives, computed once: (length,) or (n, length)."""
        name = ("costly", stage.label, stage.index, of.on)
        return self._once(name, lambda: self._statistics.costly(self, stage, of))

    def knobs(self, stage: Stage, function: Signature) -> dict[str, Any]:
        """Return the settings of a function as it is called with them."""
        settings = stage.knobs(self.settings)
        axes = len(self._shape(stage))
        return {p.name: self._knob(settings[p.name], axes) for p in function.params}

    def feed(self, use: FeedUse, stage: Stage, weighted: bool = True) -> Any:
        """Return what one argument left of `*` is given."""
        name = use.feed.name
        if not use.of.wanted_at(stage.knobs(self.settings)):
            return None
        if name == "deltas":
            return self._stacked(stage, self.deltas(stage, weighted))
        if name == "raw_deltas":
            return self._stacked(stage, self.deltas(stage))
        if name == "weights":
            return self._stacked(stage, self.theta())
        if name == "base":
            return self.base().reshape(self._shape(stage))
        if name == "update":
            return self.update(stage.index).reshape(self._shape(stage))
        if name == "coefficients":
            return self.settings.weights
        if name == "depth":
            return self.piece.first.depth
        if name == "key":
            return self.piece.first.key
        if name == "layers":
            return self.plan.layers
        if name == "costly":
            made = self.costly(stage, use.of)
            return made.reshape((*made.shape[:-1], *self._shape(stage)))
        if name == "uniform":
            draw = partial(self._inputs.uniform, self.piece, stage.salt)
            return self._stacked(stage, self._once(("uniform", stage.salt), draw))
        return self._surveyed(use, stage)

    def _surveyed(self, use: FeedUse, stage: Stage) -> Any:
        name = use.feed.name
        if name == "cut":
            mask = partial(self._statistics.mask, self, stage, use)
            name = ("cut", stage.label, stage.index, use.of)
            return self._stacked(stage, self._once(name, mask))
        if name == "majority":
            return partial(self._statistics.majority, self, stage, use)
        if name in ("gram", "weight_gram"):
            return self._statistics.gram(self, stage, use)
        if name == "ranks":
            return self._stacked(stage, self._statistics.ranks(self, stage, use))
        if name in ("l1", "norms", "ordered", "sizes"):
            return getattr(self._statistics, name)(self, stage, use)
        computed = self._once(name, partial(self._inputs.data, name, self.piece))
        return self._stacked(stage, computed)

    def _shape(self, stage: Stage) -> tuple[int, ...]:
        # By the stage's own scope: a verb that needs whole tensors does not change what rows are.
        return self.piece.shape(stage.method.scope_at(stage.knobs(self.settings)))

    def _stacked(self, stage: Stage, stack: Tensor) -> Tensor:
        return stack.reshape(self.plan.n, *self._shape(stage))

    def _once(self, key: Any, make: Any) -> Tensor:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def _weights(self, like: Tensor) -> Tensor:
        weights = torch.tensor(self.settings.weights, dtype=torch.float32, device=like.device)
        return weights.unsqueeze(1)

    def _knob(self, value: Any, axes: int) -> Any:
        # A value per expert broadcasts over the stack, so that formulas read the same.
        if isinstance(value, tuple) and not any(isinstance(v, str) for v in value):
            column = torch.tensor(value, dtype=torch.float32, device=self.device)
            return column.reshape(-1, *[1] * axes)
        return value
