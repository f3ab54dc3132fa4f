"""What fine-tuning changed becomes an adapter, which gives the model back."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ViTConfig, ViTModel

from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import FileCheckpoint
from merger.errors import MergeError, RecipeError
from merger.module_names import parameter_names
from merger.refactor import extract
from tests.builders import build_llama_family

TINY: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "image_size": 8, "patch_size": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), dtype="float32")


def again(family: Path, out: Path) -> AdaptedCheckpoint:
    return AdaptedCheckpoint(FileCheckpoint(family / "base"), out)


def test_at_full_rank_the_model_comes_back(family: Path, tmp_path: Path) -> None:
    found = extract(f"file:{family}/alpha", f"file:{family}/base", tmp_path / "out", 99)
    tuned, made = FileCheckpoint(family / "alpha"), again(family, tmp_path / "out")
    assert found.error < 1e-6 and found.rank == 16 and not found.unnamed
    for key in tuned.tensors:
        torch.testing.assert_close(made.read(key), tuned.read(key), atol=1e-6, rtol=1e-5)
    assert set(found.whole) == {k for k in tuned.tensors if "norm" in k or "embed" in k}
    assert len(found.fits) == 14 and found.ranks == (1, 2, 4, 8, 16)
    assert found.energy[-1] == pytest.approx(1.0) and list(found.energy) == sorted(found.energy)


@pytest.mark.parametrize("energy", [0.5, 0.9])
def test_each_matrix_gets_as_many_directions_as_the_energy_takes(
    family: Path, tmp_path: Path, energy: float
) -> None:
    sources = f"file:{family}/alpha", f"file:{family}/base"
    found = extract(*sources, tmp_path / "out", energy=energy)
    base, tuned = FileCheckpoint(family / "base"), FileCheckpoint(family / "alpha")
    for fit in found.fits:
        shape = base.tensors[fit.key].shape
        change = (tuned.read(fit.key) - base.read(fit.key)).reshape(shape).double()
        held = torch.linalg.svdvals(change).square().cumsum(0)
        held /= held[-1].clone()
        assert held[fit.rank - 1] >= energy and (fit.rank == 1 or held[fit.rank - 2] < energy)
        assert fit.exact == pytest.approx(float(1 - held[fit.rank - 1]) ** 0.5, abs=1e-4)
        wanted = [float(held[min(rank, len(held)) - 1]) for rank in found.ranks]
        assert fit.energy == pytest.approx(wanted, abs=1e-6)


def test_rounding_is_told_apart_from_what_the_rank_loses(family: Path, tmp_path: Path) -> None:
    sources = f"file:{family}/alpha", f"file:{family}/base"
    found = extract(*sources, tmp_path / "out", 99, out_dtype="bfloat16")
    assert found.exact < 1e-6 < 1e-4 < found.error < 1e-2
    stored = FileCheckpoint(tmp_path / "out" / "adapter_model.safetensors")
    assert {info.dtype for info in stored.tensors.values()} == {"BF16"}


def test_modules_are_called_as_in_memory(tmp_path: Path) -> None:
    for i, name in enumerate(("base", "tuned")):
        torch.manual_seed(i)
        ViTModel(ViTConfig(**TINY)).save_pretrained(tmp_path / name)
    base = FileCheckpoint(tmp_path / "base")
    model = ViTModel.from_pretrained(tmp_path / "base")
    names = parameter_names(base).by_key
    parameters = dict(model.named_parameters())
    assert set(names) == set(base.tensors) and any(key != name for key, name in names.items())
    for key, name in names.items():
        assert torch.equal(parameters[name].detach().flatten(), base.read(key)), key


def test_what_no_adapter_can_hold_is_left_as_the_base_has_it(tmp_path: Path) -> None:
    for i, name in enumerate(("base", "tuned")):
        torch.manual_seed(i)
        ViTModel(ViTConfig(**TINY)).save_pretrained(tmp_path / name)
    sources = f"file:{tmp_path}/tuned", f"file:{tmp_path}/base"
    with pytest.raises(MergeError, match="an adapter cannot hold that") as refused:
        extract(*sources, tmp_path / "out", 4)
    assert "--leave-out" in refused.value.hint
    found = extract(
        *sources, tmp_path / "out", 4, leave_out=["*cls_token", "*position_embeddings"]
    )
    made = AdaptedCheckpoint(FileCheckpoint(tmp_path / "base"), tmp_path / "out")
    base = FileCheckpoint(tmp_path / "base")
    left = [key for key in base.tensors if torch.equal(made.read(key), base.read(key))]
    assert {key.rpartition(".")[2] for key in left} >= {"cls_token", "position_embeddings"}
    assert found.fits and not {fit.key for fit in found.fits} & set(left)


def test_bad_requests_are_refused(family: Path, tmp_path: Path) -> None:
    sources = f"file:{family}/alpha", f"file:{family}/base"
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "needs a rank or an energy"),
        ({"energy": 0.0}, "above 0 and at most 1"),
        ({"rank": 0}, "at least 1"),
    )
    for options, words in bad:
        with pytest.raises(RecipeError, match=words):
            extract(*sources, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
