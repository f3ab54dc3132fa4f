"""Steps of methods that work on the singular directions of task matrices."""

from collections.abc import Callable, Mapping, Sequence

from merger.algebra import elect_sign, keep, total
from merger.diagnostics.pipeline import Held, Pipeline, Step, Work
from merger.grams import gram, join, polar_
from merger.lazy import Tensor, torch
from merger.methods.knots import thinned
from merger.methods.opcm import taken_in
from merger.spectral import FAINT, Svd, is_linear, is_matrix, svd, widen
from merger.threads import one_thread

States = Sequence[Held | Tensor]
ADD = Step("add", "What is left is added up, times the scale")
RESCALE = Step("scale", "The update is multiplied by the scale", together=True)


def _by_matrix(
    steps: tuple[Step, ...], each: Callable[[Work, list[Tensor]], list[Held]], adds: bool = True
) -> Pipeline:
    """Return the pipeline of matrices; whatever is no matrix is averaged, as these methods do."""

    def follow(work: Work) -> States:
        tau = work.tau
        kernels = tau.dim() == 5 and work.knobs.get("conv_as_matrix", False)
        stack = tau.flatten(2) if kernels else tau
        if not is_matrix(work.key, stack) or not stack.any():
            given = tau if work.knobs.get("inner") == "linear" else tau / work.n
            before = [given if step.together else tau for step in steps[:-1]]
            return [tau, *before, given * work.scale]
        with one_thread():
            found = each(work, list(widen(stack)))
        shaped = [Held(h.stack.to(tau).reshape(-1, *work.shape), h.directions) for h in found]
        return [*shaped, Held(shaped[-1].stack * work.scale, shaped[-1].directions)]

    return Pipeline(steps, follow, "directions", adds, matrix=True)


def _counts(parts: Sequence[Svd]) -> tuple[int, ...]:
    return tuple(len(part.strength) for part in parts)


def _matrices(parts: Sequence[Svd]) -> Tensor:
    return torch.stack([part.matrix() for part in parts])


def _tsv_m(work: Work, taus: list[Tensor]) -> list[Held]:
    parts = [svd(tau) for tau in taus]
    start = Held(torch.stack(taus), _counts(parts))
    kept = _strongest(parts, min(taus[0].shape))
    joined = join(kept)
    left, right = polar_(joined.left), polar_(joined.right.T).T
    ends = torch.tensor(_counts(kept)).cumsum(0).tolist()
    turned = [
        (left[:, a:b] * joined.strength[a:b]) @ right[a:b]
        for a, b in zip([0, *ends], ends, strict=False)
    ]
    apart = Held(torch.stack(turned), _counts(kept))
    return [start, Held(_matrices(kept), _counts(kept)), apart]


def _strongest(parts: Sequence[Svd], room: int) -> list[Svd]:
    """Return an equal share of the directions, or the strongest experts' first ones."""
    if len(parts) <= room:
        return [part.first(room // len(parts)) for part in parts]
    order = sorted(range(len(parts)), key=lambda i: -float(parts[i].strength[:1].sum()))
    chosen = set(order[:room])
    return [part.first(1 if i in chosen else 0) for i, part in enumerate(parts)]


def _iso_c(work: Work, taus: list[Tensor]) -> list[Held]:
    stack = torch.stack(taus)
    summed = total(stack).unsqueeze(0)
    ranks = tuple(_rank(tau) for tau in (*taus, summed[0]))
    flat = _unscaled(work)
    # Directions that are only rounding have no strength to share, unless the setting says so.
    last = min(taus[0].shape) if work.knobs["full"] else ranks[-1]
    found = Held(flat, (last,))
    return [Held(stack, ranks[:-1]), Held(summed, ranks[-1:]), found]


def _iso_cts(work: Work, taus: list[Tensor]) -> list[Held]:
    stack, room, n = torch.stack(taus), min(taus[0].shape), len(taus)
    own = min(round((room - int(room * work.knobs["common"])) / n), room // n)
    shared = svd(total(stack)).first(room - own * n)
    common = shared.matrix().unsqueeze(0)
    parts = [svd(tau - shared.left @ (shared.left.T @ tau)).first(own) for tau in taus]
    flat = _unscaled(work)
    return [
        Held(stack, tuple(map(_rank, taus))),
        Held(common, (len(shared.strength),)),
        Held(_matrices(parts), _counts(parts)),
        Held(flat, (_rank(flat[0]),)),
    ]


def _core_space(work: Work, taus: list[Tensor]) -> list[Held]:
    stack = torch.stack(taus)
    side = torch.cat(taus, dim=1)
    below = torch.cat(taus, dim=0)
    size = min(_rank(side), _rank(below))
    merged = _unscaled(work)
    ranks = tuple(map(_rank, taus))
    made = Held(merged, (_rank(merged[0]),))
    return [Held(stack, ranks), Held(stack, (size,) * len(taus)), made]


def _unscaled(work: Work) -> Tensor:
    """Return the update before it is multiplied by the scale, (1, m, n)."""
    made = work["update"]
    stack = made.unsqueeze(0)
    return widen(stack.flatten(2) if made.dim() > 2 else stack)[0].unsqueeze(0)


def _rank(matrix: Tensor) -> int:
    """Return how many directions are more than rounding, from the smaller inner products."""
    rows, columns = matrix.shape
    values = torch.linalg.eigvalsh(gram(matrix if rows > columns else matrix.T))
    return int((values > FAINT * FAINT * values.max()).sum()) if matrix.any() else 0


def _opcm(work: Work) -> States:
    tau, knobs = work.tau, work.knobs
    size, lengths = work["size"][0], work["lengths"]
    factor = sum(lengths) / len(lengths) / size if size else 0.0
    left = tau.clone()
    if is_linear(work.key, tau):
        before = tau[0]
        for each, out in zip(tau[1:], left[1:], strict=True):
            both = torch.stack([before, each])
            after = taken_in(both, work.key, alpha=knobs["alpha"], strict=knobs["strict"])
            out.copy_(after - before)
            before = after
    return [tau, left, left * factor]


def _tsv_c(work: Work) -> States:
    tau = work["tau"]
    kernels = tau.dim() == 5 and work.knobs["conv_as_matrix"]
    stack = tau.flatten(2) if kernels else tau
    if not is_matrix(work.key, stack) or not stack.any():
        return [tau, tau]
    density, room = work.knobs["density"], min(stack.shape[1:])
    share = 1.0 / work.n if density is None else density
    count = max(1, int(share * room)) if share > 0.0 else 0
    with one_thread():
        ranks = tuple(map(_rank, list(widen(stack))))
    left = tuple(min(count, own) for own in ranks)
    return [Held(tau, ranks), Held(work.update, left)]


def _knots(work: Work) -> States:
    inner, joins = work.knobs["inner"], work.knobs["combine"]
    own = work["own"] * work.column(work.weights)
    thin = thinned(work["own"], work["draws"], drawn=work.knobs["drawn"])
    kept = keep(thin, work["cut"]) if inner == "ties" else thin
    kept = kept * work.column(work.weights)
    if inner != "ties":
        given = kept / work.n if joins == "mean" else kept
        return [work.tau, own, kept, kept, given, work.update]
    agrees = (kept * elect_sign(kept, tie="drop") > 0).to(own.dtype)
    elected = kept * agrees
    below = total(agrees).clamp(min=1.0) if joins == "mean" else 1.0
    return [work.tau, own, kept, elected, elected / below, work.update]


KEEP = Step("truncate", "Each expert keeps the strongest directions that there is room for", "cut")

PIPELINES: Mapping[str, Pipeline] = {
    "core_space": _by_matrix(
        (
            Step("project", "All changes are written in the small space that they span together"),
            Step("merge", "They are merged there, by the method that is set", together=True),
            RESCALE,
        ),
        _core_space, adds=False,
    ),
    "iso_c": _by_matrix(
        (
            Step("add", "The experts are added up", together=True),
            Step("flatten", "All directions of the sum get the same strength", together=True),
            RESCALE,
        ),
        _iso_c,
    ),
    "iso_cts": _by_matrix(
        (
            Step("share", "The strongest directions of the sum are kept for all", together=True),
            Step("own", "Outside of them each expert keeps its strongest ones"),
            Step("flatten", "All directions get the same strength", together=True),
            RESCALE,
        ),
        _iso_cts, adds=False,
    ),
    "knots": Pipeline(
        (
            Step("turn", "All experts are written in one common frame"),
            Step("trim", "There each expert keeps its largest coordinates, once some are dropped "
                 "at random where that is set", "trimmed"),
            Step("elect", "Coordinates whose sign is not the elected one are set to 0",
                 "outvoted", True),
            Step("combine", "Coordinates that agree become one"),
            Step("turn back", "They are turned into a change of the weights, times λ",
                 together=True),
        ),
        _knots, "coordinates", origin=1, matrix=True,
    ),
    "opcm": Pipeline(
        (
            Step("clean", "Each expert loses what would touch the sum of the earlier ones"),
            Step("rescale", "The sum gets the experts' mean length"),
        ),
        _opcm, scaled=0, matrix=True,
    ),
    "tsv_c": Pipeline((KEEP,), _tsv_c, "directions", adds=False, scaled=0, matrix=True),
    "tsv_m": _by_matrix(
        (KEEP, Step("orthogonalise", "They are turned so that none overlap"), ADD), _tsv_m
    ),
}  # fmt: skip
