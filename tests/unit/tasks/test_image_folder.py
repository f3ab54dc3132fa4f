"""Images in a folder of classes: answers as transformers gives them, splits, and refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from merger.checkpoint import FileCheckpoint
from merger.errors import TaskError
from merger.runner import Runner
from merger.scorer import float_shapes, read_tensors
from merger.scoring import score
from merger.tasks import find_tasks
from merger.tasks.base import Explained, Task
from merger.tasks.image_files import ImageFiles
from merger.tasks.image_folder import ImageFolderTask
from tests.heads import SHAPES, save_image_head, save_pictures


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_image_head(folder / "base")
    save_pictures(folder / "rooms")
    return folder


def loaded(folder: Path, tensors: dict[str, torch.Tensor] | None = None) -> Runner:
    model = FileCheckpoint(folder)
    config = model.config()
    assert config is not None
    runner = Runner(config, float_shapes(model))
    runner.load(read_tensors(model) if tensors is None else tensors)
    return runner


def test_a_head_answers_as_transformers_does_one_image_at_a_time(models: Path) -> None:
    task = ImageFolderTask("rooms", ImageFiles(models / "rooms"), models / "base")
    model = transformers.ViTForImageClassification.from_pretrained(models / "base").eval()
    right = []
    for path in task.files.split("validation").paths:
        pixels = np.asarray(Image.open(path).resize((8, 8), Image.Resampling.BILINEAR), np.float32)
        given = torch.from_numpy((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
        with torch.inference_mode():
            right.append(SHAPES[int(model(given).logits[0].argmax())] == path.parent.name)
    found = task.predict(loaded(models / "base"), "validation")
    assert found.top.tolist() == [float(x) for x in right]
    index = np.array([3, 0])
    part = task.predict(loaded(models / "base"), "validation", index=index)
    assert part == found.take(index)
    assert isinstance(task, Task) and isinstance(task, Explained)


def test_a_head_that_always_says_light_is_right_on_the_light_ones(models: Path) -> None:
    tensors = read_tensors(FileCheckpoint(models / "base"))
    tensors["classifier.weight"] = torch.zeros_like(tensors["classifier.weight"])
    tensors["classifier.bias"] = torch.tensor([0.0, 1.0])
    task = ImageFolderTask("rooms", ImageFiles(models / "rooms"), models / "base")
    labels = task.files.split("test").labels
    found = task.predict(loaded(models / "base", tensors), "test")
    assert found.value == labels.count("light") / len(labels)


def test_a_folder_of_images_beside_the_models_is_a_task(models: Path) -> None:
    found = find_tasks(FileCheckpoint(models / "base"))
    assert [(task.name, task.metric) for task in found] == [("images:rooms", "accuracy")]
    report = score(models / "base", split="test")
    assert report.tasks[0].n == found[0].splits["test"]
    assert "24 different images, of which 24 count" in report.notes[0]


def test_images_that_repeat_or_look_alike_never_lie_on_both_sides(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for kind in ("dark", "light"):
        (tmp_path / kind).mkdir()
        for i in range(12):
            coarse = Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8))
            picture = coarse.resize((160, 120), Image.Resampling.BICUBIC)
            picture.save(tmp_path / kind / f"{i}.png")
            # Smaller, and with the losses of a JPEG.
            picture.resize((100, 75)).save(tmp_path / kind / f"{i}.jpg", quality=80)
    (tmp_path / "dark" / "same.png").write_bytes((tmp_path / "dark" / "0.png").read_bytes())
    files = ImageFiles(tmp_path)
    assert sum(files.sizes.values()) == 48  # the repeated bytes count once
    sides = [
        {f"{path.parent.name}/{path.stem}" for path in files.split(split).paths}
        for split in ("validation", "test")
    ]
    assert len(sides[0]) + len(sides[1]) == 24 and not sides[0] & sides[1]


def test_folders_that_are_no_classes_are_refused_by_name(models: Path, tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "rooms", count=3)
    (folder / "dark").rename(folder / "gloomy")
    with pytest.raises(TaskError, match="'gloomy'; base knows 'dark', 'light'"):
        _ = ImageFolderTask("rooms", ImageFiles(folder), models / "base").splits


def test_what_is_no_image_is_refused_by_name(models: Path, tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "rooms", count=3)
    (folder / "dark" / "bad.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(TaskError, match="dark/bad.png: must be an image that can be read"):
        _ = ImageFiles(folder).sizes
    with pytest.raises(TaskError, match="its subfolders hold no image"):
        _ = ImageFiles(models / "base").sizes


def test_a_model_without_its_preprocessor_is_refused(models: Path, tmp_path: Path) -> None:
    save_image_head(tmp_path / "base")
    (tmp_path / "base" / "preprocessor_config.json").unlink()
    task = ImageFolderTask("rooms", ImageFiles(models / "rooms"), tmp_path / "base")
    with pytest.raises(TaskError, match="images need its preprocessor_config.json"):
        _ = task.splits


def test_an_image_outside_the_folder_is_not_read(models: Path, tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "rooms", count=3)
    save_pictures(tmp_path / "secret", count=1, seed=9)
    (folder / "dark" / "link.png").symlink_to(tmp_path / "secret" / "dark" / "0.png")
    assert sum(ImageFiles(folder).sizes.values()) == 6
