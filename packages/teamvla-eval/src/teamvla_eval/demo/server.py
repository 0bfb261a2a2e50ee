"""Web server of the demo, which accepts no files and loads nothing from other hosts."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from teamvla_envs.web_address import WebAddress

from teamvla_eval.demo.gate import Gate
from teamvla_eval.demo.prelude import Opening, Prelude
from teamvla_eval.demo.protocol import Choice
from teamvla_eval.demo.settings import DemoSettings
from teamvla_eval.demo.simulator import SimulatorProcess
from teamvla_eval.demo.visitors import Simulator, Visitors

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

_SWEEP = 10.0  # [s] between checks for idle visitors


def serve(settings: DemoSettings, first: Choice, address: WebAddress) -> None:
    """Serve the demo until it is interrupted.

    Args:
        settings: Settings of the operator.
        first: Choice shown at the start.
        address: Address to listen on, and the host names that requests may use.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.create_server((address.host, address.port), family=family)  # early requests wait
    print(f"TeamVLA demo on {address.url} (Ctrl-C to stop)", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # clean up on SIGTERM, too
    with tempfile.TemporaryDirectory(prefix="teamvla-demo-", ignore_cleanup_errors=True) as folder:
        simulator = SimulatorProcess(settings, first, Path(folder))  # loads Newton while this process loads Gradio
        try:
            make_server(settings, first, address, simulator, Path(folder)).run(sockets=[listener])
        finally:
            simulator.close()


def make_server(
    settings: DemoSettings, first: Choice, address: WebAddress, simulator: Simulator, folder: Path
) -> "uvicorn.Server":
    """Make the web server with the gate, the prelude and the page.

    Args:
        settings: Settings of the operator.
        first: Choice shown at the start.
        address: Host names that requests may use.
        simulator: Simulator that visitors are connected to.
        folder: Folder of the simulator's downloads; no other file is served.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import uvicorn

    visitors = Visitors(simulator, settings.max_visitors, settings.idle_s)
    app = Opening(lambda: make_app(settings, visitors, first), Prelude(simulator, first))
    threading.Thread(target=_sweep, args=(visitors,), daemon=True).start()
    gate = Gate(app, address, folder)
    return _quiet_server(uvicorn.Config(gate, ws="none", log_level="warning", timeout_graceful_shutdown=1))


def _quiet_server(config: "uvicorn.Config") -> "uvicorn.Server":
    """Make a server that logs no errors when it ends with open connections."""
    import uvicorn

    class Quiet(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await super().shutdown(sockets)

    return Quiet(config)


def make_app(settings: DemoSettings, visitors: Visitors, first: Choice) -> "FastAPI":
    """Make the page as a web application, to be served behind a :class:`Gate`."""
    import gradio as gr
    from fastapi import FastAPI

    from teamvla_eval.demo.page import CSS, Handlers, make_page

    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = make_page(settings, Handlers(settings, visitors), first)
    gr.mount_gradio_app(
        app, page, path="/", theme=theme,
        css=CSS, footer_links=[], run_history=False, show_error=False, ssr_mode=False, mcp_server=False,
        max_file_size=1, enable_monitoring=False, app_kwargs={"openapi_url": None},
    )  # fmt: skip
    # Before launch, Gradio treats any file named by a request as one of the application and copies it to where visitors
    # can read it; only ``launch()`` sets this.
    page.has_launched = True
    return app


def _sweep(visitors: Visitors) -> None:
    while True:
        time.sleep(_SWEEP)
        visitors.leave_idle()
