"""Fetching in the background: with the owner's token, which no row ever holds."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from merger.errors import SourceError
from merger.hub.access import Secret
from merger.hub.pinned import Pinned, read_name
from merger.hub.rights import Rights
from merger.jobs import JobRunner, JobState
from merger.workspace import Workspace
from tests.hub import FakeHub, Repo, commit_of, failing, hub_at_hand, hub_environment
from tests.unit.jobs.work import KINDS

FILES = {"config.json": b"{}", "model.safetensors": save({"w": torch.ones(2000)})}
SOURCE = f"hub:org/gated@{commit_of(FILES)}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_at_hand(tmp_path, monkeypatch) as found:
        # The worker is a process of its own, which hears of the hub as any program does.
        for name, value in hub_environment(found, tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_TOKEN", "hf_owner")
        found.repos["org/gated"] = Repo(dict(FILES), gated=True, readers=("friend",))
        yield found


def _written(workspace: Path) -> bytes:
    files = [path for path in workspace.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


def test_a_fetch_uses_its_owner_s_token_and_writes_it_nowhere(hub, tmp_path: Path) -> None:
    with (
        contextlib.closing(Workspace(tmp_path / "ws")) as workspace,
        contextlib.closing(JobRunner(workspace)) as runner,
    ):
        hub.fault = failing("model.safetensors", "cut", 1)
        job = runner.submit(
            "fetch", {"models": [SOURCE]}, owner="ann", title="f", secret=Secret("hf_friend")
        )
        end = runner.wait(job.id, 60)
        assert end.state is JobState.DONE, end.error
        assert end.result == {"models": [SOURCE]}
        assert end.note.startswith("1 of 1 models: fetching org/gated")
        assert {user for _, path, user in hub.asked if "org/gated" in path} == {"friend"}
        for secret in (None, Secret("hf_reader")):
            other = runner.submit(
                "fetch", {"models": [SOURCE]}, owner="bob", title="f", secret=secret
            )
            refused = runner.wait(other.id, 60)
            assert refused.state is JobState.FAILED
            assert refused.error is not None and "is gated" in refused.error["message"]
        assert "owner" not in hub.users()  # the host is signed in as the owner
        assert b"hf_friend" not in _written(tmp_path / "ws")


def test_a_fetch_that_outlives_the_program_asks_to_sign_in_again(hub, tmp_path: Path) -> None:
    with contextlib.closing(Workspace(tmp_path / "ws")) as workspace:
        first = JobRunner(workspace)
        # The first job is held up, so that the second still waits when the program stops.
        hub.fault = failing("/api/models", "hang", 10**6)
        for _ in range(2):
            job = first.submit(
                "fetch", {"models": [SOURCE]}, owner="ann", title="f", secret=Secret("hf_friend")
            )
        first.close()
        hub.fault = lambda method, path: None
        with contextlib.closing(JobRunner(workspace)) as second:
            end = second.wait(job.id, 60)
        assert end.state is JobState.FAILED
        assert end.error is not None and end.error["hint"] == "Sign in and start it again."
    assert b"hf_friend" not in _written(tmp_path / "ws")


def test_a_long_fetch_holds_up_no_merge(hub, tmp_path: Path) -> None:
    """Two runners share a workspace; what one has cancelled, the other keeps no token of."""
    with (
        contextlib.closing(Workspace(tmp_path / "ws")) as workspace,
        contextlib.closing(JobRunner(workspace, kinds=KINDS)) as merges,
        contextlib.closing(JobRunner(workspace, grace_seconds=0.2)) as fetches,
    ):
        hub.fault = failing("/api/models", "hang", 10**6)
        order = {"owner": "ann", "title": "f", "secret": Secret("hf_friend")}
        long, waiting = (fetches.submit("fetch", {"models": [SOURCE]}, **order) for _ in range(2))
        merge = merges.submit("count", {"total": 2}, owner="bob", title="m")
        assert merges.wait(merge.id, 60).state is JobState.DONE
        assert not merges.get(long.id).is_finished
        for job in (waiting, long):
            merges.cancel(job.id, "ann")
        assert fetches.wait(long.id, 60).state is JobState.CANCELLED
        hub.fault = lambda method, path: None
        again = fetches.submit("fetch", {"models": [SOURCE]}, **order)
        assert fetches.wait(again.id, 60).state is JobState.DONE
        assert fetches.get(waiting.id).state is JobState.CANCELLED
    assert fetches._secrets == {}


def test_rights_are_remembered_for_one_asker_and_for_a_while(hub: FakeHub) -> None:
    now = [0.0]
    rights = Rights(seconds=300, clock=lambda: now[0])
    friend, reader = Secret("hf_friend"), Secret("hf_reader")
    hub.repos["org/open"] = Repo(dict(FILES))
    rights.check("ann", ["org/gated", "org/open"], friend)
    assert len(hub.asked) == 2
    rights.check("ann", ["org/open", "org/gated"], friend)
    assert len(hub.asked) == 2
    for asker, token in (("bob", reader), ("bob", None), ("ann", None), ("ann", reader)):
        with pytest.raises(SourceError, match="gated"):
            rights.check(asker, ["org/gated"], token)
    hub.repos["org/gated"].readers = ()
    rights.check("ann", ["org/gated"], friend)
    now[0] = 301
    with pytest.raises(SourceError, match="gated"):
        rights.check("ann", ["org/gated"], friend)


def test_nobody_s_rights_are_known_while_the_hub_is_away(hub: FakeHub, monkeypatch) -> None:
    from huggingface_hub import constants

    hub.fault = lambda method, path: "reset"
    with pytest.raises(SourceError, match="cannot be fetched"):
        Rights().check("ann", ["org/open"], None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="this app is offline"):
        Rights().check("ann", ["org/open"], None)
    assert os.environ["HF_TOKEN"] == "hf_owner"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("org/name", ("org/name", None)),
        (" gpt2 ", ("gpt2", None)),
        ("hub:org/name@v1.0", ("org/name", "v1.0")),
        ("org/name@refs/pr/3", ("org/name", "refs/pr/3")),
        ("https://huggingface.co/org/name", ("org/name", None)),
        ("https://huggingface.co/org/name/tree/dev?x=1", ("org/name", "dev")),
        ("https://hf.co/org/name/blob/main/config.json", ("org/name", "main")),
    ],
)  # fmt: skip
def test_what_people_type_or_paste_names_a_repository(typed: str, meant) -> None:
    assert read_name(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "", "a/b/c", "../x", "org/..", "https://huggingface.co/datasets/org", "file:/etc/passwd",
        "https://evil.example/org/name", "org/name@../..", "<script>", "a" * 300, "org/na me",
    ],
)  # fmt: skip
def test_all_else_that_is_typed_is_refused(typed: str) -> None:
    with pytest.raises(SourceError, match="is no model of the hub"):
        read_name(typed)


def test_only_a_commit_pins_a_source() -> None:
    commit = "0123456789" * 4
    assert Pinned.of_source(f"lora:hub:org/a@{commit}") == Pinned("org/a", commit, True)
    assert Pinned("org/a", commit).source == f"hub:org/a@{commit}"
    for other in ("hub:org/a", "hub:org/a@main", f"file:org/a@{commit}", f"hub:a/../b@{commit}"):
        assert Pinned.of_source(other) is None
