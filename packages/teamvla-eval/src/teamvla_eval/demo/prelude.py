"""Provisional page for the first visitor while Gradio is being imported, which takes longer than the simulator.

It shows the first episode. When the main page is ready and some of the episode has been shown, it reloads itself.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from teamvla_eval.demo.drawing import STYLE, frame_html
from teamvla_eval.demo.protocol import Choice, Frame, Run, Scene, Stop
from teamvla_eval.demo.settings import AT_REST_S
from teamvla_eval.demo.visitors import Simulator, Visitor

if TYPE_CHECKING:
    from fastapi import FastAPI

_LEAST = 2.0  # [s] of moving images before the main page replaces this one
_PATIENCE = 5.0  # [s] after which the main page replaces this one in any case
_PATH = "/prelude"  # path of the current frame; the main page does not have it
_PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>TeamVLA</title>
<style>body {{ font-family: system-ui, sans-serif; max-width: 900px; margin: 24px auto; padding: 0 16px; }}
{STYLE}</style>
<h2>TeamVLA</h2><p>The page is being set up; this is the first episode.</p><div id="stage"></div><script>
const stage = document.getElementById("stage");
async function show() {{
  try {{
    const answer = await fetch("{_PATH}", {{cache: "no-store"}});
    if (answer.status === 404) return location.reload();
    if (answer.status === 200) stage.innerHTML = await answer.text();
  }} catch (error) {{}}
  setTimeout(show, 60);
}}
show();
</script></html>"""


class Prelude:
    """Web application that shows one run of the first episode.

    Args:
        simulator: Simulator that runs the episode.
        first: Choice of the first episode.
    """

    def __init__(self, simulator: Simulator, first: Choice):
        self._simulator, self._first = simulator, first
        self._shown, self._over = "", False
        self._begun, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        page, moment = scope["path"] == "/", scope["path"] == _PATH
        body = _PAGE if page else self._shown if moment else "the page is being set up"
        status = 200 if page or (moment and body) else 204 if moment else 503
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})

    def wait(self) -> None:
        """Wait until moving images have been shown for a moment, or none are expected."""
        if self._begun.wait(_PATIENCE):
            self._ended.wait(_LEAST)

    def close(self) -> None:
        """End the run and release all waiting threads."""
        self._over = True
        self._begun.set()
        self._ended.set()

    def _watch(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(Visitor(self._simulator.connect())) as visitor:
            scene = visitor.look(self._first)
            if isinstance(scene, Scene):
                self._shown = frame_html(scene.frame)
                self._ended.wait(AT_REST_S)
            for moment in visitor.run(Run(self._first, "")):
                if isinstance(moment, Frame):
                    self._shown = frame_html(moment)
                    self._begun.set()
                if self._over:
                    visitor.send(Stop())
        self._begun.set()
        self._ended.set()


class Opening:
    """Web application that is available immediately: the prelude, until the main application is made.

    Args:
        make: Function that makes the main application, called in its own thread.
        prelude: Application until then.
    """

    def __init__(self, make: "Callable[[], FastAPI]", prelude: Prelude):
        self._make, self._prelude = make, prelude
        self._app: Any = prelude

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or handle the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    def _make_in_time(self) -> "FastAPI":
        app = self._make()
        self._prelude.wait()
        return app

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        ended = asyncio.ensure_future(receive())
        made = asyncio.ensure_future(asyncio.to_thread(self._make_in_time))
        await asyncio.wait({ended, made}, return_when=asyncio.FIRST_COMPLETED)
        self._prelude.close()
        if made.done():
            app = made.result()
            async with app.router.lifespan_context(app):
                self._app = app
                await ended
        await send({"type": "lifespan.shutdown.complete"})
