"""Filter of requests to Gradio: only those of the page itself, for the configured address, may pass.

Gradio serves more than the page needs: uploads, proxies, files by path or URL, recordings, logins. So a request passes
only if its route is listed here, and a body only if it is small, flat JSON without file data, from which Gradio would
read a file or fetch a URL.
"""

import json
import logging
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.web_address import WebAddress

API = "/gradio_api/"
FILE = API + "file="
_GET = {"/", "/prelude", "/config", "/theme.css", "/favicon.ico", "/manifest.json", API + "queue/data"}
_GET_BELOW = ("/assets/", "/static/", API + "heartbeat/")
_POST = {API + "queue/join", API + "run/predict"}
_FILE_KEYS = {"path", "url", "meta"}
_MAX_BODY = 64_000  # [bytes] of a request: an instruction and some choices
_MAX_DEPTH = 8  # of lists and objects in a request
_MOST_IGNORED = 8_000_000  # [bytes] of a refused request that are read and discarded

# The browser prevents the page from loading anything from another address.
_POLICY = (
    b"default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
)
_log = logging.getLogger(__name__)


class _RefusedRequestError(Exception):
    """Raised for a refused request, with status and reason."""


class Gate:
    """Web application that forwards the requests of the demo's page and refuses all others.

    Args:
        app: Application behind the gate.
        address: Address of the page.
        downloads: Folder whose files may be requested.
    """

    def __init__(self, app: Any, address: WebAddress, downloads: Path):
        self._app, self._address, self._downloads = app, address, downloads.resolve()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; websockets are refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        incoming = _Incoming(receive)
        try:
            self._check_head(scope)
            body = await _checked_body(incoming) if scope["method"] == "POST" else None
        except _RefusedRequestError as refused:
            await _refuse(incoming, send, *refused.args)
            return
        begun = body is None

        async def receive_checked() -> Any:
            nonlocal begun
            if begun:
                return await receive()
            begun = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                guards = [(b"content-security-policy", _POLICY), (b"x-content-type-options", b"nosniff")]
                message["headers"] = [*message["headers"], *guards]
            await send(message)

        try:
            await self._app(scope, receive_checked, send_guarded)
        except Exception as error:  # answered with status 500; one log line, because any visitor can repeat it
            _log.error("a request failed: %s", ascii(error)[:200])
            _log.debug("traceback of the failed request", exc_info=True)

    def _check_head(self, scope: Any) -> None:
        """Check method, path and headers."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
        if (refusal := self._address.refusal(headers.get(b"host", []), headers.get(b"origin", []))) is not None:
            raise _RefusedRequestError(403, refusal)
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD"):
            if path.startswith(FILE):
                self._check_download(path.removeprefix(FILE))
            elif path not in _GET and not path.startswith(_GET_BELOW):
                raise _RefusedRequestError(404, "this demo has no such page")
        elif method != "POST" or path not in _POST:
            raise _RefusedRequestError(403, "this demo takes no files and has no other pages")
        elif not headers.get(b"content-type", [""])[0].startswith("application/json"):
            raise _RefusedRequestError(415, "only JSON is expected here")
        elif not (length := headers.get(b"content-length", ["0"])[0]).isdigit() or int(length) > _MAX_BODY:
            raise _RefusedRequestError(413, "this request is too large")

    def _check_download(self, name: str) -> None:
        path = Path(name)
        if "\0" in name or not path.is_absolute() or not path.resolve().is_relative_to(self._downloads):
            raise _RefusedRequestError(403, "this file is not a download of the demo")


class _Incoming:
    """Body of a request, part by part.

    Args:
        receive: ASGI function that receives the parts.

    Attributes:
        more: Whether a part is still to come; after the last one ``receive`` would wait until the client leaves.
    """

    def __init__(self, receive: Any):
        self._receive, self.more = receive, True

    async def part(self) -> bytes:
        """The next part."""
        message = await self._receive()
        self.more = message.get("more_body", False)
        return message.get("body", b"")


async def _checked_body(incoming: _Incoming) -> bytes:
    """Read and check the body of a POST request."""
    body = b""
    while incoming.more:
        body += await incoming.part()
        if len(body) > _MAX_BODY:
            raise _RefusedRequestError(413, "this request is too large")
    try:
        # Decoded here, because json.loads would take bytes for UTF-16 or UTF-32 as well.
        value = json.loads(body.decode(), object_pairs_hook=_checked_object)
        deep = _is_deeper(value, _MAX_DEPTH)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair could not be sent back
    except (ValueError, RecursionError):
        raise _RefusedRequestError(400, "this request is not JSON") from None
    if deep:
        raise _RefusedRequestError(400, "this request is nested too deeply")
    return body


def _checked_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UserError("a name occurs twice")  # parsers differ in which one they take
    if _FILE_KEYS & set(found):
        raise _RefusedRequestError(403, "this demo takes no files")
    return found


def _is_deeper(value: Any, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_is_deeper(part, depth - 1) for part in inner)


async def _refuse(incoming: _Incoming, send: Any, status: int, reason: str) -> None:
    # A client that is still sending would not read the answer: consume a body of limited size first.
    passed = 0
    while incoming.more and passed < _MOST_IGNORED:
        passed += len(await incoming.part())
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
