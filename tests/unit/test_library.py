"""Scored recipes as rows: whose they are, what may enter, what makes room."""

import contextlib

import pytest

from merger.errors import MergeError
from merger.library import SHIPPED, Library, MergeFacts
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


def test_facts_come_back_and_rows_of_another_anchor_stay_apart(library):
    scores = {"split": "validation"}
    facts = MergeFacts("here", 0.25, 100, {"words": "TIES of <a>", "key": "k", "index": 7})
    row = library.add("d1", "", scores, scorer="1", owner="ann", facts=facts)
    assert row.facts == facts and row.to_json()["norm"] == 0.25
    library.add("d2", "", scores, scorer="1", owner="ann", facts=MergeFacts("elsewhere"))
    assert [r.digest for r in library.list("ann", anchor="here")] == ["d1"]
    assert library.count("ann") == 2


def test_an_exploration_goes_on_after_its_last_number(library):
    assert library.next_index("ann", "k") == 0
    for index in (3, 4):
        facts = MergeFacts("here", about={"key": "k", "index": index})
        scores = {"split": "validation"}
        library.add(f"d{index}", "", scores, scorer="1", owner="ann", facts=facts)
    # Scored again by hand: the number stays.
    library.add(
        "d4", "", {"split": "validation"}, scorer="1", owner="ann", facts=MergeFacts("here")
    )
    assert library.next_index("ann", "k") == 5
    assert library.next_index("ann", "other") == library.next_index("bob", "k") == 0


def test_the_version_changes_with_every_change_that_the_owner_can_see(library):
    seen = {library.version("ann")}
    add(library, "d1")
    seen.add(library.version("ann"))
    library.annotate("d1", "ann", note="x")
    seen.add(library.version("ann"))
    library.delete("d1", "ann")
    add(library, "d2", owner=SHIPPED)
    seen.add(library.version("ann"))
    assert len(seen) == 4
    now = library.version("ann")
    add(library, "hers", owner="bob")
    assert library.version("ann") == now


def test_a_test_row_carries_the_note_and_the_pin_of_its_merge(library):
    add(library, "d1")
    library.annotate("d1", "ann", note="good", pinned=True)
    row = add(library, "d1", split="test")
    assert (row.note, row.pinned) == ("good", True)


def test_only_so_many_may_be_pinned(tmp_path):
    with contextlib.closing(Workspace(tmp_path)) as workspace:
        library = Library(workspace, most_pinned=1)
        for digest in ("a", "b"):
            add(library, digest)
        library.annotate("a", "ann", pinned=True)
        library.annotate("a", "ann", pinned=True)
        with pytest.raises(MergeError, match="at most 1 merges, and have pinned 1"):
            library.annotate("b", "ann", pinned=True)
        library.annotate("b", "ann", note="not pinned, so this may be written")
