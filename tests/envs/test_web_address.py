"""Requests that are accepted or refused by a page of this machine."""

import socket

import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.web_address import WebAddress

LOCAL = WebAddress("127.0.0.1", 7860)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST:7860", "[::1]:7860", "localhost.:7860"]
)
def test_all_names_of_this_machine_mean_a_page_on_the_loopback_interface(host: str):
    assert LOCAL.refusal([host], []) is None
    assert LOCAL.refusal([host], [f"http://{host}"]) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:7860",
        "localhost.evil.example:7860",
        "127.0.0.1.evil.example:7860",
        "localhost",
        "localhost:7861",
        "localhost:7860@evil.example",
        "localhost:7860/",
        "user@localhost:7860",
        "192.168.1.5:7860",
        "",
        " ",
    ],
)
def test_another_name_or_port_is_refused_as_after_dns_rebinding(host: str):
    assert "host is" in str(LOCAL.refusal([host], []))


def test_exactly_one_host_is_expected():
    assert "host is 'nothing'" in str(LOCAL.refusal([], []))
    assert LOCAL.refusal(["localhost:7860", "evil.example"], []) is not None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:3000", "https://localhost", "file://", "localhost:7860", ""],
)
def test_requests_of_pages_from_elsewhere_are_refused(origin: str):
    assert f"origin is {origin!r}" in str(LOCAL.refusal(["localhost:7860"], [origin]))


def test_the_configured_name_is_allowed_and_only_that():
    address = WebAddress("lab.example.org", 8080)
    assert address.refusal(["lab.example.org:8080"], ["http://lab.example.org:8080"]) is None
    assert address.refusal(["localhost:8080"], []) is not None
    assert WebAddress("lab.example.org", 80).refusal(["lab.example.org"], ["http://lab.example.org"]) is None


def test_a_page_on_all_interfaces_is_reached_by_number_or_by_the_name_of_the_machine():
    address = WebAddress("0.0.0.0", 7860)
    for host in ("192.168.1.5:7860", "[fe80::1]:7860", "localhost:7860", f"{socket.gethostname()}:7860"):
        assert address.refusal([host], [f"http://{host}"]) is None
    assert address.refusal(["evil.example:7860"], []) is not None


def test_further_names_can_be_allowed():
    address = WebAddress("127.0.0.1", 7860, ("demo.example.org", "localhost:9000"))
    assert address.refusal(["demo.example.org"], ["https://demo.example.org"]) is None
    assert address.refusal(["localhost:9000"], ["http://localhost:9000"]) is None
    assert address.refusal(["localhost:9001"], []) is not None
    with pytest.raises(UserError, match="allowed-hosts has 'http:"):
        WebAddress("127.0.0.1", 7860, ("http://demo.example.org",))


def test_the_url_can_be_opened():
    assert LOCAL.url == "http://127.0.0.1:7860"
    assert WebAddress("::1", 7860).url == "http://[::1]:7860"
    assert WebAddress("0.0.0.0", 7860).url == WebAddress("::", 7860).url == "http://localhost:7860"
