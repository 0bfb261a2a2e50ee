"""The address of a page served from this machine, and the check that a request is meant for it."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from teamvla_envs.errors import UserError

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)
_ORIGIN = re.compile(r"(https?)://(.*)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class WebAddress:
    """Address of a web page that this machine serves.

    A page of another site can make a visitor's browser send requests here: directly, or by DNS rebinding, where the
    site's own name resolves to this machine. Two headers that no page can forge reveal it: ``Host`` is the address
    that the browser connects to, ``Origin`` the site of the requesting page.

    Attributes:
        host: Address that the server listens on.
        port: Port that the server listens on.
        allowed_hosts: Further names under which visitors reach it, such as that of a proxy: ``NAME`` at any port, or
            ``NAME:PORT``.

    Raises:
        UserError: If an allowed host is not of that form.
    """

    host: str
    port: int
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.allowed_hosts:
            if _AUTHORITY.fullmatch(name) is None:
                raise UserError(f"allowed-hosts has {name!r}, expected NAME or NAME:PORT, such as demo.example.org")

    @property
    def url(self) -> str:
        """Address to open in a browser on this machine."""
        host = "localhost" if _is_wildcard(self.host) else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def refusal(self, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        """Return the reason why a request is not meant for this page; None if it is.

        Args:
            hosts: Values of its ``Host`` headers; exactly one is expected.
            origins: Values of its ``Origin`` headers; programs other than browsers send none.
        """
        if len(hosts) != 1 or not self._is_own(hosts[0], set(_DEFAULT_PORTS.values())):
            given = ", ".join(hosts)[:100] or "nothing"
            return f"host is {given!r}, but this page is served at {self.url}; to allow another name: --allowed-hosts"
        for origin in origins:
            parts = _ORIGIN.fullmatch(origin)
            if parts is None or not self._is_own(parts[2], {_DEFAULT_PORTS[parts[1].lower()]}):
                return f"origin is {origin[:100]!r}, but only the page at {self.url} may send requests here"
        return None

    def _is_own(self, authority: str, default_ports: set[int]) -> bool:
        """Return whether ``NAME`` or ``NAME:PORT`` in a header refers to this page."""
        found = _parsed(authority)
        if found is None:
            return False
        name, port = found
        ports = default_ports if port is None else {port}
        if self.port in ports and (name in self._names() or (_is_wildcard(self.host) and _is_ip(name))):
            return True
        allowed = [parsed for parsed in map(_parsed, self.allowed_hosts) if parsed is not None]
        return any(name == allowed_name and (fixed is None or fixed in ports) for allowed_name, fixed in allowed)

    def _names(self) -> set[str]:
        names = {self.host.lower()}
        if _is_wildcard(self.host):
            machine = socket.gethostname().lower()
            names |= {*_LOOPBACK, machine, f"{machine}.local"}
        elif self.host.lower() == "localhost" or (_is_ip(self.host) and ipaddress.ip_address(self.host).is_loopback):
            names |= set(_LOOPBACK)
        return names


def _parsed(authority: str) -> tuple[str, int | None] | None:
    found = _AUTHORITY.fullmatch(authority)
    return found and (found[1].lower().strip("[]").rstrip("."), int(found[2]) if found[2] else None)


def _is_wildcard(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
