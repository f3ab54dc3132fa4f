"""What the table about a method says: declared for every method, and found by a search."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from merger.docs import section
from merger.errors import MergeError
from merger.evidence import EVIDENCE
from merger.facts import ARXIV, cost_of, facts_of, link_of, search_text, section_of, title_of
from merger.mergekit.table import KINDS
from merger.spec import METHODS

ROOT = Path(__file__).parents[2]
CONFORMANCE = sorted((ROOT / "tests/conformance").glob("test_*.py"))
PAPERS = [name for name, method in METHODS.items() if ARXIV.match(method.paper)]
# mergekit's documentation cites this number without a title, and no copy of the paper was at hand.
UNTITLED = {"karcher"}


def found(text: str) -> set[str]:
    """Return the methods that hold every word, as the page's search does."""
    words = text.lower().split()
    return {n for n, m in METHODS.items() if all(word in search_text(m) for word in words)}


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_says_where_it_fails_in_one_to_three_sentences(name):
    text = section_of(METHODS[name], "Fails")
    sentences = [part for part in re.split(r"(?<=\.)\s+(?=[A-Z])", text) if part]
    assert 1 <= len(sentences) <= 4 and text.endswith("."), text


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_says_how_sure_its_specification_is(name):
    assert METHODS[name].evidence in EVIDENCE


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_without_published_code_says_so_and_no_other_does(name):
    method = METHODS[name]
    assert method.is_reconstructed == (method.evidence in ("paper's text", "reconstructed"))


def test_what_was_run_beside_another_implementation_is_named_in_a_test_of_conformance():
    trees = [ast.parse(path.read_text("utf-8")) for path in CONFORMANCE]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named = {node.value for node in nodes if isinstance(node.value, str)}
    run = {name for name, method in METHODS.items() if method.evidence == "code run"}
    assert run and run <= named, run - named


@pytest.mark.parametrize("name", list(METHODS))
def test_whoever_decomposes_says_so_in_the_cost(name):
    source = (ROOT / f"merger/methods/{name}.py").read_text("utf-8")
    if re.search(r"\b(svd|eigen|eigh|isotropic|untangle)\(", source):
        assert re.search("SVD|eigendecomposition", cost_of(METHODS[name]))


@pytest.mark.parametrize("name", list(METHODS))
def test_the_page_shows_every_fact(name):
    text = section(METHODS[name])
    for fact in facts_of(METHODS[name]):
        assert f"- **{fact.name}**: " in text
    assert "**Where it fails**" in text and "**How sure**" in text and "**Cost**" in text


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_s_title_number_and_link_find_its_method(name):
    method = METHODS[name]
    number = method.paper.removeprefix("arXiv:")
    assert link_of(method) == f"https://arxiv.org/abs/{number}"
    assert name in found(number) and name in found(method.paper)
    if name not in UNTITLED:
        assert len(title_of(method).split()) >= 4
        assert name in found(title_of(method))


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("sign", {"ties", "breadcrumbs_ties", "sce", "della", "dare_ties"}),
        ("orthogonal", {"tsv_m", "iso_c", "iso_cts", "opcm", "doge", "wudi", "rws"}),
        ("LoRA", {"knots", "core_space", "rmm", "ties", "task_arithmetic", "dare_linear"}),
        ("Editing models with task arithmetic", {"task_arithmetic", "analogy"}),
        ("Yadav", {"ties"}),
        ("peft", {"ties", "dare_ties", "dare_linear", "task_arithmetic", "magnitude_prune"}),
        ("fusechat", {"sce"}),
        ("task vector", {"task_arithmetic"}),
        ("one model per expert", {"emr", "tall_masks", "tsv_c", "twin_per_task", "rmm"}),
    ],
)
def test_what_people_search_for_finds_the_right_methods(text, some):
    assert found(text) >= some


def test_every_method_that_mergekit_has_is_found_by_its_name():
    assert found("mergekit") >= set(KINDS) & set(METHODS)


def test_an_unknown_degree_of_certainty_is_refused():
    from merger.spec import Delta, Deltas, merge_method

    def sure(tau: Deltas) -> Delta:
        """Return the first."""
        return tau[0]

    unknown: Any = "certain"
    with pytest.raises((TypeError, MergeError), match="evidence 'certain' is none of"):
        merge_method("T", family="f", paper="p", laws=(), evidence=unknown)(sure)
    assert "sure" not in METHODS
