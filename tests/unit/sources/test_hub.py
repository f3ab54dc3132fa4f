"""Models of a hub on loopback: what is fetched, with whose rights, and what is said of trouble."""

import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from merger.errors import Cancelled, SourceError
from merger.hub.access import Access, Secret
from merger.progress import Progress
from merger.sources import SourceRules, open_source
from tests.hub import FakeHub, Repo, commit_of, failing, hub_at_hand

WEIGHTS = {"w": torch.arange(6.0), "v": torch.ones(2, 3)}
PLAIN = {
    "config.json": b'{"model_type": "toy"}',
    "model.safetensors": save(WEIGHTS),
    "README.md": b"---\nlicense: mit\n---\n",
    "tokenizer.json": b"{}",
}
STRAY = {
    "pytorch_model.bin": b"\x80", "consolidated.safetensors": save(WEIGHTS),
    "onnx/model.onnx": b"o" * 99, "original/model.safetensors": b"x", "train.log": b"l",
    "model.gguf": b"GGUF", "optimizer.pt": b"p", ".gitattributes": b"",
}  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_at_hand(tmp_path, monkeypatch) as found:
        found.repos["org/plain"] = Repo(dict(PLAIN) | STRAY)
        yield found


def shards() -> dict[str, bytes]:
    names = {"w": "model-00001-of-00002.safetensors", "v": "model-00002-of-00002.safetensors"}
    index = {"metadata": {}, "weight_map": names}
    files = {name: save({key: WEIGHTS[key]}) for key, name in names.items()}
    return files | {"model.safetensors.index.json": json.dumps(index).encode()}


def test_only_the_files_that_a_merge_needs_are_fetched(hub: FakeHub) -> None:
    model = open_source("hub:org/plain")
    assert model.label == "org/plain"
    assert model.read("w").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert hub.fetched() == sorted(PLAIN)


def test_of_a_sharded_model_only_the_shards_of_its_index_are_fetched(hub: FakeHub) -> None:
    rest = {k: v for k, v in PLAIN.items() if k != "model.safetensors"}
    hub.repos["org/parts"] = Repo(rest | STRAY | shards())
    assert sorted(open_source("hub:org/parts").tensors) == ["v", "w"]
    assert hub.fetched() == sorted(rest | shards())


def test_what_lies_in_the_cache_is_not_fetched_again(hub: FakeHub) -> None:
    open_source("hub:org/plain")
    hub.asked.clear()
    open_source("hub:org/plain")
    assert hub.fetched() == []


def test_a_branch_and_a_commit_are_told_apart(hub: FakeHub) -> None:
    new = dict(PLAIN) | {"model.safetensors": save({"w": torch.zeros(6)})}
    hub.repos["org/plain"].branches["next"] = new
    for revision in ("next", commit_of(new)):
        assert list(open_source(f"hub:org/plain@{revision}").tensors) == ["w"]
    assert sorted(open_source("hub:org/plain").tensors) == ["v", "w"]


def test_an_adapter_is_fetched_without_what_lies_beside_it(hub: FakeHub) -> None:
    from merger.hub.asking import Wish
    from merger.hub.fetch import fetch

    adapter = {"adapter_config.json": b"{}", "adapter_model.safetensors": save(WEIGHTS)}
    hub.repos["org/lora"] = Repo(adapter | STRAY | {"model.safetensors": b"whole"})
    fetch(Wish("org/lora", is_adapter=True))
    assert hub.fetched() == sorted(adapter)


def test_progress_counts_every_byte_once(hub: FakeHub) -> None:
    hub.repos["org/parts"] = Repo({"config.json": PLAIN["config.json"]} | shards())
    hub.fault = failing("00001", "cut", 1)
    told: list[Progress] = []
    open_source("hub:org/parts", report=told.append)
    whole = sum(map(len, hub.repos["org/parts"].files.values()))
    assert (told[-1].done, told[-1].total, told[-1].unit) == (whole, whole, "bytes")
    assert told[0].note == "fetching org/parts: config.json"


def test_fetching_stops_when_it_is_cancelled(hub: FakeHub, tmp_path: Path) -> None:
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        open_source("hub:org/plain", report=lambda progress: cancel.set(), cancel=cancel)
    assert "model.safetensors" not in hub.fetched()
    assert not list(tmp_path.glob("cache/**/*.incomplete"))


@pytest.mark.parametrize("how", ["500", "503", "429", "reset", "cut", "break"])
def test_trouble_that_passes_is_waited_for(hub: FakeHub, how: str) -> None:
    hub.fault = failing("/resolve/", how, 2)
    assert open_source("hub:org/plain").read("v").tolist() == [1.0] * 6
    hub.fault = failing("/api/models", how if how not in ("cut", "break") else "503", 2)
    open_source("hub:org/plain@main")


def test_a_file_that_was_cut_short_goes_on_where_it_stopped(hub: FakeHub) -> None:
    hub.fault = failing("model.safetensors", "cut", 2)
    open_source("hub:org/plain")
    ranges = [path for method, path, _ in hub.asked if path.endswith("model.safetensors")]
    assert len(ranges) == 4  # one question, three parts


def test_a_hub_that_stalls_is_given_up_and_asked_again(hub, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.fault = failing("model.safetensors", "stall", 1)
    assert open_source("hub:org/plain").read("v").tolist() == [1.0] * 6


@pytest.mark.parametrize("part", ["/revision/", "auth-check"])
def test_a_hub_that_does_not_answer_is_given_up(hub: FakeHub, monkeypatch, part: str) -> None:
    import merger.hub.asking as asking

    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.2)
    hub.fault = failing(part, "hang", 1)
    assert open_source("hub:org/plain@main", roots=visitor()).label == "org/plain"
    hub.fault = failing(part, "hang", 10**6)
    with pytest.raises(SourceError, match="cannot be fetched"):
        open_source("hub:org/plain@main", roots=visitor())


@pytest.mark.parametrize("how", ["500", "reset", "cut", "break"])
def test_trouble_that_stays_is_told_and_leaves_nothing_half(hub, tmp_path, how) -> None:
    hub.fault = failing("model.safetensors", how, 10**6)
    with pytest.raises(SourceError, match="hub:org/plain cannot be fetched: ") as caught:
        open_source("hub:org/plain")
    assert "try again" in caught.value.hint
    assert not list(tmp_path.glob("cache/**/*.incomplete"))
    assert not list(tmp_path.glob("cache/**/model.safetensors"))
    hub.fault = lambda method, path: None
    hub.asked.clear()
    open_source("hub:org/plain")
    assert hub.fetched() == ["model.safetensors"]


def test_a_hub_that_cannot_be_reached_is_replaced_by_the_cache(hub: FakeHub) -> None:
    open_source("hub:org/plain")
    hub.fault = lambda method, path: "reset"
    assert open_source("hub:org/plain").read("v").tolist() == [1.0] * 6
    with pytest.raises(SourceError, match="cannot be fetched"):
        open_source("hub:org/other")


def test_the_cache_is_read_offline(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    open_source("hub:org/plain")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert open_source("hub:org/plain").read("v").tolist() == [1.0] * 6
    assert hub.asked == []


def test_each_refusal_has_words_of_its_own(hub: FakeHub, monkeypatch) -> None:
    hub.repos["org/gated"] = Repo(dict(PLAIN), gated=True)
    hub.repos["org/private"] = Repo(dict(PLAIN), private=True)
    for source, words in {
        "hub:org/none": "does not exist, or is private",
        "hub:org/private": "does not exist, or is private",
        "hub:org/gated": "is gated: its authors decide",
        "hub:org/plain@gone": "has no revision gone",
        "hub:org--x/y..z": "not a valid name",
    }.items():
        with pytest.raises(SourceError, match=words):
            open_source(source)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(SourceError, match="does not accept the token"):
        open_source("hub:org/plain")
    for token in ("hf_owner",):
        monkeypatch.setenv("HF_TOKEN", token)
        assert open_source("hub:org/gated").label == "org/gated"
        assert open_source("hub:org/private").label == "org/private"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"pytorch_model.bin": b"\x80"}, "pickled weights only"),
        ({"a.safetensors": b"", "b.safetensors": b""}, "2 safetensors files"),
        ({"model.gguf": b""}, "holds no safetensors file"),
        ({"model.safetensors.index.json": b'{"weight_map": {"w": "no.safetensors"}}'}, "names no"),
    ],
)
def test_what_cannot_be_opened_is_refused_before_it_is_fetched(hub, files, words) -> None:
    hub.repos["org/odd"] = Repo(files | {"config.json": b"{}"})
    with pytest.raises(SourceError, match=words):
        open_source("hub:org/odd")
    assert set(hub.fetched()) <= {"config.json", "model.safetensors.index.json"}


def test_a_quantised_model_is_refused_before_its_weights_are_fetched(hub: FakeHub) -> None:
    config = {"quantization_config": {"quant_method": "gptq"}}
    hub.repos["org/gptq"] = Repo(dict(PLAIN) | {"config.json": json.dumps(config).encode()})
    with pytest.raises(SourceError, match="hub:org/gptq is quantised"):
        open_source("hub:org/gptq")
    assert "model.safetensors" not in hub.fetched()


def visitor(token: str | None = None) -> SourceRules:
    return SourceRules((), hub=True, token=None if token is None else Secret(token))


def test_a_visitor_reads_with_their_own_token_and_never_with_the_host_s(hub, monkeypatch) -> None:
    hub.repos["org/gated"] = Repo(dict(PLAIN), gated=True, readers=("owner", "friend"))
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    open_source("hub:org/plain", roots=visitor())
    assert hub.users() == {None}
    hub.asked.clear()
    open_source("hub:org/gated", roots=visitor("hf_friend"))
    assert hub.users() == {"friend"}


@pytest.mark.parametrize("source", ["hub:org/gated", "hub:org/private", "commit"])
def test_what_one_visitor_fetched_is_not_another_s(hub: FakeHub, source: str) -> None:
    hub.repos["org/gated"] = Repo(dict(PLAIN), gated=True, readers=("friend",))
    hub.repos["org/private"] = Repo(dict(PLAIN), private=True, readers=("friend",))
    if source == "commit":
        source = f"hub:org/gated@{commit_of(PLAIN)}"
    open_source(source, roots=visitor("hf_friend"))
    for token in (None, "hf_reader"):
        with pytest.raises(SourceError, match="gated|private"):
            open_source(source, roots=visitor(token))
    # Nor when the hub is away, so that nobody can be asked.
    hub.fault = lambda method, path: "reset"
    with pytest.raises(SourceError, match="cannot be fetched"):
        open_source(source, roots=visitor())


def test_offline_a_visitor_opens_nothing_of_the_hub(hub: FakeHub, monkeypatch) -> None:
    from huggingface_hub import constants

    open_source("hub:org/plain")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="cannot ask the hub whether you may read"):
        open_source("hub:org/plain", roots=visitor("hf_owner"))


def test_a_token_is_shown_nowhere_and_equal_to_none(hub: FakeHub) -> None:
    rules = visitor("hf_friend")
    hub.repos["org/gated"] = Repo(dict(PLAIN), gated=True)
    with pytest.raises(SourceError) as caught:
        open_source("hub:org/gated", roots=rules)
    shown = [repr(rules), str(rules.token), str(caught.value), repr(caught.value.__cause__)]
    assert not [text for text in shown if "hf_friend" in text]
    assert rules != visitor("hf_friend")
    with pytest.raises(TypeError, match="neither kept nor sent"):
        pickle.dumps(rules.token)
    assert Access(rules.token, True).for_hub() == "hf_friend"
