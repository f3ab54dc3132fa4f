"""`merge` with a method that gives every expert a model of its own."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from merger.spec import METHODS

PER_TASK = [m.name for m in METHODS.values() if m.output == "per_task"]


@pytest.fixture(autouse=True)
def quiet():
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    yield
    if shown:
        logging.enable_progress_bar()


@pytest.mark.parametrize("method", PER_TASK)
def test_every_expert_gets_a_folder_that_loads_and_says_whose_it_is(run, recipe, tmp_path, method):
    out = tmp_path / "out"
    said = run("merge", recipe(method=method), "--out", out, "--json")
    assert said.code == 0, said.err
    assert sorted(p.name for p in out.iterdir()) == ["alpha", "beta", "gamma"]
    assert {f.partition("/")[0] for f in said.json["files"]} == {"alpha", "beta", "gamma"}
    for name in ("alpha", "beta", "gamma"):
        card = (out / name / "README.md").read_text("utf-8")
        assert f"This is the model for {name}." in card
        assert METHODS[method].title in card
        if method != "rmm":
            assert f"Stored as {METHODS[method].title} can, all 3 models take 0.0" in card
        model, told = AutoModelForCausalLM.from_pretrained(out / name, output_loading_info=True)
        assert not any(told.values())
        assert all(torch.isfinite(p).all() for p in model.parameters())


def test_what_an_expert_gets_is_nearer_to_it_than_what_others_get(run, recipe, family, tmp_path):
    run("merge", recipe("params: {rescale: none}", method="emr"), "--out", tmp_path / "out")

    def weights(folder) -> torch.Tensor:
        parts = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
        whole = {k: v for part in parts for k, v in part.items()}
        return torch.cat([whole[k].flatten().float() for k in sorted(whole)])

    for name in ("alpha", "beta", "gamma"):
        apart = {
            other: (weights(tmp_path / "out" / name) - weights(family / other)).norm().item()
            for other in ("alpha", "beta", "gamma")
        }
        assert min(apart, key=apart.__getitem__) == name
