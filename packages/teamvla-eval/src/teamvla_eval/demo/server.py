"""The page behind a web server that takes no files and loads nothing from elsewhere."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from teamvla_eval.demo.prelude import Opening, Prelude
from teamvla_eval.demo.protocol import Choice
from teamvla_eval.demo.settings import DemoSettings
from teamvla_eval.demo.simulator import SimulatorProcess
from teamvla_eval.demo.visitors import Visitors

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

# The browser itself keeps the page from loading anything from another address.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
)
_MAX_BODY = 64_000  # [bytes] of a request; a sentence and some choices
_MOST_IGNORED = 8_000_000  # [bytes] of a refused request that are read and thrown away
_SWEEP = 10.0  # [s] between looks for visitors who are idle


def serve(settings: DemoSettings, first: Choice, host: str, port: int) -> None:
    """Serve the demo until it is interrupted.

    Args:
        settings: What the operator decided.
        first: What is shown at the start.
        host: Address to listen on.
        port: Port to listen on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)  # a browser that comes early waits
    print(f"TeamVLA demo on http://{host}:{port} (Ctrl-C ends it)", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # tidy up when it is ended from outside, too
    simulator = SimulatorProcess(settings, first)  # loads Newton while this process loads Gradio
    try:
        with tempfile.TemporaryDirectory(prefix="teamvla-demo-", ignore_cleanup_errors=True) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
            import uvicorn

            visitors = Visitors(simulator, settings.max_visitors, settings.idle_s)
            app = Opening(lambda: make_app(settings, visitors, first), Prelude(simulator, first))
            threading.Thread(target=_sweep, args=(visitors,), daemon=True).start()
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
            _quiet_server(config).run(sockets=[listener])
    finally:
        simulator.close()


def _quiet_server(config: "uvicorn.Config") -> "uvicorn.Server":
    """A server that does not complain when it is ended while visitors are still watching."""
    import uvicorn

    class Quiet(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await super().shutdown(sockets)

    return Quiet(config)


def make_app(settings: DemoSettings, visitors: Visitors, first: Choice) -> "FastAPI":
    """The web application: Gradio's, behind :class:`_Doorkeeper`."""
    import gradio as gr
    from fastapi import FastAPI

    from teamvla_eval.demo.page import CSS, Handlers, make_page

    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Doorkeeper)
    gr.mount_gradio_app(
        app, make_page(settings, Handlers(settings, visitors), first), path="/", theme=theme,
        css=CSS, footer_links=[], run_history=False, show_error=False, ssr_mode=False, mcp_server=False,
        max_file_size=1, enable_monitoring=False, app_kwargs={"openapi_url": None},
    )  # fmt: skip
    return app


class _Doorkeeper:
    """Refuses uploads and oversized requests, and forbids the browser to load anything from elsewhere.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: Any):
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if "/upload" in scope["path"]:
            await _refuse(receive, send, 403, b"this demo takes no files")
        elif not length.isdigit() or int(length) > _MAX_BODY:
            await _refuse(receive, send, 413, b"this request is too large")
        else:

            async def answer(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
                await send(message)

            await self._app(scope, _Limited(receive), answer)


class _Limited:
    """A request's body, cut off when it grows beyond what its header may announce.

    Args:
        receive: Where the body comes from.
    """

    def __init__(self, receive: Any):
        self._receive, self._left = receive, _MAX_BODY

    async def __call__(self) -> Any:
        """The next part; a disconnect once too much has come."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


async def _refuse(receive: Any, send: Any, status: int, reason: bytes) -> None:
    # Who is still sending would not hear the answer: let a body of bearable size pass first.
    message, passed = await receive(), 0
    while message.get("more_body") and passed < _MOST_IGNORED:
        passed += len(message["body"])
        message = await receive()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason})


def _sweep(visitors: Visitors) -> None:
    while True:
        time.sleep(_SWEEP)
        visitors.leave_idle()
