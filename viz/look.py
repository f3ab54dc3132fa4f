"""How the app looks in Gradio's own parts, and what `launch` needs to show it."""

from typing import Any

from gradio import themes

from viz.static import ASSETS, PREFIX, asset_routes, head_html, manifest_route

# Plain names: a font object would be fetched from another host.
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
# Gradio has no dark variant of these.
ONE_FOR_BOTH = ("color_accent",)


def theme() -> themes.Base:
    """Return the Gradio theme; its colours are the --ms-* variables of assets/style.css."""
    both = {
        "body_text_color_subdued": "var(--ms-muted)",
        "background_fill_primary": "var(--ms-card)",
        "background_fill_secondary": "var(--ms-page)",
        "border_color_primary": "var(--ms-line)",
        "border_color_accent": "var(--ms-accent)",
        "block_background_fill": "var(--ms-card)",
        "block_border_color": "var(--ms-line)",
        "block_info_text_color": "var(--ms-muted)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--ms-muted)",
        "block_title_text_color": "var(--ms-text)",
        "block_title_background_fill": "transparent",
        "input_background_fill": "var(--ms-field)",
        "input_border_color": "var(--ms-field-line)",
        "input_border_color_focus": "var(--ms-accent)",
        "input_placeholder_color": "var(--ms-muted)",
        "button_primary_background_fill": "var(--ms-accent-fill)",
        "button_primary_background_fill_hover": "var(--ms-accent-fill-hover)",
        "button_primary_text_color": "#ffffff",
        "button_secondary_background_fill": "var(--ms-card)",
        "button_secondary_background_fill_hover": "var(--ms-hover)",
        "button_secondary_text_color": "var(--ms-text)",
        "button_secondary_border_color": "var(--ms-field-line)",
        "color_accent": "var(--ms-accent)",
        "color_accent_soft": "var(--ms-hover)",
        "slider_color": "var(--ms-accent)",
        "link_text_color": "var(--ms-accent)",
        "link_text_color_hover": "var(--ms-accent)",
        "link_text_color_visited": "var(--ms-accent)",
        "code_background_fill": "var(--ms-hover)",
    }
    dark = {f"{name}_dark": value for name, value in both.items() if name not in ONE_FOR_BOTH}
    sizes = {
        "block_border_width": "1px",
        "block_label_border_width": "0px",
        "block_shadow": "none",
        "block_label_text_size": "12px",
        "block_title_text_size": "13px",
        "block_title_text_weight": "600",
        "input_border_width": "1px",
        "button_border_width": "1px",
        "layout_gap": "16px",
    }
    # Gradio puts these four into the page before any stylesheet has arrived.
    first_paint = {
        "body_background_fill": "#f5f6f8",
        "body_background_fill_dark": "#10151d",
        "body_text_color": "#17202c",
        "body_text_color_dark": "#e7ecf3",
    }
    return themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        radius_size=themes.sizes.radius_lg,
        text_size=themes.sizes.text_md,
        font=FONT,
        font_mono=MONO,
    ).set(**first_paint, **both, **dark, **sizes)


def launch_kwargs() -> dict[str, Any]:
    """Return the arguments of `launch` and `mount_gradio_app` that make the page ours."""
    return {
        "theme": theme(),
        "head": head_html(PREFIX),
        "app_kwargs": {"routes": [*asset_routes(PREFIX), manifest_route()]},
        "favicon_path": ASSETS / "icon-192.png",
        "ssr_mode": False,
        "footer_links": ["api"],
    }
