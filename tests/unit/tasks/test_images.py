"""Accuracy on images: heads, chunks and shared batches against hand-made answers."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import transformers

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.base import draw_subset, pick_tasks
from merger.tasks.images import ImageBatch, ImageTask, backbone_features, to_input
from merger.zoo.head import Head, head_logits


@dataclass
class Pictures:
    images: np.ndarray
    labels: np.ndarray
    family: np.ndarray


def tiny_vit() -> tuple[Runner, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=28,
        patch_size=7,
        num_channels=1,
        architectures=["ViTModel"],
    )
    model = transformers.ViTModel(config).eval()
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    # In-memory names serve as names on disk too: transformers accepts both.
    return Runner(config.to_dict(), shapes), dict(model.state_dict())


def pictures(n: int, seed: int, classes: int = 3) -> Pictures:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    return Pictures(images, np.arange(n) % classes, np.arange(n) // 4)


def task_of(name: str, data: Pictures, head: Head) -> ImageTask:
    n = len(data.labels)
    return ImageTask(name, name, name, {"validation": n, "test": n}, lambda _: data, lambda: head)


def random_head(seed: int, classes: int = 3) -> Head:
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randn(classes, 24, generator=draw)
    return Head(torch.zeros(24), torch.ones(24), torch.nn.functional.normalize(vectors, dim=1))


def test_pixels_are_shifted_by_a_quarter_and_spread_by_035() -> None:
    image = np.array([[[0, 255]]], np.uint8)
    assert torch.allclose(to_input(image), torch.tensor([[[[-0.25 / 0.35, 0.75 / 0.35]]]]))


def test_head_logits_are_twelve_times_the_cosine() -> None:
    head = Head(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0]), torch.eye(2))
    # (7 - 1) / 2 = 3 and 4: the unit vector is (0.6, 0.8).
    logits = head_logits(torch.tensor([[7.0, 4.0]]), head)
    assert torch.allclose(logits, torch.tensor([[7.2, 9.6]]))


def test_features_are_the_mean_of_the_sixteen_patch_tokens() -> None:
    runner, tensors = tiny_vit()
    runner.load(tensors)
    data = pictures(2, 0)
    hidden = runner.module(pixel_values=to_input(data.images)).last_hidden_state
    assert hidden.shape == (2, 17, 24)
    expected = sum(hidden[:, i] for i in range(1, 17)) / 16
    assert torch.allclose(backbone_features(runner, data.images), expected, atol=1e-6)


def test_accuracy_counts_the_labels_that_the_head_gives() -> None:
    runner, tensors = tiny_vit()
    runner.load(tensors)
    data, head = pictures(10, 1), random_head(2)
    said = head_logits(backbone_features(runner, data.images), head).argmax(1).numpy()
    data.labels = said.copy()
    data.labels[[2, 5, 6]] = (said[[2, 5, 6]] + 1) % 3
    outcomes = task_of("t", data, head).predict(runner, "validation")
    assert outcomes.value == pytest.approx(0.7)
    assert [i for i, right in enumerate(outcomes.top) if not right] == [2, 5, 6]
    assert outcomes.clusters.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert outcomes.clustered


def test_one_batch_for_all_tasks_gives_what_each_task_gives_alone() -> None:
    runner, tensors = tiny_vit()
    runner.load(tensors)
    tasks = [task_of(f"t{i}", pictures(50 + i, i), random_head(i)) for i in range(3)]
    index = [np.arange(0, 50 + i, 2) for i in range(3)]
    parts = [(task, "test", chosen) for task, chosen in zip(tasks, index, strict=True)]
    together = ImageBatch(parts).predict(runner)
    for task, chosen, outcomes in zip(tasks, index, together, strict=True):
        assert outcomes == task.predict(runner, "test", index=chosen)


def test_pause_is_called_before_each_chunk_of_64() -> None:
    runner, tensors = tiny_vit()
    runner.load(tensors)
    calls: list[int] = []
    task_of("t", pictures(130, 0), random_head(0)).predict(runner, "test", pause=calls.append)
    assert calls == [0, 64, 128]


def test_a_subset_takes_the_same_share_of_every_class_and_never_changes() -> None:
    labels = np.repeat(np.arange(4), [40, 40, 20, 20])
    chosen = draw_subset(labels, 24, "mnist")
    assert np.bincount(labels[chosen]).tolist() == [8, 8, 4, 4]
    assert np.array_equal(chosen, draw_subset(labels, 24, "mnist"))
    assert not np.array_equal(chosen, draw_subset(labels, 24, "greek"))
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(draw_subset(labels, 500, "mnist"), np.arange(120))


def test_a_wrong_task_name_gets_the_near_miss() -> None:
    tasks = [task_of(name, pictures(3, 0), random_head(0)) for name in ("mnist", "greek")]
    with pytest.raises(TaskError, match="Did you mean 'mnist'"):
        pick_tasks(["minst"], tasks)
    assert [task.name for task in pick_tasks(["greek", "mnist", "greek"], tasks)] == [
        "greek",
        "mnist",
    ]


def test_a_wrong_split_is_refused() -> None:
    runner, _ = tiny_vit()
    with pytest.raises(TaskError, match="Did you mean 'validation'"):
        task_of("t", pictures(3, 0), random_head(0)).predict(runner, "validaton")
