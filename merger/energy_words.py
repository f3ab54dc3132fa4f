"""What an adapter of some rank keeps, needs and takes, in words."""

from merger.diagnostics.energy import EnergyInfo
from merger.diagnostics.grid import OUTSIDE
from merger.doctor import size

DRAWN = (
    "Energy is the squared length of the change. The bold line is all matrices together, the thin "
    "ones each kind of module, the faint ones each layer; so many directions of every matrix."
)


def kept_words(info: EnergyInfo) -> str:
    """Return what the chosen rank keeps, and what it loses."""
    if not info.matrices:
        return "No matrix changes, so there is nothing to factor."
    rounded = " once rounded as it is stored" if info.written else ""
    few = f"rank {info.rank}" if info.rank else "no rank"
    return (
        f"{_impossible(info)}At {few} the adapter keeps {share(info.kept)} of the change's "
        f"energy; what it loses is {share(info.error)} as long as the change itself{rounded}."
    )


def _impossible(info: EnergyInfo) -> str:
    first, *others = info.impossible or ("",)
    if not first:
        return ""
    if others:
        more = others[0] if len(others) == 1 else f"{len(others)} more"
        return f"No adapter can hold {first} and {more}, which change too: they are no modules. "
    return f"No adapter can hold {first}, which changes too: it is no module. "


def needed_words(info: EnergyInfo) -> str:
    """Return the ranks that common shares of the energy take, and which module takes most."""
    if not info.matrices:
        return ""
    told = [
        f"{level:.0%} takes rank {r}" for level, r in zip(info.levels, info.needed, strict=True)
    ]
    said = f"{', '.join(told[:-1])} and {told[-1]}."
    first = info.needed_by_module[:, 0]
    if len(first) > 1 and first.max() > first.min():
        most, least = int(first.argmax()), int(first.argmin())
        said += (
            f" For {info.levels[0]:.0%}, {info.modules[most]} takes most ({first[most]}), "
            f"{info.modules[least]} least ({first[least]})."
        )
    return said


def stored_words(info: EnergyInfo) -> str:
    """Return what the adapter takes beside the model."""
    whole = ""
    if info.kept_whole:
        many = info.kept_whole > 1
        whole = f", with {info.kept_whole} tensor{'s' if many else ''} stored whole"
    takes = "take" if info.written else "would take about"
    own = f"Its weights {takes} {size(info.adapter_bytes)}{whole}"
    if info.adapter_bytes >= info.full_bytes:
        return f"{own}: more than the full model's {size(info.full_bytes)}."
    part = info.adapter_bytes / info.full_bytes
    return f"{own}; the full model's take {size(info.full_bytes)} ({part:.1%} of that)."


def layer_words(layer: str) -> str:
    """Return a layer in words."""
    return "outside the layers" if layer == OUTSIDE else f"layer {layer}"


def energy_table(info: EnergyInfo) -> tuple[list[str], list[list[str | float | int]]]:
    """Return heads and rows: what each part keeps, needs, and holds at doubled ranks."""
    doubled = [int(r) for r in info.ranks if r & (r - 1) == 0]
    at = [info.ranks.tolist().index(r) for r in doubled]
    heads = ["part", f"kept at rank {info.rank}"]
    heads += [f"rank for {level:.0%}" for level in info.levels]
    heads += [f"held by {r}" for r in doubled]
    parts = [("all matrices", info.kept, info.needed, info.whole)]
    parts += list(
        zip(info.modules, info.kept_by_module, info.needed_by_module, info.by_module, strict=True)
    )
    layers = map(layer_words, info.layers)
    parts += list(
        zip(layers, info.kept_by_layer, info.needed_by_layer, info.by_layer, strict=True)
    )
    rows = [
        [name, float(kept), *map(int, needed), *(float(curve[i]) for i in at)]
        for name, kept, needed, curve in parts
    ]
    return heads, rows


def share(value: float) -> str:
    """Return a share with two digits behind the point."""
    return f"{value:.2%}"
