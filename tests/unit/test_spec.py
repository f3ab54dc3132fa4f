"""The grammar: what a signature says, and mistakes that fail at import."""

from typing import Annotated, Literal

import pytest

from merger.errors import RecipeError
from merger.knobs import Knob, Share
from merger.method import FAMILIES
from merger.signature import argument_help, formula_of, read_signature, summary_of
from merger.spec import (
    METHODS,
    Base,
    Coefficients,
    Cut,
    Delta,
    Deltas,
    PerTask,
    Update,
    Weight,
    Weights,
    merge_method,
    of,
)


def register(fn, **options):
    return merge_method("T", family="f", paper="p", **options)(fn)


@pytest.fixture
def tidy():
    before = set(METHODS)
    yield
    for name in set(METHODS) - before:
        METHODS.remove(name)


def test_a_signature_is_read_into_feeds_settings_and_output():
    def f(
        tau: Deltas,
        base: Base,
        *,
        scale: Annotated[float, Knob(-1, 2, symbol="λ")] = 0.3,
        mode: Literal["a", "b"] = "a",
        fast: bool = False,
        rank: int = 3,
        alpha: float | None = None,
        beta: Annotated[float | None, Knob(0, 1)] = None,
    ) -> Delta:
        """Do it.

        y = x

        Args:
            tau: Changes.
            scale: How much,
                in two lines.
        """

    found = read_signature(f)
    assert [use.feed.name for use in found.feeds] == ["deltas", "base"]
    assert [(p.name, p.type, p.default, p.optional) for p in found.params] == [
        ("scale", float, 0.3, False),
        ("mode", str, "a", False),
        ("fast", bool, False, False),
        ("rank", int, 3, False),
        ("alpha", float, None, True),
        ("beta", float, None, True),
    ]
    assert found.params[0].help == "How much, in two lines."
    assert found.params[1].choices == ("a", "b")
    assert found.output == "delta"
    assert summary_of(f) == "Do it."
    assert formula_of(f) == "y = x"
    assert argument_help(f) == {"tau": "Changes.", "scale": "How much, in two lines."}


def test_the_function_comes_back_unchanged_and_is_registered(tidy):
    def mine(tau: Deltas) -> Delta:
        """Do it."""
        return tau

    assert register(mine) is mine
    assert METHODS["mine"].fn is mine
    assert METHODS["mine"](3) == 3
    with pytest.raises(TypeError, match="two merge methods are named 'mine'"):
        register(mine)


def untyped(tau) -> Delta: ...
def not_a_feed(tau: float) -> Delta: ...
def feed_on_the_right(tau: Deltas, *, base: Base = 0) -> Delta: ...
def no_default(tau: Deltas, *, scale: float) -> Delta: ...
def strange_type(tau: Deltas, *, scale: list = ()) -> Delta: ...
def two_types(tau: Deltas, *, scale: int | str = 1) -> Delta: ...
def numbers_as_words(tau: Deltas, *, k: Literal[1, 2] = 1) -> Delta: ...
def bad_default(tau: Deltas, *, density: Share = 2.0) -> Delta: ...
def nothing_returned(tau: Deltas): ...
def wrong_return(tau: Deltas) -> float: ...
def many(*tau: Deltas) -> Delta: ...
def cut_of_nothing(tau: Deltas, cut: Cut) -> Delta: ...
def early_update(update: Update) -> Delta: ...
def gives_deltas(tau: Deltas) -> Deltas: ...


def strange_scope(
    tau: Deltas, cut: Annotated[Cut, of("density", scope="galaxy")], *, density: Share = 0.2
) -> Delta: ...


def needs_more(tau: Deltas, *, missing: float = 1.0) -> Delta: ...


def misses_a_setting(
    tau: Deltas, cut: Annotated[Cut, of("density", on=needs_more)], *, density: Share = 0.2
) -> Delta: ...


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (untyped, "needs a type"),
        (not_a_feed, "must be a feed"),
        (feed_on_the_right, "must stand left of"),
        (no_default, "needs a default"),
        (strange_type, "must be float, int, bool or Literal"),
        (two_types, "must be float, int, bool or Literal"),
        (numbers_as_words, "Literal of strings"),
        (bad_default, "has a default that it would refuse"),
        (nothing_returned, "must say what it returns"),
        (wrong_return, "must say what it returns"),
        (many, "single argument"),
        (cut_of_nothing, "one of its own"),
        (early_update, "only a verb with stage 'after'"),
        (gives_deltas, "cannot return 'deltas'"),
        (strange_scope, "neither a scope nor a setting"),
        (misses_a_setting, "needs the setting 'missing'"),
    ],
)
def test_a_mistake_fails_at_import(tidy, fn, message):
    with pytest.raises(TypeError, match=message):
        register(fn)
    assert fn.__name__ not in METHODS


def plain(tau: Deltas) -> Delta: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laws": ("symetric",)}, "is no law. Did you mean 'symmetric'"),
        ({"scope": "pixel"}, "is no scope"),
        ({"stage": "before"}, "cannot return 'delta'"),
        ({"dialects": {"x": {"scale": 1.0}}}, "dialect 'x'"),
    ],
)
def test_a_mistaken_declaration_fails_at_import(tidy, options, message):
    with pytest.raises(TypeError, match=message):
        register(plain, **options)


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(RecipeError) as caught:
        METHODS["ties"].resolve({"densty": 0.5})
    assert caught.value.message == "ties has no parameter 'densty'."
    assert caught.value.hint == "Did you mean 'density'?"
    with pytest.raises(RecipeError, match="average has no parameter 'scale'"):
        METHODS["average"].resolve({"scale": 1})


def test_a_dialect_sets_defaults_and_an_explicit_setting_wins():
    resolve = METHODS["ties"].resolve
    assert resolve({})["trim"] == "global"
    theirs = resolve({"dialect": "mergekit"})
    assert (theirs["trim"], theirs["combine"], theirs["tie"]) == ("tensor", "weighted", "plus")
    assert resolve({"dialect": "mergekit", "trim": "global"})["trim"] == "global"
    with pytest.raises(RecipeError, match="dialect must be one of paper, mergekit"):
        resolve({"dialect": "mergkit"})


def test_what_a_method_needs_follows_from_its_feeds():
    assert METHODS["ties"].needs == ("base",)
    assert METHODS["average"].needs == ()
    assert METHODS["slerp"].needs == ()
    assert METHODS["lines"].needs == ("base",)


def test_coefficients_without_effect_are_explained():
    assert METHODS["average"].weights_note == "Average does not use coefficients."
    assert METHODS["slerp"].weights_note and METHODS["wise_ft"].weights_note
    for name in ("ties", "linear", "task_arithmetic", "model_stock", "dare_linear"):
        assert METHODS[name].weights_note == ""
    assert METHODS["lines"].weights_note == ""


def test_outputs_are_named(tidy):
    def gives_weights(theta: Weights, w: Coefficients) -> Weight:
        """Do."""

    def gives_many(theta: Weights) -> PerTask:
        """Do."""

    register(gives_weights)
    register(gives_many)
    assert METHODS["gives_weights"].output == "weight"
    assert METHODS["gives_many"].output == "per_task"


def test_neutral_settings_may_depend_on_the_number_of_experts():
    assert METHODS["task_arithmetic"].neutral_for(4) == {"scale": 0.25}
    assert METHODS["ties"].neutral_for(4) == {"density": 1.0}


def test_families_stand_in_their_order_and_reconstructed_methods_last_in_theirs():
    ordered = [m for m in sorted(METHODS.values(), key=lambda m: m.place) if m.stage == "merge"]
    families = list(dict.fromkeys(m.family for m in ordered))
    assert families == [f for f in FAMILIES if f in families]
    averaging = [m.name for m in ordered if m.family == "averaging"]
    assert averaging[0] == "average"
    assert averaging[-2:] == ["mwa", "salsa"]
    assert METHODS["mwa"].is_reconstructed and not METHODS["ties"].is_reconstructed
