"""Overlap: do the experts change the same weights, and how much where?"""

from viz.figures.norms import draw_norms, patch_norms
from viz.figures.overlap import draw_overlap, patch_overlap
from viz.spec import PanelSpec, Screen

SCREEN = Screen(
    id="overlap",
    title="Overlap",
    order=3,
    panels=(
        PanelSpec(
            id="overlap",
            title="Do they change the same weights?",
            height=360,
            measure=lambda scene: scene.measured.overlap(scene.share),
            draw=draw_overlap,
            patch=patch_overlap,
            frame=lambda scene, info: [],
            why="Jaccard index of the weights that each expert changed most (the largest share k "
            "of |τ|). Chance moves each expert's support at random inside every tensor.",
        ),
        PanelSpec(
            id="norms",
            title="How far did each move?",
            height=360,
            measure=lambda scene: (scene.norms, scene.colours),
            draw=lambda info: draw_norms(*info),
            patch=lambda info: patch_norms(info[0]),
            frame=lambda scene, info: [],
            why="‖τ‖ per layer as a share of the base's norm there; the merged model beside the "
            "experts.",
        ),
    ),
)
