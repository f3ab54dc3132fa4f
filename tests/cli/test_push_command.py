"""`push`: what goes to the hub, what never does, and what is never touched there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load

from merger.engine import merge
from merger.hub.publish import plan_publication, publish
from merger.recipe import Expert, Recipe
from merger.sources import open_source
from tests.hub import FakeHub, Repo, failing, hub_at_hand

# What huggingface_hub does with httpx2 in an upload, and is no business of ours.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
NAME = "owner/merged"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_at_hand(tmp_path / "hub", monkeypatch) as found:
        monkeypatch.setenv("HF_TOKEN", "hf_owner")
        yield found


@pytest.fixture
def merged(recipe, tmp_path: Path) -> Path:
    return merge(Recipe.load(recipe()), tmp_path / "out", shard_bytes=8000)


def written(hub: FakeHub) -> list[str]:
    """Return what was asked of the hub that could have changed anything."""
    return [f"{method} {path}" for method, path, _ in hub.asked if method in ("POST", "PUT")]


def test_a_merge_is_published_privately_and_opens_from_there(run, hub, merged, recipe) -> None:
    said = run("push", merged, NAME, "--json")
    assert said.code == 0, said.err + said.out
    repo = hub.repos[NAME]
    assert repo.private
    assert said.json["visibility"] == "private" and said.json["url"].endswith(NAME)
    names = {path.name for path in merged.iterdir()}
    assert {f["name"] for f in said.json["files"]} == names
    assert set(repo.files) == names | {".gitattributes"}
    for path in merged.iterdir():
        assert path.name == "README.md" or repo.files[path.name] == path.read_bytes()
    again = open_source(f"hub:{NAME}")
    assert again.content_id() == open_source(str(merged)).content_id()


def test_public_is_only_what_was_asked_to_be(run, hub, merged) -> None:
    said = run("push", merged, NAME, "--public")
    assert said.code == 0 and "public" in said.out
    assert not hub.repos[NAME].private


def test_a_dry_run_lists_everything_and_asks_the_hub_nothing(run, hub, merged) -> None:
    (merged / ".env").write_text("SECRET=1")
    (merged / "notes.txt").write_text("mine")
    said = run("push", merged, NAME, "--dry-run", "--json")
    assert said.code == 0 and hub.asked == []
    found = said.json
    assert found["dry_run"] and found["url"] is None and found["visibility"] == "private"
    assert found["license"] == "apache-2.0"
    assert found["bytes"] == sum(f["bytes"] for f in found["files"])
    assert found["left_out"] == [".env", "notes.txt"]
    assert any("names of folders on this machine" in notice for notice in found["notices"])
    shown = run("push", merged, NAME, "--dry-run")
    assert "nothing was sent" in shown.out and "apache-2.0" in shown.out
    assert re.search(r"notes\.txt +left out", shown.out)


def test_what_no_merge_wrote_is_never_sent(run, hub, merged) -> None:
    (merged / ".env").write_text("SECRET=1")
    (merged / "notes.txt").write_text("mine")
    assert run("push", merged, NAME).code == 0
    assert not {".env", "notes.txt"} & set(hub.repos[NAME].files)


def test_the_page_links_to_no_model_that_was_not_used(run, hub, merged) -> None:
    card = (merged / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["base_model"]
    said = run("push", merged, NAME, "--json")
    page = hub.repos[NAME].files["README.md"].decode()
    assert "base_model" not in yaml.safe_load(page.split("---")[1])
    assert any("leaves out" in notice for notice in said.json["notices"])
    assert page.split("---\n", 2)[2] == card.split("---\n", 2)[2], "the card itself is as it was"


def test_models_of_the_hub_are_named_on_the_page(hub, family, tmp_path) -> None:
    for name in ("base", "alpha"):
        files = {p.name: p.read_bytes() for p in (family / name).iterdir() if p.is_file()}
        hub.repos[f"org/{name}"] = Repo(files)
    recipe = Recipe("task_arithmetic", (Expert("hub:org/alpha", "alpha"),), base="hub:org/base")
    plan = plan_publication(merge(recipe, tmp_path / "out"), NAME)
    told = yaml.safe_load(plan.page.split("---")[1])
    assert told["base_model"] == ["org/base", "org/alpha"]
    assert told["base_model_relation"] == "merge"
    assert plan.notices == ()


def test_a_repository_that_holds_anything_is_kept(run, hub, merged) -> None:
    hub.repos[NAME] = Repo({"model.safetensors": b"years of work"}, readers=("owner",))
    said = run("push", merged, NAME, "--json")
    assert said.code == 1 and "exists already, and is kept" in said.json["error"]["message"]
    assert hub.repos[NAME].files == {"model.safetensors": b"years of work"}
    assert written(hub) == ["POST /api/repos/create"]


def test_a_stopped_upload_leaves_an_empty_repository_that_the_next_one_fills(
    run, hub, merged
) -> None:
    hub.fault = failing("/stored/", "500", 10**6, "PUT")
    said = run("push", merged, NAME, "--json")
    assert said.code == 1 and "same command again" in said.json["error"]["hint"]
    assert set(hub.repos[NAME].files) == {".gitattributes"}
    hub.fault = lambda method, path: None
    said = run("push", merged, NAME, "--public", "--json")
    assert said.code == 1 and "is to be public" in said.json["error"]["message"]
    assert run("push", merged, NAME).code == 0
    assert "recipe.yaml" in hub.repos[NAME].files


def test_a_file_that_somebody_adds_meanwhile_is_kept(run, hub, merged) -> None:
    def add(method: str, path: str) -> None:
        if "/commit/" in path:
            hub.repos[NAME].files["theirs.txt"] = b"theirs"

    hub.fault = add
    said = run("push", merged, NAME, "--json")
    assert said.code == 1 and "somebody else" in said.json["error"]["message"]
    assert set(hub.repos[NAME].files) == {".gitattributes", "theirs.txt"}


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "no valid token"), ("hf_wrong", "no valid token"), ("hf_reader", "not let you write")],
)
def test_without_the_right_to_write_the_token_is_named(
    run, hub, merged, monkeypatch, token, words
):
    monkeypatch.setenv("HF_TOKEN", token)
    said = run("push", merged, NAME, "--json")
    assert said.code == 1 and words in said.json["error"]["message"]
    assert "HF_TOKEN" in said.json["error"]["hint"] and NAME not in hub.repos
    assert not token or token not in said.out + said.err


@pytest.mark.parametrize("name", ["merged", "a/b/c", "owner/", "owner/a b", "../x", "owner/x--y"])
def test_a_name_must_be_one(run, hub, merged, name) -> None:
    said = run("push", merged, name, "--json")
    assert said.code == 1 and "not a repository's name" in said.json["error"]["message"]
    assert hub.asked == []


def test_what_is_no_merge_or_is_damaged_is_refused(run, hub, merged, family, recipe, tmp_path):
    said = run("push", family / "alpha", NAME, "--json")
    assert said.code == 1 and "no recipe.yaml" in said.json["error"]["message"]
    shard = next(merged.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0\0")
    said = run("push", merged, NAME, "--json")
    assert said.code == 1 and "not as it was written" in said.json["error"]["message"]
    each = merge(Recipe.load(recipe(method="emr")), tmp_path / "each")
    said = run("push", each, NAME, "--json")
    assert said.code == 1 and "one model per expert" in said.json["error"]["message"]
    assert hub.asked == []


def test_an_adapter_is_called_one_on_its_page(run, hub, family, recipe, tmp_path) -> None:
    said = run("merge", recipe(), "--out", tmp_path / "out", "--adapter", 4)
    assert said.code == 0, said.err
    plan = plan_publication(tmp_path / "out", NAME)
    assert yaml.safe_load(plan.page.split("---")[1])["library_name"] == "peft"
    done = publish(plan)
    assert done.url.endswith(NAME)
    assert load(hub.repos[NAME].files["adapter_model.safetensors"])
