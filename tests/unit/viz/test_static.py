"""The browser gets our own files and one file of plotly, and nothing beside them."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from viz.look import launch_kwargs, theme
from viz.static import (
    ASSETS,
    address,
    asset_routes,
    head_html,
    manifest_route,
    plotly_path,
    served_files,
    version,
)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[*asset_routes(), manifest_route()]))


def test_plotly_is_the_file_of_the_installed_wheel(client: TestClient) -> None:
    assert version(plotly_path()) == "4.1.1"
    response = client.get("/ms/plotly.min.js?v=4.1.1")
    assert response.status_code == 200
    assert len(response.content) == plotly_path().stat().st_size
    assert "immutable" in response.headers["cache-control"]


def test_every_module_is_served_as_a_script(client: TestClient) -> None:
    names = [name for name in served_files() if name.endswith(".js")]
    assert {"viz.js", "viz/panels.js", "plotly.min.js"} <= set(names)
    for name in names:
        response = client.get(f"/ms/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")
        assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    [
        "widgetbundle.js",
        "../plotly/package_data/widgetbundle.js",
        "%2e%2e/app.py",
        "..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "zoo/zoo.yaml",
        "",
    ],
)
def test_nothing_beside_the_named_files_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/ms/{name}").status_code == 404


def test_addresses_are_relative_and_change_with_the_content(tmp_path: Path) -> None:
    style = tmp_path / "style.css"
    style.write_text("a {}")
    first = address("style.css", {"style.css": style})
    style.write_text("b {}")
    second = address("style.css", {"style.css": style})
    assert first.startswith("ms/style.css?v=") and first != second


def test_the_head_names_only_files_of_this_host() -> None:
    head = head_html()
    assert "//" not in head
    assert str(plotly_path().parent) not in head
    assert head.index("style.css") < head.index("viz.js")


def test_the_theme_loads_no_font_from_elsewhere() -> None:
    made = theme()
    assert made._stylesheets == []
    assert launch_kwargs()["ssr_mode"] is False


def test_the_first_paint_has_the_colours_of_the_stylesheet() -> None:
    style = served_files()["style.css"].read_text(encoding="utf-8")
    made = theme()
    light, dark = style.split(".dark {", 1)
    assert f"--ms-page: {made.body_background_fill};" in light
    assert f"--ms-text: {made.body_text_color};" in light
    assert f"--ms-page: {made.body_background_fill_dark};" in dark
    assert f"--ms-text: {made.body_text_color_dark};" in dark


def test_the_manifest_names_icons_that_are_served_here(client: TestClient) -> None:
    response = client.get("/manifest.json")
    assert response.headers["content-type"] == "application/manifest+json"
    manifest = response.json()
    assert manifest["display"] == "standalone" and manifest["start_url"] == manifest["scope"]
    assert {"any", "maskable"} == {icon["purpose"] for icon in manifest["icons"]}
    for icon in manifest["icons"]:
        assert not icon["src"].startswith(("/", "http"))
        served = client.get(f"/{icon['src']}")
        assert served.status_code == 200 and served.headers["content-type"] == icon["type"]
    assert "//" not in (ASSETS / "manifest.json").read_text(encoding="utf-8")
