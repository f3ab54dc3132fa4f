"""Keep mergekit from leaving models of the last slice out of the head."""

from collections.abc import Sequence
from typing import Any

from merger.errors import RecipeError
from merger.mergekit.export import model_text
from merger.mergekit.findings import Findings
from merger.mergekit.segments import Segment


def keep_all_in_head(
    slices: list[dict[str, Any]], segments: Sequence[Segment], findings: Findings
) -> None:
    """Give the first slice as many sources as the last: mergekit leaves out the others' heads."""
    first, last = slices[0]["sources"], slices[-1]["sources"]
    for extra in last[len(first) :]:
        known = [
            r for s in segments for r in s.runs if model_text(r.source, None) == extra["model"]
        ]
        length = segments[0].stop - segments[0].start
        if extra["model"] in [s["model"] for s in first] or max(r.stop for r in known) < length:
            raise RecipeError(
                "mergekit leaves models of the last slice out of lm_head and the final norm where "
                "the first slice has fewer.",
                "Give all layers the same number of models.",
            )
        own = {name: 0.0 if name == "weight" else _usual(v)
               for name, v in extra.get("parameters", {}).items()}  # fmt: skip
        first.append({"model": extra["model"], "layer_range": [0, length], "parameters": own})
        findings.note(
            f"{extra['model']} stands in the first slice with weight 0: else mergekit leaves it "
            "out of lm_head and the final norm.",
            "slices",
        )


def _usual(value: Any) -> Any:
    """Return the first value that a parameter has where no filter holds."""
    last = value[-1] if isinstance(value, list) else value
    return last["value"] if isinstance(last, dict) else value
