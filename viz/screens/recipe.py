"""Recipe & export: the recipe as text, what is written of it, and what an adapter would keep."""

from viz.adapters import energy_of
from viz.figures.energy import HEIGHT, TITLE, draw_energy, frame_energy, patch_energy
from viz.spec import PanelSpec, Screen

SCREEN = Screen(
    id="recipe",
    title="Recipe & export",
    order=99,
    above="ms-recipe-root",
    panels=(
        PanelSpec(
            id="adapter",
            title=TITLE,
            height=HEIGHT,
            measure=energy_of,
            draw=draw_energy,
            patch=patch_energy,
            frame=lambda scene, info: frame_energy(info),
            wide=True,
            why="Δ ≈ BA with the strongest singular directions of each matrix's change, which no "
            "other matrix of this rank comes closer to (Eckart and Young, 1936). The energy of "
            "r directions is Σ σ² over the r strongest of each matrix, as a share of all; "
            "what is lost has the length √(1 − that share). What no factors can stand for, such "
            "as norms, biases and embeddings, is stored whole.",
        ),
    ),
)
