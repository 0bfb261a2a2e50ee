"""Requests that must not reach Gradio, sent to a running server and to the page without the gate."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount
from starlette.testclient import TestClient
from teamvla_envs.web_address import WebAddress
from teamvla_eval.demo.gate import Gate
from teamvla_eval.demo.protocol import Choice
from teamvla_eval.demo.server import make_app, make_server
from teamvla_eval.demo.settings import DemoSettings
from teamvla_eval.demo.visitors import Visitors

FIRST = Choice("lift", 2, 0, ("expert",))
SECRET = "top secret"


class NoSimulator:
    def connect(self) -> Any:
        raise ConnectionError("the simulator did not start")


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home") / "id_rsa"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    (folder / "lift.hdf5").write_text("a demonstration")
    return folder


@pytest.fixture(scope="module")
def address(downloads: Path) -> Iterator[WebAddress]:
    """The address of a running server."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = WebAddress("127.0.0.1", listener.getsockname()[1])
    server = make_server(DemoSettings(), FIRST, address, NoSimulator(), downloads)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while ask(address, "GET", "/config")[0] != 200:  # until Gradio is loaded
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield address
    server.should_exit = True
    thread.join(10)


def ask(
    address: WebAddress, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an answer."""
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection = HTTPConnection(address.host, address.port, timeout=30)
    try:
        connection.request(method, path, sent, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def join(first: Any, session: str = "s") -> dict[str, Any]:
    """A request of the page, with something in place of the task."""
    return {"data": [first, "expert", "none", 0, 2], "fn_index": 0, "session_hash": session}


def file_data(path: object) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def test_a_file_of_the_operator_cannot_be_read(address: WebAddress, secret: Path):
    status, _ = ask(address, "POST", "/gradio_api/queue/join", join(file_data(secret)))
    stream = ask(address, "GET", "/gradio_api/queue/data?session_hash=s")[1] if status == 200 else ""
    for url in re.findall(r"/gradio_api/file=[^\"'\\]+", stream):
        assert SECRET not in ask(address, "GET", url)[1]
    assert status == 403
    assert SECRET not in ask(address, "GET", f"/gradio_api/file={secret}")[1]


def test_gradio_itself_refuses_the_file_too(secret: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(downloads))
    app = make_app(DemoSettings(), Visitors(NoSimulator(), 1, 100), FIRST)
    with TestClient(app) as client:
        assert client.post("/gradio_api/queue/join", json=join(file_data(secret))).status_code == 200
        stream = client.get("/gradio_api/queue/data?session_hash=s").text
        assert "process_completed" in stream
        for url in re.findall(r"/gradio_api/file=[^\"'\\]+", stream):
            assert SECRET not in client.get(url).text
    assert SECRET not in "".join(path.read_text() for path in downloads.rglob("*") if path.is_file())


def test_the_page_itself_is_served(address: WebAddress, downloads: Path):
    assert ask(address, "POST", "/gradio_api/queue/join", join("lift", "t"))[0] == 200
    assert "process_completed" in ask(address, "GET", "/gradio_api/queue/data?session_hash=t")[1]
    assert ask(address, "GET", "/")[0] == ask(address, "GET", "/theme.css")[0] == 200
    assert ask(address, "GET", f"/gradio_api/file={downloads}/lift.hdf5") == (200, "a demonstration")


@pytest.mark.parametrize(
    "changed",
    [
        {"data": ["/tmp/x", "expert", "none", 0, 2]},
        {"data": ["lift", [1], "none", 0, 2]},
        {"data": ["lift", "expert", "none", 0, "q"]},
        {"data": []},
        {"fn_index": 999},
        {"fn_index": None},
    ],
)
def test_a_request_that_the_page_would_not_make_costs_the_operator_a_line_at_most(
    address: WebAddress, changed: dict[str, Any], capfd: pytest.CaptureFixture[str]
):
    body = join("lift", "v") | changed
    if ask(address, "POST", "/gradio_api/queue/join", body)[0] == 200:
        assert "no such choice" in ask(address, "GET", "/gradio_api/queue/data?session_hash=v")[1]
    assert ask(address, "POST", "/gradio_api/run/predict", body)[0] >= 400
    written = "".join(capfd.readouterr())
    assert "Traceback" not in written
    assert len(written.splitlines()) <= 2


@pytest.mark.parametrize("path", ["queue/join", "run/predict", "run/look", "api/0", "call/look", "component_server"])
@pytest.mark.parametrize(
    "hidden",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "http://localhost:9/", "meta": {"_type": "gradio.FileData"}},
        {"url": "http://localhost:9/"},
        {"path": "/etc/passwd"},
        [{"a": [{"path": "/etc/passwd"}]}],
    ],
)
def test_file_data_is_refused_wherever_it_stands(address: WebAddress, path: str, hidden: Any):
    for body in (join(hidden), join("lift") | {"event_data": hidden}, [hidden]):
        assert ask(address, "POST", f"/gradio_api/{path}", body)[0] == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"data": ["' + b"a" * 100_000 + b'"]}', 413),
        (b"[" * 50_000, 400),
        (b'{"data":' + b"[" * 20 + b"]" * 20 + b"}", 400),
        (b"\xff\xfe not json", 400),
        (b"", 400),
        (json.dumps(join(file_data("/etc/passwd"))).encode("utf-16"), 400),
        (json.dumps(join(file_data("/etc/passwd"))).encode("utf-8-sig"), 400),
        (b'{"data": [], "data": [1]}', 400),
        (b'{"data": [], "fn_index": 0, "session_hash": "\\ud800"}', 400),
        (b'{"data": [{"\\u0070ath": "/etc/passwd"}]}', 403),
    ],
)
def test_other_bodies_are_refused(address: WebAddress, body: bytes, status: int):
    assert ask(address, "POST", "/gradio_api/queue/join", body)[0] == status


def test_a_body_without_a_length_is_limited_too(address: WebAddress):
    connection = HTTPConnection(address.host, address.port, timeout=30)
    chunks = (b"a" * 10_000 for _ in range(20))
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/gradio_api/queue/join", chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain"])
def test_only_json_is_accepted(address: WebAddress, kind: str):
    body = json.dumps(join("lift")).encode()
    assert ask(address, "POST", "/gradio_api/queue/join", body, {"Content-Type": kind})[0] == 415
    assert ask(address, "POST", "/gradio_api/upload", body, {"Content-Type": kind})[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file={downloads}/../../../../../../../../etc/passwd",
        "/gradio_api/file={downloads}%2F..%2F..%2F..%2F..%2F..%2F..%2F..%2F..%2Fetc/passwd",
        "/gradio_api/file=http://localhost:9/",
        "/gradio_api/file=lift.hdf5",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://localhost:9/",
        "/gradio_api/stream/s/0/0/playlist-file",
        "/gradio_api/upload_progress?upload_id=0",
        "/gradio_api/vibe-code",
        "/gradio_api/deep_link?session_hash=s",
        "/monitoring",
        "/openapi.json",
        "/static/../../routes.py",
        "/static/%2e%2e/%2e%2e/routes.py",
    ],
)
def test_pages_that_the_demo_does_not_have_are_refused(address: WebAddress, downloads: Path, path: str):
    status, text = ask(address, "GET", path.format(downloads=downloads))
    assert 400 <= status < 500
    assert "root:" not in text
    assert "import" not in text


def test_only_the_routes_that_the_page_needs_pass_the_gate(downloads: Path, monkeypatch: pytest.MonkeyPatch):
    """So that a route that another version of Gradio adds is closed."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(downloads))
    app = make_app(DemoSettings(), Visitors(NoSimulator(), 1, 100), FIRST)
    routes = set(_routes(app))
    assert ("POST", "/gradio_api/upload") in routes
    passed = {route for route in routes if _passes(*route, downloads)}
    assert len(passed) < len(routes) / 4
    assert {path for method, path in passed if method == "POST"} <= {
        "/gradio_api/queue/join",
        "/gradio_api/run/{api_name}",
    }
    assert passed >= {("POST", "/gradio_api/queue/join"), ("GET", "/"), ("GET", "/assets/{path:path}")}
    assert not any("file" in path or "proxy" in path or "upload" in path for _, path in passed)


def _routes(app: Any) -> Iterator[tuple[str, str]]:
    """Method and path of all routes of an application and of what is mounted in it."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or (route.app if isinstance(route, Mount) else None)
        yield from _routes(inner) if inner is not None else ((method, route.path) for method in route.methods)


def _passes(method: str, path: str, downloads: Path) -> bool:
    """Whether a request without a body passes the gate."""
    sent: list[Any] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost:1"), (b"content-type", b"application/json")]
    path = path.replace("{api_name}", "predict")
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(Gate(answer, WebAddress("127.0.0.1", 1), downloads)(scope, receive, send))
    return sent[0]["status"] == 200


def test_a_failure_behind_the_gate_is_one_line_of_the_log(downloads: Path, caplog: pytest.LogCaptureFixture):
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("a\n" * 1000)

    async def receive_or_send(*message: Any) -> Any: ...

    scope = {"type": "http", "method": "GET", "path": "/config", "headers": [(b"host", b"localhost:1")]}
    asyncio.run(Gate(fail, WebAddress("127.0.0.1", 1), downloads)(scope, receive_or_send, receive_or_send))
    (line,) = (record.getMessage() for record in caplog.records if record.name.endswith("gate"))
    assert "KeyError" in line
    assert len(line.splitlines()) == 1
    assert len(line) < 300


def test_dns_rebinding_and_requests_of_other_sites_are_refused(address: WebAddress):
    own, port = f"http://{address.host}:{address.port}", address.port
    for method, path, body in (("GET", "/", None), ("POST", "/gradio_api/queue/join", join("lift", "u"))):
        assert ask(address, method, path, body, {"Origin": own})[0] == 200
        assert ask(address, method, path, body, {"Host": f"localhost:{port}"})[0] == 200
        for forged in ({"Host": f"evil.example:{port}"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            assert ask(address, method, path, body, forged)[0] == 403


def test_websockets_are_refused(address: WebAddress):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert ask(address, "GET", "/gradio_api/queue/join", None, upgrade | key)[0] == 404
