"""Realistic figures in the form that viz/figures makes: bars, matrices, lines."""

import math
from typing import Any

TASKS = ["digits", "letters", "kana", "fashion", "faces", "signs"]
ACCURACY = [0.91, 0.84, 0.62, 0.88, 0.97, 0.55]
EXPERT = [0.98, 0.93, 0.89, 0.92, 0.99, 0.81]
LAYERS = [f"layer {i}" for i in range(12)]
MODULES = ["query", "key", "value", "output", "up", "down"]


def bars(names: list[str] | None = None) -> dict[str, Any]:
    """Accuracy per task as horizontal bars with interval, expert's mark and number."""
    names = names or TASKS
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": "merged",
                "y": names,
                "x": ACCURACY,
                "marker": {"color": "@agree"},
                "customdata": names,
                "error_x": {
                    "type": "data",
                    "array": [0.02] * 6,
                    "arrayminus": [0.02] * 6,
                    "color": "@text",
                    "thickness": 1.2,
                    "width": 3,
                },
                "hovertemplate": "<b>%{y}</b><br>merged %{x:.1%}<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "expert",
                "y": names,
                "x": EXPERT,
                "customdata": names,
                "marker": {
                    "symbol": "line-ns-open",
                    "size": 18,
                    "color": "@text",
                    "line": {"width": 2},
                },
                "hovertemplate": "%{y}: its expert alone %{x:.1%}<extra></extra>",
            },
        ],
        "layout": {
            "xaxis": {
                "range": [0, 1.02],
                "tickformat": ".0%",
                "title": {"text": "accuracy on validation"},
            },
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "showlegend": True,
        },
        "meta": {
            "title": "Accuracy per task",
            "caption": "Bars are the merged model, marks the expert of each task. "
            "A gap is the price of merging.",
            "alt": "digits 91.0%, letters 84.0%, kana 62.0%.",
            "table": {
                "columns": ["task", "merged", "expert"],
                "rows": [list(row) for row in zip(names, ACCURACY, EXPERT, strict=True)],
            },
            "height": 300,
            "kind": "estimated",
            "n": 480,
            "split": "validation",
            "clickable": True,
        },
    }


def bars_patch(values: list[float]) -> dict[str, Any]:
    """The bars at other values."""
    return {
        "traces": {
            "merged": {"x": values, "error_x": {"array": [0.03] * 6, "arrayminus": [0.03] * 6}}
        },
        "meta": {
            "alt": f"digits {values[0]:.1%}.",
            "table": {
                "columns": ["task", "merged"],
                "rows": [[t, v] for t, v in zip(TASKS, values, strict=True)],
            },
        },
    }


def cosine_values(shift: float = 0.0) -> list[list[float]]:
    """A symmetric matrix between -1 and 1 with a diagonal of ones."""
    n = len(TASKS)
    return [
        [1.0 if i == j else round(0.7 * math.cos(1.9 * (i + j) + shift), 3) for j in range(n)]
        for i in range(n)
    ]


def cosine(z: list[list[float]] | None = None) -> dict[str, Any]:
    """Cosine between task vectors, with the number in each cell."""
    z = z or cosine_values()
    return {
        "data": [
            {
                "type": "heatmap",
                "name": "cosine",
                "x": TASKS,
                "y": TASKS,
                "z": z,
                "customdata": [[[a, b] for b in TASKS] for a in TASKS],
                "zmin": -1,
                "zmax": 1,
                "colorscale": "@diverging",
                "texttemplate": "%{z:.2f}",
                "colorbar": {
                    "tickvals": [-1, 0, 1],
                    "ticktext": ["pull apart", "unrelated", "pull together"],
                },
                "hovertemplate": "%{y} and %{x}: %{z:.2f}<extra></extra>",
            }
        ],
        "layout": {"yaxis": {"autorange": "reversed"}, "xaxis": {"side": "bottom"}},
        "meta": {
            "title": "Do the experts agree?",
            "caption": "Cosine between task vectors. Orange pairs pull the same weights apart.",
            "alt": "15 pairs.",
            "table": {
                "columns": ["", *TASKS],
                "rows": [[t, *r] for t, r in zip(TASKS, z, strict=True)],
            },
            "height": 300,
            "kind": "measured",
        },
    }


def layers() -> dict[str, Any]:
    """Conflict rate by layer and module."""
    z = [
        [round(0.5 + 0.35 * math.sin(i * 0.5 + j) * (i / 12), 3) for j in range(len(MODULES))]
        for i in range(len(LAYERS))
    ]
    return {
        "data": [
            {
                "type": "heatmap",
                "name": "conflict",
                "x": MODULES,
                "y": LAYERS,
                "z": z,
                "customdata": [[f"{a}.{m}" for m in MODULES] for a in LAYERS],
                "zmin": 0,
                "zmax": 1,
                "colorscale": "@conflicts",
                "colorbar": {"tickformat": ".0%"},
                "hovertemplate": "%{y} %{x}: %{z:.1%}<extra></extra>",
            }
        ],
        "layout": {"yaxis": {"autorange": "reversed"}},
        "meta": {
            "title": "Where do signs collide?",
            "caption": "Share of entries whose signs differ, by layer and module.",
            "alt": "12 layers, 6 modules.",
            "table": {
                "columns": ["layer", *MODULES],
                "rows": [[a, *r] for a, r in zip(LAYERS, z, strict=True)],
            },
            "height": 340,
            "clickable": True,
        },
    }


def lines() -> dict[str, Any]:
    """Norm of each expert's task vector by layer."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": task,
            "x": list(range(12)),
            "y": [round(1 + 0.2 * k + 0.5 * math.sin(i / 3 + k), 3) for i in range(12)],
            "line": {"color": f"@expert-{k + 1}", "width": 2},
            "marker": {"size": 5, "color": f"@expert-{k + 1}"},
            "hovertemplate": "layer %{x}: %{y:.2f}<extra>" + task + "</extra>",
        }
        for k, task in enumerate(TASKS)
    ]
    return {
        "data": data,
        "layout": {
            "showlegend": True,
            "xaxis": {"title": {"text": "layer"}, "range": [-0.3, 11.3]},
            "yaxis": {"title": {"text": "norm of task vector"}, "range": [0, 3.2]},
        },
        "meta": {
            "title": "How far each expert moved",
            "caption": "Norm of the task vector by layer.",
            "alt": "Six lines.",
            "table": {"columns": ["layer"], "rows": [[i] for i in range(12)]},
            "height": 340,
        },
    }


def cloud(count: int) -> dict[str, Any]:
    """So many dots on a grid 40 wide."""
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "merges",
                "x": [i % 40 for i in range(count)],
                "y": [i // 40 for i in range(count)],
                "customdata": [[f"dot {i}"] for i in range(count)],
                "marker": {"size": 6, "color": "@neutral", "opacity": 0.55},
                "hovertemplate": "%{customdata[0]}<extra></extra>",
            }
        ],
        "layout": {"xaxis": {"range": [-1, 40]}, "yaxis": {"range": [-1, 26]}},
        "meta": {"title": "Many merges", "alt": f"{count} dots.", "height": 300},
    }


def kpis(estimated: bool = True) -> list[dict[str, Any]]:
    """Four headline numbers as the screen sends them."""
    of = {"kind": "estimated", "n": 480} if estimated else {"kind": "measured", "n": 2000}
    return [
        {
            "label": "Mean normalised accuracy",
            "value": "88.4%",
            "delta": {"direction": "up", "words": "1.2 points above the pin", "good": True},
            "tooltip": "Accuracy divided by the expert's own best, averaged over tasks.",
            "split": "validation",
            **of,
        },
        {
            "label": "Worst task",
            "value": "signs 55.0%",
            "delta": {"direction": "down", "words": "4.0 points below the pin", "good": False},
            "tooltip": "The task that loses most against its own expert.",
            **of,
        },
        {
            "label": "Cancelled mass",
            "value": "31.8%",
            "note": "29.9% by chance",
            "tooltip": "Share of the task vectors' size that cancels when they are added.",
            "kind": "measured",
        },
        {
            "label": "Length of the merged change",
            "value": "0.62 ×",
            "delta": {"direction": "same", "words": "no difference seen"},
            "note": "",
            "tooltip": "Norm of the merged task vector against the experts' mean norm.",
            "kind": "measured",
        },
    ]
