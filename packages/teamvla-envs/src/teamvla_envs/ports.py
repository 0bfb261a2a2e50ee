"""Ports that a local web page can be served on."""

import socket

from teamvla_envs.errors import UserError


def free_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0.

    Args:
        host: Address to listen on.
        port: 0 to 65535.

    Raises:
        UserError: If the program cannot listen there.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"port is {port}, expected 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise UserError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        return int(trial.getsockname()[1])
