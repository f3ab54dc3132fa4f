"""Conflict: where experts pull the same weights in opposite directions, beside chance."""

from viz.figures.cancelled import draw_cancelled, patch_cancelled
from viz.figures.conflict import draw_conflict, draw_pairs, patch_conflict, patch_pairs
from viz.figures.histogram import draw_histogram, patch_histogram
from viz.spec import PanelSpec, Screen

SCREEN = Screen(
    id="conflict",
    title="Conflict",
    order=2,
    panels=(
        PanelSpec(
            id="conflict-grid",
            title="Where do the experts disagree?",
            height=320,
            measure=lambda scene: scene.measured.signs(scene.weights),
            draw=draw_conflict,
            patch=patch_conflict,
            frame=lambda scene, info: [],
            why="Share of the change that lies on weights whose experts disagree in sign, by "
            "layer and module. Chance turns every expert's signs around at random on the same "
            "magnitudes; a mark means outside the band that holds 95% of that.",
        ),
        PanelSpec(
            id="histogram",
            title="One tensor up close",
            height=380,
            measure=lambda scene: (
                scene.measured.histogram(scene.key, scene.weights),
                scene.colours,
            ),
            draw=lambda info: draw_histogram(*info),
            patch=lambda info: patch_histogram(info[0]),
            frame=lambda scene, info: [scene.key],
            caption="Click a cell of the map to look into that tensor.",
            why="How each expert changed the weights of one tensor, on shared bins.",
        ),
        PanelSpec(
            id="conflict-pairs",
            title="Which experts conflict?",
            height=380,
            measure=lambda scene: scene.measured.signs(scene.weights),
            draw=draw_pairs,
            patch=patch_pairs,
            frame=lambda scene, info: [],
            why="The same for every pair of experts, on weights that matter to both.",
        ),
        PanelSpec(
            id="cancelled",
            title="How much do the experts cancel?",
            height=320,
            measure=lambda scene: scene.cancelled,
            draw=draw_cancelled,
            patch=patch_cancelled,
            frame=lambda scene, info: [],
            why="1 − Σ|Σᵢ wᵢτᵢ| / Σ Σᵢ|wᵢτᵢ|: what is lost when the weighted changes are added. "
            "Moves with the coefficients.",
        ),
    ),
)
