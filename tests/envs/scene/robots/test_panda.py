"""The Panda model against the published robot, and its behavior in MuJoCo."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray
from teamvla_envs.scene.robots import PANDA, ROBOTS, get_robot

# Franka Control Interface documentation, Denavit-Hartenberg parameters (Craig): a [m], d [m], alpha [rad] of
# each joint. https://frankaemika.github.io/docs/control_parameters.html
CRAIG = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
)
FLANGE = 0.107  # [m]
HAND_TO_TOOL = 0.1034  # [m], franka_hand.xacro
HAND_YAW = -np.pi / 4  # [rad]

# Same page, Limits for Panda.
LOWER = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)  # [rad]
UPPER = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)  # [rad]
EFFORT = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)  # [N m]
VELOCITY = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # [rad/s]

LINKS = tuple(f"link{i}" for i in range(1, 8))
OPEN = 0.04  # [m] of travel of one finger


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(PANDA.mjcf))


def at_home(model: mujoco.MjModel) -> mujoco.MjData:
    """The arm at rest in its home posture, gripper open, commanded to stay."""
    data = mujoco.MjData(model)
    for joint, angle in zip(PANDA.joints, PANDA.home, strict=True):
        data.joint(joint).qpos[0] = angle
        data.actuator(joint).ctrl[0] = angle
    for joint in PANDA.finger_joints:
        data.joint(joint).qpos[0] = OPEN
    data.actuator(PANDA.gripper_actuator).ctrl[0] = OPEN
    mujoco.mj_forward(model, data)
    return data


def craig_transform(a: float, d: float, alpha: float, theta: float) -> NDArray[np.float64]:
    """Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d), Craig, Introduction to Robotics, eq. 3.6."""
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        [
            [ct, -st, 0.0, a],
            [st * ca, ct * ca, -sa, -sa * d],
            [st * sa, ct * sa, ca, ca * d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def published_frames(q: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Poses of every link and of the tool in the base frame."""
    frames = {}
    pose = np.eye(4)
    for link, parameters, theta in zip(LINKS, CRAIG, q, strict=True):
        pose = pose @ craig_transform(*parameters, theta)
        frames[link] = pose
    frames["hand"] = pose @ craig_transform(0.0, FLANGE, 0.0, HAND_YAW)
    frames["tool"] = frames["hand"] @ craig_transform(0.0, HAND_TO_TOOL, 0.0, 0.0)
    return frames


def test_forward_kinematics_match_the_published_dh_parameters(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(0)
    data = mujoco.MjData(model)
    for q in rng.uniform(LOWER, UPPER, (200, 7)):
        for joint, angle in zip(PANDA.joints, q, strict=True):
            data.joint(joint).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        for name, expected in published_frames(q).items():
            frame = data.site(PANDA.tool_site) if name == "tool" else data.body(name)
            np.testing.assert_allclose(frame.xpos, expected[:3, 3], atol=1e-6)
            np.testing.assert_allclose(frame.xmat.reshape(3, 3), expected[:3, :3], atol=1e-6)


def test_joint_ranges_and_efforts_are_the_published_ones(model: mujoco.MjModel) -> None:
    for i, joint in enumerate(PANDA.joints):
        np.testing.assert_allclose(model.joint(joint).range, (LOWER[i], UPPER[i]))
        np.testing.assert_allclose(model.actuator(joint).ctrlrange, (LOWER[i], UPPER[i]))
        np.testing.assert_allclose(model.actuator(joint).forcerange, (-EFFORT[i], EFFORT[i]))
        assert LOWER[i] < PANDA.home[i] < UPPER[i]
    assert PANDA.joint_velocity_limits == VELOCITY


def test_every_name_of_the_spec_is_in_the_model(model: mujoco.MjModel) -> None:
    for body in (PANDA.base_body, PANDA.hand_body, *PANDA.finger_bodies):
        assert model.body(body).id > 0
    assert model.body(PANDA.base_body).parentid == 0
    assert model.site(PANDA.tool_site).bodyid == model.body(PANDA.hand_body).id
    for pad, finger in zip(PANDA.pad_geoms, PANDA.finger_bodies, strict=True):
        assert model.geom(pad).bodyid == model.body(finger).id


def test_tool_site_lies_between_the_pads_with_y_along_the_opening(model: mujoco.MjModel) -> None:
    data = at_home(model)
    left, right = (data.geom(pad).xpos for pad in PANDA.pad_geoms)
    tool = data.site(PANDA.tool_site)
    rotation = tool.xmat.reshape(3, 3)
    offset = rotation.T @ ((left + right) / 2 - tool.xpos)
    np.testing.assert_allclose(offset, (0.0, 0.0, 0.0), atol=1e-3)
    opening = (left - right) / np.linalg.norm(left - right)
    np.testing.assert_allclose(opening, rotation[:, 1], atol=1e-6)
    pad_thickness = 2 * model.geom(PANDA.pad_geoms[0]).size[1]
    assert np.linalg.norm(left - right) - pad_thickness == pytest.approx(PANDA.gripper_range[1], abs=1e-6)


def test_both_fingers_follow_the_one_gripper_actuator(model: mujoco.MjModel) -> None:
    data = at_home(model)
    for travel in (0.0, 0.03, 0.01, OPEN):
        data.actuator(PANDA.gripper_actuator).ctrl[0] = travel
        for _ in range(250):
            mujoco.mj_step(model, data)
            left, right = (data.joint(joint).qpos[0] for joint in PANDA.finger_joints)
            assert left == pytest.approx(right, abs=1e-4)
        assert left == pytest.approx(travel, abs=5e-4)


def test_gravity_compensation_holds_the_arm_without_actuation(model: mujoco.MjModel) -> None:
    data = at_home(model)
    start = data.qpos.copy()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    mujoco.mj_step(model, data, 250)
    np.testing.assert_allclose(data.qpos, start, atol=1e-6)


def test_standing_at_home_is_quiet(model: mujoco.MjModel) -> None:
    data = at_home(model)
    start = data.qpos.copy()
    for _ in range(250):
        mujoco.mj_step(model, data)
        assert data.ncon == 0
    assert not data.warning.number.any()
    np.testing.assert_allclose(data.qpos, start, atol=1e-4)


def test_commanded_posture_is_reached_within_the_effort_limits(model: mujoco.MjModel) -> None:
    data = at_home(model)
    target = np.add(PANDA.home, 0.2)
    for joint, angle in zip(PANDA.joints, target, strict=True):
        data.actuator(joint).ctrl[0] = angle
    mujoco.mj_step(model, data, 500)
    reached = np.array([data.joint(joint).qpos[0] for joint in PANDA.joints])
    np.testing.assert_allclose(reached, target, atol=2e-3)


def test_every_link_has_a_physically_valid_inertia(model: mujoco.MjModel) -> None:
    for body in range(1, model.nbody):
        small, middle, large = np.sort(model.body_inertia[body])
        assert model.body_mass[body] > 0
        assert small > 0
        assert small + middle >= large


def test_visuals_add_no_mass_and_no_contact(model: mujoco.MjModel) -> None:
    spec = mujoco.MjSpec.from_file(str(PANDA.mjcf))
    for geom in [geom for geom in spec.geoms if geom.group == 2]:
        spec.delete(geom)
    bare = spec.compile()
    np.testing.assert_array_equal(bare.body_mass, model.body_mass)
    np.testing.assert_array_equal(bare.body_inertia, model.body_inertia)
    assert model.ngeom > bare.ngeom
    visual = model.geom_group == 2
    assert not model.geom_contype[visual].any()
    assert not model.geom_conaffinity[visual].any()


def test_colliders_are_named_and_grip_with_the_documented_contact_settings(model: mujoco.MjModel) -> None:
    for geom in np.flatnonzero(model.geom_group == 3):
        name = model.geom(geom).name
        body = model.body(model.geom_bodyid[geom]).name
        assert name.startswith(f"{body}_collider") or name in PANDA.pad_geoms
        np.testing.assert_allclose(model.geom_solref[geom], (0.008, 1.0))
        np.testing.assert_allclose(model.geom_solimp[geom], (0.95, 0.99, 0.001, 0.5, 2.0))
        assert model.geom_condim[geom] == 4
        assert model.geom_friction[geom, 0] == (1.5 if name in PANDA.pad_geoms else 1.0)


def test_an_arm_can_be_recolored_and_attached_under_a_prefix() -> None:
    scene = mujoco.MjSpec()
    scene.option.timestep = 0.004
    scene.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    scene.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    scene.option.impratio = 10
    for arm, color in enumerate(((1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0))):
        robot = mujoco.MjSpec.from_file(str(PANDA.mjcf))
        robot.material("tint").rgba = color
        scene.attach(robot, prefix=f"arm_{arm}/", frame=scene.worldbody.add_frame(pos=(0.0, arm, 0.0)))
    model = scene.compile()
    assert model.nu == 2 * (len(PANDA.joints) + 1)
    np.testing.assert_allclose(model.material("arm_0/tint").rgba, (1, 0, 0, 1))
    np.testing.assert_allclose(model.material("arm_1/tint").rgba, (0, 0, 1, 1))


def test_wrist_camera_sees_both_pads_at_every_opening(model: mujoco.MjModel) -> None:
    data = at_home(model)
    hand = data.body(PANDA.hand_body)
    camera = np.empty(9)
    mujoco.mju_quat2Mat(camera, np.array(PANDA.wrist_camera_quat))
    rotation = hand.xmat.reshape(3, 3) @ camera.reshape(3, 3)
    origin = hand.xpos + hand.xmat.reshape(3, 3) @ PANDA.wrist_camera_pos
    half_height = np.tan(np.radians(PANDA.wrist_camera_fovy / 2))
    for travel in (0.0, 0.015, OPEN):
        for joint in PANDA.finger_joints:
            data.joint(joint).qpos[0] = travel
        mujoco.mj_kinematics(model, data)
        for pad in PANDA.pad_geoms:
            x, y, z = rotation.T @ (data.geom(pad).xpos - origin)
            assert z < 0
            assert abs(x / z) < 0.95 * half_height
            assert abs(y / z) < 0.95 * half_height


def test_an_unknown_robot_is_refused_by_name() -> None:
    assert get_robot("panda") is PANDA
    assert set(ROBOTS) == {"panda"}
    with pytest.raises(ValueError, match=r"robot is 'pandas', expected one of \['panda'\]"):
        get_robot("pandas")


def test_a_spec_is_frozen_data() -> None:
    tilted = replace(PANDA, name="panda_wide", wrist_camera_fovy=90.0)
    assert tilted.joints == PANDA.joints
    with pytest.raises(AttributeError):
        setattr(PANDA, "name", "other")  # noqa: B010  a plain assignment would not pass the type checkers
