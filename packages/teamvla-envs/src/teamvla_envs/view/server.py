"""Newton's Viser viewer behind a check that its requests are meant for it."""

from http import HTTPStatus
from importlib import import_module
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.web_address import WebAddress


def make_viewer(address: WebAddress) -> Any:
    """Start the viewer's web server.

    Viser has no hook for checking requests. So its websocket server, which serves the files of the page, too, is
    replaced while it starts.

    Args:
        address: Address of the page; requests for another host or from another origin are answered with 403.

    Returns:
        A ``newton.viewer.ViewerViser``.

    Raises:
        UserError: If another program listens there.
        RuntimeError: If the installed Viser starts its server in another way, so that requests would not be checked.
    """
    from newton.viewer import ViewerViser

    server: Any = import_module("websockets.asyncio.server")
    serve, checked = server.serve, []

    def serve_checked(*args: Any, process_request: Any, **kwargs: Any) -> Any:
        def check(connection: Any, request: Any) -> Any:
            refusal = address.refusal(request.headers.get_all("Host"), request.headers.get_all("Origin"))
            if refusal is not None:
                return connection.respond(HTTPStatus.FORBIDDEN, refusal + "\n")
            return process_request(connection, request)

        checked.append(True)
        return serve(*args, process_request=check, **kwargs)

    server.serve = serve_checked
    try:
        viewer: Any = ViewerViser(host=address.host, port=address.port, label="TeamVLA", verbose=False)
    finally:
        server.serve = serve
    if not checked:
        viewer.close()
        raise RuntimeError("the installed version of viser does not let requests be checked")
    if viewer.server.get_port() != address.port:
        viewer.close()
        raise UserError(f"cannot listen on {address.host}:{address.port}: address already in use")
    # Browsers can send the message that asks for it, though its button is hidden: it would publish the scene.
    viewer.server.request_share_url = _share_nothing
    return viewer


def _share_nothing(verbose: bool = True) -> None:
    """Replace ``ViserServer.request_share_url``."""
