"""Which files the browser may fetch, and at which addresses.

The page's scripts, its stylesheets and the plotly.js of the installed plotly wheel, each by name.
Gradio's own file route would show paths of this machine in the page and opens whole folders.
"""

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

ASSETS = Path(__file__).resolve().parent.parent / "assets"
STYLES = (
    "style.css",
    "cards.css",
    "checkup.css",
    "compare.css",
    "controls.css",
    "hub.css",
    "starts.css",
    "tour.css",
    "training.css",
    "trials.css",
    "try.css",
)
SCRIPTS = ("viz.js", "controls.js")
PREFIX = "ms"
BARS = {"light": "#f5f6f8", "dark": "#10151d"}  # a window's frame, as the page below it
_KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_FOREVER = "public, max-age=31536000, immutable"


def plotly_path() -> Path:
    """Return the plotly.js file that the installed plotly wheel carries."""
    return Path(str(files("plotly"))) / "package_data" / "plotly.min.js"


def served_files(assets: Path = ASSETS) -> dict[str, Path]:
    """Return every file the page may ask for, by its name below the prefix."""
    found = [*assets.glob("*.svg"), *assets.glob("*.png"), *assets.glob("*.css")]
    found += [path for path in assets.rglob("*.js") if "zoo" not in path.parts]
    own = {path.relative_to(assets).as_posix(): path for path in sorted(found)}
    return own | {"plotly.min.js": plotly_path()}


def version(path: Path) -> str:
    """Return what changes when the file does: plotly's own number, else a short hash."""
    if path.name == "plotly.min.js":
        with path.open(encoding="utf-8") as stream:
            found = re.search(r"plotly\.js v([\d.]+)", stream.read(200))
        if found:
            return found[1]
    return hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()


def address(name: str, known: Mapping[str, Path], prefix: str = PREFIX) -> str:
    """Return a relative address, so that it holds below any root path and in a Space's frame."""
    return f"{prefix}/{name}?v={version(known[name])}"


def head_html(prefix: str = PREFIX, scripts: Sequence[str] = SCRIPTS) -> str:
    """Return what the page's head needs: stylesheets, scripts, and where plotly.js lies."""
    known = served_files()
    settings = json.dumps({"plotly": address("plotly.min.js", known, prefix)})
    parts = [
        f'<link rel="stylesheet" href="{html.escape(address(name, known, prefix))}">'
        for name in STYLES
    ]
    parts += [
        f'<meta name="theme-color" content="{colour}" media="(prefers-color-scheme: {kind})">'
        for kind, colour in BARS.items()
    ]
    parts.append(
        f"<script>window.MERGESCOPE = Object.assign(window.MERGESCOPE || {{}}, {settings});"
        "</script>"
    )
    parts += [
        f'<script type="module" src="{html.escape(address(name, known, prefix))}"></script>'
        for name in scripts
    ]
    return "\n".join(parts)


def manifest_route(assets: Path = ASSETS) -> Route:
    """Return the route that lets browsers install the page as an app of its own.

    It stands where Gradio's page looks for it, in place of the one Gradio would make up.
    """

    def serve(request: Request) -> Response:
        kind = "application/manifest+json"
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(assets / "manifest.json", media_type=kind, headers=headers)

    return Route("/manifest.json", serve, methods=["GET"])


def asset_routes(prefix: str = PREFIX, assets: Path = ASSETS) -> list[Route]:
    """Return the routes that serve these files and nothing beside them."""
    known = served_files(assets)

    def serve(request: Request) -> Response:
        path = known.get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such file.", status_code=404)
        # Modules import each other without a version, so only versioned addresses may be kept.
        keep = _FOREVER if request.query_params.get("v") == version(path) else "no-cache"
        return FileResponse(path, media_type=_KINDS[path.suffix], headers={"Cache-Control": keep})

    return [Route(f"/{prefix}/{{name:path}}", serve, methods=["GET"])]
