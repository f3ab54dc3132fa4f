"""The doctor over the hub: headers come by range requests, weights stay where they are."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from merger.doctor import doctor
from merger.errors import AlignmentError, SourceError
from merger.hub.access import Secret
from merger.preflight import preflight
from merger.recipe import Recipe
from merger.sources import SourceRules, open_source
from tests.hub import FakeHub, Repo, commit_of, failing, hub_at_hand

SHAPE = (64, 80)
CONFIG = json.dumps({"model_type": "toy", "architectures": ["Toy"]}).encode()


def _header_bytes(content: bytes) -> int:
    return 8 + struct.unpack("<Q", content[:8])[0]


def _model(seed: int) -> dict[str, bytes]:
    """A model in two shards of 20 kB each."""
    torch.manual_seed(seed)
    names = {
        "a.weight": "model-00001-of-00002.safetensors",
        "b.weight": "model-00002-of-00002.safetensors",
    }
    files = {file: save({key: torch.randn(SHAPE)}) for key, file in names.items()}
    index = json.dumps({"metadata": {}, "weight_map": names}).encode()
    return files | {"model.safetensors.index.json": index, "config.json": CONFIG}


def _adapter() -> dict[str, bytes]:
    factors = {
        "base_model.model.a.lora_A.weight": torch.randn(2, SHAPE[1]),
        "base_model.model.a.lora_B.weight": torch.randn(SHAPE[0], 2),
    }
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "org/base"}
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": save(factors),
    }


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_at_hand(tmp_path, monkeypatch) as found:
        for seed, name in enumerate(("base", "one", "two")):
            found.repos[f"org/{name}"] = Repo(_model(seed))
        yield found


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.from_yaml(
        "method: task_arithmetic\nbase: hub:org/base\nexperts: [hub:org/one, hub:org/two]\n"
    )


def _weights(hub: FakeHub, *names: str) -> list[bytes]:
    return [
        content
        for name in names
        for file, content in hub.repos[f"org/{name}"].files.items()
        if file.endswith(".safetensors")
    ]


def test_the_doctor_moves_headers_only_and_says_what_a_merge_would_fetch(hub, recipe) -> None:
    report = doctor(recipe)
    assert report.is_well, report.verdict
    assert report.parameters == 2 * SHAPE[0] * SHAPE[1]
    weights = _weights(hub, "base", "one", "two")
    assert hub.sent_of_weights() == sum(map(_header_bytes, weights)) < 1000
    assert report.fetch_bytes == sum(map(len, weights))
    open_source("hub:org/one")
    assert doctor(recipe).fetch_bytes == sum(map(len, _weights(hub, "base", "two")))
    for name in ("base", "two"):
        open_source(f"hub:org/{name}")
    sent = hub.sent_of_weights()
    assert doctor(recipe).fetch_bytes == 0
    assert hub.sent_of_weights() == sent


def test_of_adapters_too_only_headers_move(hub: FakeHub) -> None:
    hub.repos["org/lora"] = Repo(_adapter())
    recipe = Recipe.from_yaml(
        "method: task_arithmetic\nbase: hub:org/base\nexperts: [hub:org/one, lora:hub:org/lora]\n"
    )
    report = doctor(recipe)
    assert report.is_well, report.verdict
    whole = [*_weights(hub, "base", "one", "lora")]
    assert hub.sent_of_weights() == sum(map(_header_bytes, whole))
    assert report.fetch_bytes == sum(map(len, whole))
    with pytest.raises(SourceError, match="holds an adapter.*"):
        open_source("hub:org/lora", headers_only=True)


def test_numbers_that_are_not_here_are_never_read_as_if_they_were(hub: FakeHub) -> None:
    model = open_source("hub:org/one", headers_only=True)
    assert model.tensors == open_source("hub:org/one").tensors
    with pytest.raises(SourceError, match="have not been fetched"):
        model.read("a.weight")


def test_models_that_do_not_fit_are_refused_before_their_weights_are_fetched(hub, recipe) -> None:
    odd = {
        "config.json": CONFIG,
        "model.safetensors": save({"a.weight": torch.ones(3), "b.weight": torch.ones(SHAPE)}),
    }
    hub.repos["org/two"] = Repo(odd)
    with pytest.raises(AlignmentError, match="a.weight"):
        preflight(recipe, tell=lambda line: None)
    weights = _weights(hub, "base", "one", "two")
    assert hub.sent_of_weights() <= 2 * sum(map(_header_bytes, weights))


def test_a_server_without_ranges_is_not_listened_to_to_the_end(hub: FakeHub) -> None:
    plain = {"config.json": CONFIG, "model.safetensors": save({"a": torch.ones(SHAPE)})}
    hub.repos["org/one"] = Repo(plain)
    hub.fault = failing("model.safetensors", "whole", 9)
    found = open_source("hub:org/one", headers_only=True)
    assert found.tensors["a"].shape == SHAPE


@pytest.mark.parametrize("how", ["500", "429", "reset", "cut"])
def test_trouble_with_a_header_is_waited_for_and_then_told(hub: FakeHub, how: str) -> None:
    hub.fault = failing("00001-of", how, 2)
    assert "a.weight" in open_source("hub:org/one", headers_only=True).tensors
    hub.fault = failing("00001-of", how, 10**6)
    with pytest.raises(SourceError, match="hub:org/one cannot be fetched: "):
        open_source("hub:org/one", headers_only=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (struct.pack("<Q", 2**60) + b"{}", "its header claims"),
        (struct.pack("<Q", 10) + b"x" * 10, "does not begin with"),
        (b"short", "the first 8 must give"),
        (save({"a": torch.ones(9)})[:-4], "should lie at bytes"),
        (struct.pack("<Q", 2) + b"{}" + b"left", "belong to no tensor"),
    ],
)
def test_headers_from_the_wire_obey_the_rules_of_files(hub, content: bytes, words: str) -> None:
    hub.repos["org/one"] = Repo({"config.json": CONFIG, "model.safetensors": content})
    with pytest.raises(SourceError, match=words) as caught:
        open_source("hub:org/one", headers_only=True)
    assert "hub:org/one/model.safetensors" in caught.value.message


def test_an_index_that_does_not_fit_its_shards_is_noticed_on_the_wire(hub: FakeHub) -> None:
    files = _model(1)
    table = json.loads(files["model.safetensors.index.json"])
    table["weight_map"]["c"] = "model-00002-of-00002.safetensors"
    hub.repos["org/one"] = Repo(
        files | {"model.safetensors.index.json": json.dumps(table).encode()}
    )
    with pytest.raises(SourceError, match="says that c is in"):
        open_source("hub:org/one", headers_only=True)


def test_offline_the_doctor_reads_the_cache(hub: FakeHub, recipe, monkeypatch) -> None:
    from huggingface_hub import constants

    doctor(recipe)
    for name in ("base", "one", "two"):
        open_source(f"hub:org/{name}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    report = doctor(recipe)
    assert report.is_well and report.fetch_bytes == 0
    assert hub.asked == []


def test_headers_are_read_with_the_asker_s_rights(hub: FakeHub) -> None:
    hub.repos["org/one"].gated = True
    hub.repos["org/one"].readers = ("friend",)
    rules = SourceRules(hub=True, token=Secret("hf_friend"))
    assert "a.weight" in open_source("hub:org/one", roots=rules, headers_only=True).tensors
    assert hub.users() == {"friend"}
    for token in (None, Secret("hf_reader")):
        with pytest.raises(SourceError, match="gated"):
            open_source("hub:org/one", roots=SourceRules(hub=True, token=token), headers_only=True)


def test_what_was_granted_is_read_from_the_cache_and_from_nowhere_else(hub: FakeHub) -> None:
    commit = commit_of(hub.repos["org/one"].files)
    source, rules = f"hub:org/one@{commit}", SourceRules(granted=(f"org/one@{commit}",))
    open_source(source, headers_only=True)  # its small files are in the cache now
    hub.asked.clear()
    with pytest.raises(SourceError, match="has not been fetched yet"):
        open_source(source, roots=rules)
    open_source(source)
    hub.asked.clear()
    assert "a.weight" in open_source(source, roots=rules).tensors
    assert hub.asked == []
    for other in ("hub:org/one", "hub:org/two", f"hub:org/two@{commit}"):
        with pytest.raises(SourceError, match="not a model that this app may open"):
            open_source(other, roots=rules)
