"""A tiny zoo is built twice by the real code, from shipped-like images, and comes out the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from merger.zoo.build import build_zoo
from merger.zoo.data import TASKS, Split, TaskImages, TaskSpec
from merger.zoo.fonts import Glyphs
from merger.zoo.gather import Slice
from merger.zoo.pretrain import PretrainSettings
from merger.zoo.read import checkpoint_folder, load_checkpoint, load_head, load_task, zoo_info
from merger.zoo.train import ExpertSettings, flip_labels


def _split(seed: int, n: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 90, (n, 28, 28))
    images[np.arange(n), :, :14] += labels[:, None, None] * 60
    return Split(images.astype(np.uint8), labels, 1000 * seed + np.arange(n) // 2)


def _task(name: str, seed: int) -> TaskImages:
    spec = TaskSpec(name, ("a", "b", "c"), "plain", "stripes")
    return TaskImages(spec, _split(seed, 200), _split(seed + 1, 12), _split(seed + 2, 15))


def tiny() -> Slice:
    whole = _split(9, 80)
    return Slice(
        glyphs=Glyphs(whole.images, whole.labels, whole.family),
        tasks=(_task("one", 1), _task("two", 4)),
        pretrain=replace(PretrainSettings(), steps=3, batch=8, warmup=2),
        experts=replace(ExpertSettings(), steps=(2, 4), batch=8, warmup=2),
        shape={"hidden": 24, "layers": 1, "heads": 2},
        sources={"photographs": []},
    )


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Path:
    return build_zoo(tmp_path_factory.mktemp("zoo") / "zoo", slice=tiny())


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_two_builds_are_the_same_bytes(zoo, tmp_path):
    again = build_zoo(tmp_path / "zoo", slice=tiny(), cache=tmp_path / "cache")
    cached = build_zoo(tmp_path / "third", slice=tiny(), cache=tmp_path / "cache")
    assert _bytes(zoo) == _bytes(again) == _bytes(cached)


def test_another_seed_makes_another_zoo(zoo, tmp_path):
    other = build_zoo(tmp_path / "zoo", slice=tiny(), seed=1)
    name = "base/model.safetensors"
    assert _bytes(zoo)[name] != _bytes(other)[name]


def test_an_old_zoo_is_replaced_whole(tmp_path):
    out = tmp_path / "zoo"
    out.mkdir()
    (out / "stale").write_text("old")
    build_zoo(out, slice=tiny())
    assert not (out / "stale").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["zoo"]


def test_the_index_lists_every_checkpoint(zoo):
    info = zoo_info(zoo)
    assert info.names() == ("one", "two")
    assert info.steps("one") == (2, 4)
    assert info.accuracy("one", 2, "test")[1] == 15
    assert checkpoint_folder("one", 2, zoo) is None
    assert checkpoint_folder("one", None, zoo) == zoo / "experts" / "one"


def test_the_final_checkpoint_is_the_folder_and_earlier_ones_differ(zoo):
    final = load_checkpoint("one", path=zoo)
    early = load_checkpoint("one", 2, path=zoo)
    base = load_checkpoint("base", path=zoo)
    assert set(final) == set(early) == set(base)
    assert {t.dtype for t in early.values()} == {torch.float16}
    assert any(not torch.equal(early[name], base[name]) for name in base)
    assert any(not torch.equal(early[name], final[name]) for name in base)
    pooler = [name for name in base if "pooler" in name]
    assert pooler and all(torch.equal(final[name], base[name]) for name in pooler)


def test_a_task_keeps_labels_of_held_out_images_only(zoo):
    hidden, held = load_task("one", "calibration", zoo), load_task("one", "test", zoo)
    assert hidden.images.shape == (128, 28, 28) and set(hidden.labels) == {-1}
    assert held.classes == ("a", "b", "c") and held.labels.max() == 2
    assert load_head("one", zoo).vectors.shape == (3, 24)


def test_flipped_labels_are_flagged_and_always_wrong():
    labels = np.arange(200) % 5
    noisy, flagged = flip_labels(labels, 0.05, 3)
    assert flagged.sum() == 10
    assert np.array_equal(noisy != labels, flagged)
    assert noisy.min() >= 0 and noisy.max() < 5


def test_tasks_have_as_many_names_as_characters():
    assert [task.name for task in TASKS] == [
        *("mnist", "fashion", "latin", "hiragana", "arabic", "greek")
    ]
    assert all(len(set(task.chars)) == 12 for task in TASKS if task.chars)
