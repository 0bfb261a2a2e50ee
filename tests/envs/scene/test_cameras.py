"""Cameras of a scene: registered, of a robot, and of a task."""

from dataclasses import replace

import pytest
from teamvla_envs.scene import cameras
from teamvla_envs.scene.cameras import CameraSpec, deregister_camera, register_camera
from teamvla_envs.scene.compose import compose
from teamvla_envs.scene.props import Table
from teamvla_envs.scene.robots import PANDA, ROBOTS
from teamvla_envs.world import ContactPair

SIDE = CameraSpec("side", (1.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0), 45.0)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of cameras is as before after each test."""
    monkeypatch.setattr(cameras, "SHARED_CAMERAS", list(cameras.SHARED_CAMERAS))


def test_a_registered_camera_is_in_every_scene_until_it_is_removed() -> None:
    register_camera(SIDE)
    assert compose(["panda"], [Table()]).camera("side") == SIDE
    with pytest.raises(ValueError, match="got name 'side', expected an identifier other than front, overhead, side"):
        register_camera(SIDE)
    deregister_camera("side")
    with pytest.raises(ValueError, match="got 'side', expected one of front, overhead"):
        deregister_camera("side")


def test_only_cameras_marked_so_are_observed_by_default() -> None:
    register_camera(SIDE)
    assert compose(["panda"] * 2, [Table()]).default_cameras == ("front", "wrist_0", "wrist_1")
    deregister_camera("side")
    register_camera(replace(SIDE, by_default=True))
    assert compose(["panda"] * 2, [Table()]).default_cameras == ("front", "side", "wrist_0", "wrist_1")


def test_a_camera_of_a_robot_is_carried_by_each_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    elbow = CameraSpec("elbow", (0.0, 0.0, 0.1), (1.0, 0.0, 0.0, 0.0), 60.0, body="link4")
    monkeypatch.setitem(ROBOTS, "seeing", replace(PANDA, name="seeing", cameras=(*PANDA.cameras, elbow)))
    camera = compose(["panda", "seeing"], [Table()]).camera("elbow_1")
    assert (camera.body, camera.arm, camera.own_name) == ("arm_1/link4", 1, "elbow")


def test_a_further_camera_needs_a_free_name_and_a_body_of_the_scene() -> None:
    assert compose(["panda"], [Table()], cameras=[replace(SIDE, body="table")]).camera("side").body == "table"
    with pytest.raises(ValueError, match="cameras: the scene has several cameras of the name 'front'"):
        compose(["panda"] * 2, [Table()], cameras=[replace(SIDE, name="front")])
    with pytest.raises(ValueError, match="cameras: the scene has no body 'shelf', it has world, table"):
        compose(["panda"], [Table()], cameras=[replace(SIDE, body="shelf")])


def test_roles_of_bodies_in_contact_pairs_are_resolved() -> None:
    grasp = ContactPair("arm_0/hand", "table", "grasp", arm=0, body="table")
    pairs = [grasp, ContactPair("arm_0/upper_arm", "arm_1/base"), ContactPair("arm_1/link5", "table")]
    scene = compose(["panda"] * 2, [Table()], pairs)
    assert scene.contact_pairs == (grasp, ContactPair("arm_0/link2", "arm_1/base"), pairs[2])
    assert scene.body(1, "upper_arm") == "arm_1/link2"
    with pytest.raises(ValueError, match="contact pairs: the scene has no body 'arm_0/elbow'"):
        compose(["panda"], [Table()], [ContactPair("arm_0/elbow", "table")])
