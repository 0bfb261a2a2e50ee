import socket
import sys

import pytest
from teamvla_envs import cli
from teamvla_envs.cluster.engine import RayEngine, check_versions, choose_engine
from teamvla_envs.errors import UserError


def test_the_local_engine_is_this_process():
    assert choose_engine("local", None, None) is None


def test_ray_is_reached_as_the_options_say():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        assert choose_engine("ray", 4, address, threads=2) == RayEngine(4, address, 2)


def test_an_address_where_nothing_answers_is_refused_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"address is 127.0.0.1:1, where no Ray cluster answers: .*refused"):
        choose_engine("ray", None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--workers 2", "workers is 2, which needs --engine ray"),
        ("--address auto", "address is auto, which needs --engine ray"),
        ("--engine ray --workers 0", "workers is 0, expected 1 or more"),
        ("--engine ray --address ray://head:10001", "address is ray://head:10001, expected HOST:PORT"),
        ("--engine ray --address head", "address is head, expected HOST:PORT"),
    ],
)
def test_options_that_do_not_fit_are_one_line(options: str, message: str, tmp_path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "lift.hdf5"
    assert cli.main(["collect", "lift", "--out", str(out), *options.split()]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs Ray: pip install 'teamvla-envs\[ray\]'"):
        choose_engine("ray", None, None)


def test_a_worker_with_other_versions_is_refused():
    here = {"mujoco": "3.10.1", "numpy": "2.1.0"}
    check_versions(here, here | {"torch": "2.9.0"})
    with pytest.raises(UserError, match=r"worker on .* has mujoco 3.9.0, this machine 3.10.1"):
        check_versions(here, here | {"mujoco": "3.9.0"})
    with pytest.raises(UserError, match=r"has numpy not installed, this machine 2.1.0"):
        check_versions(here, {"mujoco": "3.10.1"})
