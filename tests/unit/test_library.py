"""Scored recipes as rows: whose they are, what may enter, what makes room."""

import contextlib

import pytest

from merger.errors import MergeError
from merger.library import SHIPPED, Library
from merger.workspace import Workspace


@pytest.fixture
def library(tmp_path):
    with contextlib.closing(Workspace(tmp_path)) as workspace:
        yield Library(workspace, limit=3)


def add(library, digest, owner="ann", split="validation", mean=0.5, scorer="1"):
    scores = {"split": split, "mean": mean, "digest": digest}
    if owner == SHIPPED:
        return library.ship(digest, "method: average\n", scores, scorer=scorer)
    return library.add(digest, "method: average\n", scores, scorer=scorer, owner=owner)


def test_a_row_comes_back_as_it_was_added(library):
    row = add(library, "d1", mean=0.75)
    assert row == library.get("d1", "ann")
    assert row.scores["mean"] == 0.75 and row.recipe == "method: average\n"
    assert row.to_json()["shipped"] is False and "owner" not in row.to_json()


def test_the_same_merge_scored_again_replaces_its_row_and_keeps_note_and_pin(library):
    add(library, "d1", mean=0.5)
    library.annotate("d1", "ann", note="good", pinned=True)
    add(library, "d1", mean=0.6)
    (row,) = library.list("ann")
    assert (row.scores["mean"], row.note, row.pinned) == (0.6, "good", True)


def test_validation_and_test_scores_are_rows_of_their_own(library):
    add(library, "d1", mean=0.5)
    add(library, "d1", split="test", mean=0.4)
    assert library.get("d1", "ann", split="test").scores["mean"] == 0.4
    assert len(library.list("ann")) == 2 and len(library.list("ann", split="test")) == 1


@pytest.mark.parametrize("split", ["subset", "preview", "train", None])
def test_only_full_scores_enter(library, split):
    with pytest.raises(MergeError, match="keeps scores of validation or test"):
        add(library, "d1", split=split)
    assert library.list("ann") == []


def test_scores_of_another_merge_are_refused(library):
    with pytest.raises(MergeError, match="another merge"):
        library.add("d1", "", {"split": "test", "digest": "d2"}, scorer="1", owner="ann")


def test_a_visitor_sees_their_own_rows_and_the_shipped_ones(library):
    add(library, "shipped", owner=SHIPPED)
    add(library, "mine")
    add(library, "hers", owner="bob")
    assert [row.digest for row in library.list("ann")] == ["mine", "shipped"]
    with pytest.raises(MergeError, match="no scored recipe"):
        library.get("hers", "ann")


def test_only_ones_own_rows_can_be_deleted_or_annotated(library):
    add(library, "shipped", owner=SHIPPED)
    add(library, "hers", owner="bob")
    for digest, owner in (("shipped", "ann"), ("hers", "ann"), ("shipped", SHIPPED)):
        with pytest.raises(MergeError, match="no scored recipe"):
            library.delete(digest, owner)
    with pytest.raises(MergeError, match="no scored recipe"):
        library.annotate("hers", "ann", note="x")
    library.delete("hers", "bob")
    assert [row.digest for row in library.list("bob")] == ["shipped"]


def test_ones_own_row_is_preferred_to_the_shipped_one(library):
    add(library, "d1", mean=0.9)
    add(library, "d1", owner=SHIPPED, mean=0.1)
    assert library.get("d1", "ann").scores["mean"] == 0.9
    assert library.get("d1", "bob").scores["mean"] == 0.1


def test_the_oldest_rows_that_are_not_pinned_make_room(library):
    add(library, "first")
    library.annotate("first", "ann", pinned=True)
    for digest in ("a", "b", "c", "d"):
        add(library, digest)
    assert [row.digest for row in library.list("ann")] == ["d", "c", "b", "first"]


def test_markup_and_quotes_are_kept_as_text(library):
    add(library, "d1")
    note = "<script>'\"; DROP TABLE library; --${x}"
    library.annotate("d1", "ann", note=note)
    assert library.get("d1", "ann").note == note


def test_a_visitor_without_a_token_cannot_write_shipped_rows(library):
    with pytest.raises(ValueError, match="needs an owner"):
        library.add("d1", "", {"split": "test"}, scorer="1", owner="")
