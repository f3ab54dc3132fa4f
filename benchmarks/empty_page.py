"""A page whose one server function does nothing: what any round trip costs here at least."""

import sys

import gradio as gr
from starlette.responses import Response


def ms_nothing(body: str) -> Response:
    """Answer at once."""
    return Response(b"{}", media_type="application/json")


with gr.Blocks() as page:
    gr.HTML(
        html_template="<span></span>",
        js_on_load="window.nothing = server.ms_nothing;",
        server_functions=[ms_nothing],
    )

if __name__ == "__main__":
    page.launch(server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
