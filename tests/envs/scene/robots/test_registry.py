"""Robots by name: built in, registered by a program, or brought by another distribution."""

import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.robots import (
    PANDA,
    ROBOTS,
    XARM7,
    RobotSpec,
    deregister_robot,
    get_robot,
    register_robot,
    registered_robots,
)

WIDE = replace(PANDA, name="panda_wide", cameras=(replace(PANDA.cameras[0], fovy=90.0),))
NO_ROBOT = "no robot"
InstallRobot = Callable[[str, str], None]


@pytest.fixture
def register() -> Iterator[Callable[[RobotSpec], None]]:
    """Registers robots and takes them back after the test."""
    before = dict(ROBOTS)
    yield register_robot
    ROBOTS.clear()
    ROBOTS.update(before)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> InstallRobot:
    """Pretends that a distribution has an entry point of that name and value."""
    entry_points = importlib.metadata.entry_points

    def install_robot(name: str, value: str) -> None:
        entry = EntryPoint(name, value, "teamvla.robots")

        def found(*, group: str) -> EntryPoints:
            return EntryPoints([*([entry] if group == entry.group else []), *entry_points(group=group)])

        monkeypatch.setattr(importlib.metadata, "entry_points", found)

    return install_robot


def test_the_built_in_robots_are_known_by_name() -> None:
    assert registered_robots() == ("panda", "xarm7")
    assert get_robot("panda") is PANDA
    assert get_robot("xarm7") is XARM7


def test_an_unknown_robot_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"robot is 'pandas', expected one of \['panda', 'xarm7'\]"):
        get_robot("pandas")


def test_a_spec_is_frozen_data() -> None:
    assert WIDE.joints == PANDA.joints
    with pytest.raises(AttributeError):
        setattr(PANDA, "name", "other")  # noqa: B010  a plain assignment would not pass the type checkers


def test_a_registered_robot_is_found_until_it_is_taken_back(register: Callable[[RobotSpec], None]) -> None:
    register(WIDE)
    assert get_robot("panda_wide") is WIDE
    assert "panda_wide" in registered_robots()
    deregister_robot("panda_wide")
    with pytest.raises(ValueError, match="panda_wide"):
        get_robot("panda_wide")


def test_a_registered_robot_can_be_a_member_of_a_team(register: Callable[[RobotSpec], None]) -> None:
    register(WIDE)
    env = TeamVectorEnv("lift", 1, robot=("panda", "panda_wide"))
    env.close()
    assert env.env_kwargs["robot"] == ["panda", "panda_wide"]


@pytest.mark.parametrize("spec", [PANDA, replace(XARM7, base_radius=0.6)], ids=lambda spec: spec.name)
def test_a_name_that_is_taken_is_refused(register: Callable[[RobotSpec], None], spec: RobotSpec) -> None:
    with pytest.raises(ValueError, match=rf"'{spec.name}' is already registered.*panda.*xarm7"):
        register(spec)
    assert get_robot("xarm7") is XARM7


def test_taking_back_what_is_not_registered_lists_what_is() -> None:
    with pytest.raises(ValueError, match=r"robot is 'spot', expected one of \['panda', 'xarm7'\]"):
        deregister_robot("spot")


def test_an_installed_robot_is_found_by_its_entry_point(install: InstallRobot) -> None:
    install("panda_wide", f"{__name__}:WIDE")
    assert registered_robots() == ("panda", "panda_wide", "xarm7")
    assert get_robot("panda_wide") == WIDE
    assert "panda_wide" not in ROBOTS


def test_an_installed_robot_is_not_imported_before_it_is_asked_for(install: InstallRobot) -> None:
    install("spot", "not_installed.spot:SPOT")
    assert get_robot("panda") is PANDA
    assert "spot" in registered_robots()


def test_the_name_of_an_installed_robot_is_taken(install: InstallRobot) -> None:
    install("panda_wide", f"{__name__}:WIDE")
    with pytest.raises(ValueError, match="'panda_wide' is already registered"):
        register_robot(WIDE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("not_installed.spot:SPOT", "cannot be loaded: ModuleNotFoundError: .*not_installed"),
        (f"{__name__}:SPOT", "cannot be loaded: AttributeError"),
        (f"{__name__}:NO_ROBOT", "is a str, expected a RobotSpec"),
        (f"{__name__}:WIDE", "is a robot named 'panda_wide', expected 'spot'"),
    ],
)
def test_a_broken_entry_point_is_named(install: InstallRobot, value: str, reason: str) -> None:
    install("spot", value)
    with pytest.raises(ValueError, match=rf"robot 'spot': entry point '{value}' of group 'teamvla.robots' {reason}"):
        get_robot("spot")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hand_body": "palm"}, "has no body 'palm', it has base, link1, .*hand"),
        ({"gripper_tendon": "grip"}, "has no tendon 'grip', it has split"),
        ({"tool_site": "tcp"}, "has no site 'tcp', it has tool"),
        ({"tint_material": "paint"}, "has no material 'paint', it has shell, tint"),
        ({"mounted_bodies": ("pedestal",)}, "has no body 'pedestal'"),
        ({"finger_joints": ("joint1", "finger_joint2")}, "joint 'joint1' is not a slide joint"),
        ({"joints": PANDA.joints[:6], "home": PANDA.home[:6]}, r"joints \['joint7'\] are in neither"),
        ({"home": (9.0, *PANDA.home[1:])}, "home puts joint 'joint1' at 9.0, outside of its range"),
    ],
)
def test_a_robot_that_does_not_fit_its_file_is_refused(
    register: Callable[[RobotSpec], None], change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"robot 'odd': .*{message}"):
        register(replace(PANDA, name="odd", **change))  # type: ignore[arg-type]
    assert "odd" not in registered_robots()


def test_a_specification_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="robot 'panda': home has 7 angles for 6 joints"):
        replace(PANDA, joints=PANDA.joints[:6])
    with pytest.raises(ValueError, match="finger_joints has 1 names, expected 2"):
        replace(PANDA, finger_joints=("finger_joint1",))  # type: ignore[arg-type]
