"""Which tensors stand before the layers: read from names here, listed in tables in mergekit."""

import json
from importlib import resources
from pathlib import Path

import pytest

from merger.places import LAYER, comes_before_layers
from tests.conformance.pico import running

pytestmark = pytest.mark.conformance
TABLES = sorted(
    path
    for path in Path(str(resources.files(running.__package__))).glob("_data/architectures/*.json")
    if "modules" not in json.loads(path.read_text("utf-8"))
)


def test_there_are_tables():
    assert len(TABLES) > 40


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_embeddings_stand_before_the_layers_and_norms_and_heads_after_them(table):
    found = json.loads(table.read_text("utf-8"))
    for side in ("pre_weights", "post_weights"):
        for weight in found.get(side, ()):
            for name in (weight["name"], *weight.get("aliases", ())):
                assert comes_before_layers(name) == (side == "pre_weights"), name
                # Phi-1 calls its embedding layers.0 and its head layers.25: refused, not guessed.
                assert table.name == "phi-1.json" or LAYER.search(name) is None
