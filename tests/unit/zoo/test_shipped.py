"""The zoo that comes with the program is what its index says."""

import hashlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from merger.errors import SourceError
from merger.zoo import read

TASKS = [task.name for task in read.zoo_info().tasks]
SPLITS = ("calibration", "validation", "test")


def test_listing_needs_no_torch():
    code = (
        "import sys; from merger.zoo.read import tasks, zoo_info; zoo_info().to_json(); tasks();"
        "assert not {'torch', 'transformers', 'PIL', 'fontTools'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("task", TASKS)
def test_no_image_is_in_two_splits(task):
    seen: set[bytes] = set()
    for split in SPLITS:
        images = read.load_task(task, split).images
        mine = {hashlib.sha256(image.tobytes()).digest() for image in images}
        assert not mine & seen
        seen |= mine


@pytest.mark.parametrize("task", TASKS)
def test_no_font_family_is_on_two_sides(task):
    families = [set(read.load_task(task, split).family.tolist()) for split in SPLITS]
    assert not families[0] & families[1]
    assert not families[0] & families[2]
    assert not families[1] & families[2]


@pytest.mark.parametrize("task", TASKS)
def test_splits_are_as_large_as_the_index_says(task):
    info = read.zoo_info().task(task)
    for split in SPLITS:
        assert len(read.load_task(task, split).labels) == info.n[split]
    assert info.n["test"] >= 500 and info.n["validation"] >= 400
    labels = read.load_task(task, "test").labels
    assert np.bincount(labels).tolist() == [len(labels) // len(info.classes)] * len(info.classes)


@pytest.mark.parametrize("name", ["base", "mnist"])
def test_transformers_opens_the_folders_without_a_warning(name, caplog):
    from transformers import AutoModel

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = AutoModel.from_pretrained(read.checkpoint_folder(name))
    assert type(model).__name__ == "ViTModel"
    assert not [record for record in caplog.records if record.levelname != "INFO"]


def test_every_checkpoint_opens_with_the_names_of_the_base():
    base = read.load_checkpoint("base")
    for expert in read.zoo_info().experts:
        tensors = read.load_checkpoint(expert.name, expert.step)
        assert {k: v.shape for k, v in tensors.items()} == {k: v.shape for k, v in base.items()}
        assert all(bool(torch.isfinite(v).all()) for v in tensors.values())


@pytest.mark.parametrize("step", [None, 64])
def test_a_head_reproduces_the_recorded_number_of_right_answers(step):
    from merger.runner import Runner
    from merger.zoo.model import to_input

    source = read.open_checkpoint("mnist", step)
    runner = Runner(source.config(), {k: v.shape for k, v in source.tensors.items()})
    runner.load(read.load_checkpoint("mnist", step))
    data, head = read.load_task("mnist", "test"), read.load_head("mnist")
    with torch.inference_mode():
        hidden = runner.module(pixel_values=to_input(data.images)).last_hidden_state
    guess = read.head_logits(hidden[:, 1:].mean(1), head).argmax(1).numpy()
    value, n = read.zoo_info().accuracy("mnist", step, "test")
    # Other processors round other bits: one image on the edge may fall to the other side.
    assert abs(int((guess == data.labels).sum()) - round(value * n)) <= 1


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: read.load_checkpoint("mnits"), "Did you mean 'mnist'"),
        (lambda: read.load_checkpoint("mnist", 65), "there is no checkpoint of that step"),
        (lambda: read.load_checkpoint("base", 8), "the base has no steps"),
        (lambda: read.load_task("latin", "tset"), "Did you mean 'test'"),
        (lambda: read.load_task("latn", "test"), "Did you mean 'latin'"),
        (lambda: read.load_head("greeek"), "Did you mean 'greek'"),
    ],
)
def test_a_wrong_name_is_met_with_the_near_miss(ask, said):
    with pytest.raises(SourceError, match=said):
        ask()


def test_a_folder_without_a_zoo_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no zoo"):
        read.zoo_info(tmp_path)


def test_the_shipped_zoo_is_small_enough_for_git():
    total = sum(p.stat().st_size for p in read.ZOO_DIR.rglob("*") if p.is_file())
    assert total < 40e6
