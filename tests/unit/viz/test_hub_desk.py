"""Models of the hub on the page: each visitor sees what the hub lets that visitor read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio import OAuthProfile, OAuthToken
from gradio import Request as PageRequest
from gradio.helpers import special_args
from starlette.requests import Request

from merger.errors import SourceError
from merger.hub.access import Secret
from tests.builders import build_llama_family
from tests.hub import FakeHub, Repo, commit_of, hub_at_hand, hub_environment, model_files
from tests.studios import open_studio
from viz.catalog import Catalog, folder_families, zoo_family
from viz.hub_host import HubHost, checked_host
from viz.hub_picks import Picks
from viz.login import Login, login_from
from viz.requests import plain
from viz.studio import Studio

ANN, BOB = "ann" * 10, "bob" * 10
FRIEND, READER = Login(Secret("hf_friend"), "friend"), Login(Secret("hf_reader"), "reader")
NAMES = ("base", "alpha", "beta")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("hub") / "family", experts=NAMES[1:])


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_at_hand(tmp_path, monkeypatch) as found:
        for name, value in hub_environment(found, tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_TOKEN", "hf_owner")  # the host's, which no visitor may use
        for name in NAMES:
            found.repos[f"org/{name}"] = Repo(
                model_files(folder / name), private=name == "beta", readers=("friend", "owner")
            )
        card = b"---\nbase_model: org/base\n---\n"
        found.repos["org/alpha"].files["README.md"] = card
        yield found


@pytest.fixture
def studio(hub: FakeHub, tmp_path: Path) -> Iterator[Studio]:
    with open_studio(Catalog((zoo_family(),)), tmp_path / "ws", HubHost(login=True)) as opened:
        yield opened


def ask(studio: Studio, what: str, who: str, login: Login | None = None, **request: Any) -> dict:
    room = studio.hub_desk if what.startswith("hub_") else studio
    body = json.dumps({"visitor": who, **request})
    return json.loads(getattr(room, what)(body, login).body)


def fetched(studio: Studio, who: str, login: Login | None, **models: Any) -> dict[str, Any]:
    """Look at models, fetch them, and return the family that the page gets."""
    found = ask(studio, "hub_look", who, login, **models)["found"]
    job = ask(studio, "hub_fetch", who, login, id=found["id"])["job"]
    end = studio.jobs.wait(job["id"], 120)
    assert end.state == "DONE", end.error
    return ask(studio, "hub_add", who, login, id=found["id"])["family"]


def test_models_are_looked_at_by_their_headers_then_fetched_previewed_and_merged(studio, hub):
    look = ask(studio, "hub_look", ANN, FRIEND, base="", experts=["org/alpha", "org/beta@main"])
    found = look["found"]
    assert (found["base"], found["guessed"], found["ready"]) == ("org/base", True, True)
    whole = [c for n in NAMES for f, c in hub.repos[f"org/{n}"].files.items() if "safet" in f]
    weights = sum(len(c) for c in whole if not c.startswith(b"{"))
    assert hub.sent_of_weights() < weights / 2
    assert found["fetch"].endswith("kB")
    assert [part["name"] for part in found["checkup"]["cost"]][-1] == "to fetch"
    family = fetched(studio, ANN, FRIEND, base="", experts=["org/alpha", "org/beta"])
    assert [expert["name"] for expert in family["experts"]] == ["alpha", "beta"]
    draft = family["first"]
    answer = ask(studio, "preview", ANN, FRIEND, draft=draft, visible=["norms"])
    assert f"hub:org/beta@{commit_of(hub.repos['org/beta'].files)}" in answer["text"]
    card = ask(studio, "hub_look", ANN, FRIEND, base="org/base", experts=["org/alpha"])["found"]
    assert card["fetch"] == ""
    job = ask(studio, "merge", ANN, FRIEND, text=answer["text"], shelf=[family["id"]])["job"]
    end = studio.jobs.wait(job["id"], 120)
    assert end.state == "DONE", end.error
    assert end.result["files"] and end.result["digest"] == answer["digest"]
    assert "hf_" not in json.dumps([dict(r) for r in studio.workspace.rows("SELECT * FROM jobs")])


def test_a_visitor_without_rights_sees_nothing_of_a_private_model_however_warm(studio, hub):
    """All caches are warm: the disk, task vectors in memory, families, scores, the library."""
    family = fetched(studio, ANN, FRIEND, base="org/base", experts=["org/alpha", "org/beta"])
    draft, id = family["first"], family["id"]
    asked = {"draft": draft, "visible": ["norms"], "shelf": [id]}
    text = ask(studio, "preview", ANN, FRIEND, **asked)["text"]
    ask(studio, "settle", ANN, FRIEND, **asked)
    whole = ask(studio, "open", ANN, FRIEND, text=text, shelf=[id])
    assert whole["draft"]["family"] == id and "error" not in whole
    hub.repos["org/beta"].readers = ("friend",)
    for who, login in ((BOB, READER), (BOB, None), (ANN, None), (ANN, READER)):
        start = ask(studio, "open", who, login, text=text, shelf=[id], pins=[text])
        assert [f["id"] for f in start["config"]["families"]] == ["zoo"]
        assert start["draft"]["family"] == "zoo" and start["pins"] == []
        assert start["error"]["hub"]["experts"][1].startswith("hub:org/beta@")
        answers = [
            start | {"draft": None},
            ask(studio, "preview", who, login, **asked),
            ask(studio, "settle", who, login, **asked),
            ask(studio, "load", who, login, text=text, shelf=[id]),
            ask(studio, "lint", who, login, text=text, shelf=[id]),
            ask(studio, "merge", who, login, text=text, shelf=[id]),
            ask(studio, "report", who, login, text=text, shelf=[id]),
            ask(studio, "hub_look", who, login, base="org/base", experts=["org/beta"]),
            ask(studio, "hub_fetch", who, login, id=id),
            ask(studio, "hub_add", who, login, id=id),
        ]
        for answer in answers:
            assert "private" in answer["error"]["why"], answer
            assert not {"panels", "kpis", "job", "family", "found", "words"} & set(answer)
        # A pin of another family's page is left out without a word of what it holds.
        zoo = start["config"]["families"][0]["first"]
        shown = ask(studio, "preview", who, login, draft=zoo, pin=text, visible=[], shelf=[id])
        assert "error" not in shown and "beta" not in json.dumps(shown)
    assert "hf_owner" not in str(hub.users()) and "owner" not in hub.users()
    # Who may read is still served, and by what is in memory.
    assert "error" not in ask(studio, "preview", ANN, FRIEND, **asked)


def test_models_of_the_hub_are_scored_on_the_host_s_texts_where_there_are_some(
    hub, studio, folder, tmp_path
) -> None:
    family = fetched(studio, ANN, FRIEND, base="org/base", experts=["org/alpha", "org/beta"])
    assert family["tasks"] == [] and "--models" in family["missing"]
    answer = ask(studio, "preview", ANN, FRIEND, draft=family["first"], visible=["tasks"])
    assert "texts (*.txt) of folders given with --models" in json.dumps(answer["panels"])
    offered = Catalog(folder_families([folder]))
    with open_studio(offered, tmp_path / "texts", HubHost(login=True)) as other:
        family = fetched(other, ANN, FRIEND, base="org/base", experts=["org/alpha", "org/beta"])
        assert family["tasks"]
        asked = {"draft": family["first"], "visible": ["tasks"]}
        answer = ask(other, "settle", ANN, FRIEND, **asked)
        assert answer["panels"]["tasks"]["error"] is None


def test_a_job_s_result_belongs_to_whoever_started_it(studio, hub):
    family = fetched(studio, ANN, FRIEND, base="org/base", experts=["org/beta"])
    text = ask(studio, "preview", ANN, FRIEND, draft=family["first"], visible=[])["text"]
    job = ask(studio, "merge", ANN, FRIEND, text=text)["job"]
    studio.jobs.wait(job["id"], 120)
    assert studio.jobs.list(BOB) == []
    with pytest.raises(Exception, match="no such job"):
        studio.jobs.get(job["id"], BOB)


def test_a_recipe_that_is_not_here_yet_says_so_and_offers_to_look(studio, hub):
    source = {n: f"hub:org/{n}@{commit_of(hub.repos[f'org/{n}'].files)}" for n in NAMES}
    text = f"method: average\nbase: {source['base']}\nexperts: ['{source['alpha']}']\n"
    card = ask(studio, "open", ANN, text=text)["error"]
    assert "has not been fetched yet" in card["why"]
    assert card["hub"] == {
        "label": "Look up its models", "base": source["base"], "experts": [source["alpha"]],
        "text": text,
    }  # fmt: skip
    loose = text.replace(source["alpha"], "hub:org/alpha")
    assert "no commit" in ask(studio, "load", ANN, text=loose)["error"]["why"]
    mixed = text.replace(source["alpha"], "zoo:mnist")
    assert "is not of the hub" in ask(studio, "load", ANN, text=mixed)["error"]["why"]


def test_adapters_find_their_base_and_are_put_on_it(studio, hub, folder):
    import torch
    from safetensors.torch import save

    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "org/base"}
    width = json.loads(hub.repos["org/base"].files["config.json"])["hidden_size"]
    factors = {key.format("A"): torch.ones(2, width), key.format("B"): torch.ones(width, 2)}
    hub.repos["org/lora"] = Repo(
        {
            "adapter_config.json": json.dumps(config).encode(),
            "adapter_model.safetensors": save(factors),
        }
    )
    family = fetched(studio, ANN, None, base="", experts=["org/lora", "org/alpha"])
    assert [(e["name"], e["rank"]) for e in family["experts"]] == [("lora", 2), ("alpha", None)]
    answer = ask(studio, "preview", ANN, draft=family["first"], visible=[])
    assert "lora:hub:org/lora@" in answer["text"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"experts": []}, "1 to 8 experts"),
        ({"experts": ["org/alpha"] * 9}, "1 to 8 experts"),
        ({"experts": ["../etc"]}, "no model of the hub"),
        ({"experts": "org/alpha"}, "1 to 8 experts"),
        ({"experts": ["org/none"]}, "does not exist, or is private"),
        ({"experts": ["org/beta"]}, "does not exist, or is private"),
    ],
)
def test_what_cannot_be_looked_at_says_why(studio, request_, words) -> None:
    assert words in str(ask(studio, "hub_look", ANN, **request_)["error"])


def test_no_message_says_where_on_this_machine_the_cache_lies(studio, hub, tmp_path) -> None:
    """A damaged model is told of by its name: to whoever looks, and to whoever fetched it."""
    files = hub.repos["org/alpha"].files
    good = dict(files)
    files["tokenizer.json"] = b"{"
    seen = ask(studio, "hub_look", ANN, base="org/base", experts=["org/alpha"])
    files["config.json"] = b"["
    seen |= ask(studio, "hub_look", BOB, base="org/base", experts=["org/alpha"])
    said = json.dumps(seen)
    assert "hub:org/alpha/" in said
    assert "snapshots" not in said and str(tmp_path) not in said
    hub.repos["org/alpha"].files = good


def test_an_id_that_a_page_makes_up_names_nothing(studio) -> None:
    commit = "a" * 40
    for id in ("", "hub~", "hub~-", "hub~x", "hub~-~file:/etc", f"hub~-~hub:../x@{commit}",
               f"hub~lora:hub:a/b@{commit}~hub:a/c@{commit}", "hub~-~hub:a/b", 7):  # fmt: skip
        for what in ("hub_add", "hub_fetch"):
            assert "error" in ask(studio, what, ANN, id=id)
    picks = Picks.of_id(f"hub~-~hub:a/b@{commit}~hub:c/b@{commit}")
    assert picks.names() == ("a-b", "c-b") and Picks.of_id(picks.id) == picks


def test_where_the_host_does_not_allow_it_the_hub_is_as_if_it_were_not(tmp_path, hub) -> None:
    with open_studio(Catalog((zoo_family(),)), tmp_path / "off") as studio:
        assert ask(studio, "open", ANN)["config"]["hub"] is None
        said = ask(studio, "hub_look", ANN, FRIEND, experts=["org/alpha"])
        assert "switched off" in said["error"]["why"]
        text = f"method: average\nexperts: ['hub:org/alpha@{'a' * 40}']\n"
        assert "does not offer" in ask(studio, "load", ANN, FRIEND, text=text)["error"]["what"]
    assert hub.asked == []


def test_this_machine_s_token_reads_only_where_nobody_else_can_ask(tmp_path, hub) -> None:
    for address, space in (("0.0.0.0", False), ("127.0.0.1", True)):
        with pytest.raises(SourceError, match="everybody who reaches"):
            checked_host(HubHost(own=True), address, on_space=space)
    host = checked_host(HubHost(own=True), "127.0.0.1", on_space=False)
    with open_studio(Catalog((zoo_family(),)), tmp_path / "own", host) as studio:
        assert ask(studio, "hub_look", ANN, base="org/base", experts=["org/beta"])["found"]
    assert hub.users() == {"owner"}


def _session(token: str | None, **headers: str) -> Request:
    info = {
        "access_token": token, "scope": "openid", "expires_at": 2**40,
        "userinfo": {"name": "F", "preferred_username": "friend", "profile": "", "picture": ""},
    }  # fmt: skip
    session = {} if token is None else {"oauth_info": info}
    coded = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Request({"type": "http", "session": session, "headers": coded})


def test_gradio_hands_the_session_s_own_token_to_the_page_s_functions() -> None:
    class Room:
        def who(self, body: str, login: Login | None) -> tuple[str, str] | None:
            return None if login is None else (login.token.reveal(), login.name)

    call = plain(Room().who)

    def asked(request: Request) -> Any:
        return call(*special_args(call, ["{}"], PageRequest(request))[0])

    assert asked(_session("hf_friend")) == ("hf_friend", "friend")
    assert asked(_session("hf_friend", sec_fetch_site="same-origin")) == ("hf_friend", "friend")
    assert asked(_session(None)) is None
    # Another site's page, whose visitor's browser adds the cookie by itself.
    assert asked(_session("hf_friend", sec_fetch_site="cross-site")) is None
    assert login_from(None, OAuthToken("t", "", 0), None) is not None
    assert OAuthProfile is not None


def test_a_page_cannot_say_itself_who_is_signed_in(studio, hub) -> None:
    body = {"visitor": ANN, "experts": ["org/beta"], "login": {"token": "hf_friend"}}
    said = json.loads(studio.hub_desk.hub_look(json.dumps(body)).body)
    assert "private" in said["error"]["why"]
    assert hub.users() == {None}
