"""Contracts of the built-in robot models, and their behavior in MuJoCo."""

import mujoco
import numpy as np
import pytest
from teamvla_envs.scene.robots import PANDA, XARM7, RobotSpec

PADS, FINGERS = ("left_pad", "right_pad"), ("left_finger", "right_finger")


@pytest.fixture(params=(PANDA, XARM7), ids=lambda robot: robot.name)
def robot(request: pytest.FixtureRequest) -> RobotSpec:
    spec: RobotSpec = request.param
    return spec


@pytest.fixture
def model(robot: RobotSpec) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(robot.mjcf))


def at_home(robot: RobotSpec, model: mujoco.MjModel) -> mujoco.MjData:
    """The arm at rest in its home posture, gripper open, commanded to stay."""
    data = mujoco.MjData(model)
    for joint, angle in zip(robot.joints, robot.home, strict=True):
        data.joint(joint).qpos[0] = angle
        data.actuator(joint).ctrl[0] = angle
    for joint in robot.finger_joints:
        data.joint(joint).qpos[0] = robot.gripper_range[1] / 2
    data.actuator("gripper").ctrl[0] = robot.gripper_range[1] / 2
    mujoco.mj_forward(model, data)
    return data


def test_every_name_of_the_spec_is_in_the_model(robot: RobotSpec, model: mujoco.MjModel) -> None:
    for body in (robot.base_body, robot.hand_body, *FINGERS):
        assert model.body(body).id > 0
    assert model.body(robot.base_body).parentid == 0
    assert model.site(robot.tool_site).bodyid == model.body(robot.hand_body).id
    for pad, finger in zip(PADS, FINGERS, strict=True):
        assert model.geom(pad).bodyid == model.body(finger).id


def test_tool_site_lies_between_the_pads_with_y_along_the_opening(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    left, right = (data.geom(pad).xpos for pad in PADS)
    tool = data.site(robot.tool_site)
    rotation = tool.xmat.reshape(3, 3)
    offset = rotation.T @ ((left + right) / 2 - tool.xpos)
    np.testing.assert_allclose(offset, (0.0, 0.0, 0.0), atol=1e-3)
    opening = (left - right) / np.linalg.norm(left - right)
    np.testing.assert_allclose(opening, rotation[:, 1], atol=1e-6)
    pad_thickness = 2 * model.geom(PADS[0]).size[1]
    assert np.linalg.norm(left - right) - pad_thickness == pytest.approx(robot.gripper_range[1], abs=1e-6)


def test_both_fingers_follow_the_one_gripper_actuator(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    for travel in (0.0, 0.03, 0.01, robot.gripper_range[1] / 2):
        data.actuator("gripper").ctrl[0] = travel
        for _ in range(250):
            mujoco.mj_step(model, data)
            left, right = (data.joint(joint).qpos[0] for joint in robot.finger_joints)
            assert left == pytest.approx(right, abs=1e-4)
        assert left == pytest.approx(travel, abs=5e-4)


def test_gravity_compensation_holds_the_arm_without_actuation(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    start = data.qpos.copy()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    mujoco.mj_step(model, data, 250)
    np.testing.assert_allclose(data.qpos, start, atol=1e-6)


def test_standing_at_home_is_quiet(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    start = data.qpos.copy()
    for _ in range(250):
        mujoco.mj_step(model, data)
        assert data.ncon == 0
    assert not data.warning.number.any()
    np.testing.assert_allclose(data.qpos, start, atol=1e-4)


def test_commanded_posture_is_reached_within_the_effort_limits(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    target = np.add(robot.home, 0.2)
    for joint, angle in zip(robot.joints, target, strict=True):
        data.actuator(joint).ctrl[0] = angle
    mujoco.mj_step(model, data, 500)
    reached = np.array([data.joint(joint).qpos[0] for joint in robot.joints])
    np.testing.assert_allclose(reached, target, atol=2e-3)


def test_every_link_has_a_physically_valid_inertia(robot: RobotSpec, model: mujoco.MjModel) -> None:
    for body in range(1, model.nbody):
        small, middle, large = np.sort(model.body_inertia[body])
        assert model.body_mass[body] > 0
        assert small > 0
        assert small + middle >= large


def test_visuals_add_no_mass_and_no_contact(robot: RobotSpec, model: mujoco.MjModel) -> None:
    spec = mujoco.MjSpec.from_file(str(robot.mjcf))
    for geom in [geom for geom in spec.geoms if geom.group == 2]:
        spec.delete(geom)
    bare = spec.compile()
    np.testing.assert_array_equal(bare.body_mass, model.body_mass)
    np.testing.assert_array_equal(bare.body_inertia, model.body_inertia)
    assert model.ngeom > bare.ngeom
    visual = model.geom_group == 2
    assert not model.geom_contype[visual].any()
    assert not model.geom_conaffinity[visual].any()


def test_colliders_are_named_and_grip_with_the_documented_contact_settings(
    robot: RobotSpec, model: mujoco.MjModel
) -> None:
    for geom in np.flatnonzero(model.geom_group == 3):
        name = model.geom(geom).name
        body = model.body(model.geom_bodyid[geom]).name
        assert name.startswith(f"{body}_collider") or name in PADS
        np.testing.assert_allclose(model.geom_solref[geom], (0.008, 1.0))
        np.testing.assert_allclose(model.geom_solimp[geom], (0.95, 0.99, 0.001, 0.5, 2.0))
        assert model.geom_condim[geom] == 4
        assert model.geom_friction[geom, 0] == (1.5 if name in PADS else 1.0)


def test_an_arm_can_be_recolored_and_attached_under_a_prefix(robot: RobotSpec) -> None:
    scene = mujoco.MjSpec()
    scene.option.timestep = 0.004
    scene.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    scene.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    scene.option.impratio = 10
    for arm, color in enumerate(((1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0))):
        child = mujoco.MjSpec.from_file(str(robot.mjcf))
        child.material("tint").rgba = color
        scene.attach(child, prefix=f"arm_{arm}/", frame=scene.worldbody.add_frame(pos=(0.0, arm, 0.0)))
    model = scene.compile()
    assert model.nu == 2 * (len(robot.joints) + 1)
    np.testing.assert_allclose(model.material("arm_0/tint").rgba, (1, 0, 0, 1))
    np.testing.assert_allclose(model.material("arm_1/tint").rgba, (0, 0, 1, 1))


def test_wrist_camera_sees_both_pads_at_every_opening(robot: RobotSpec, model: mujoco.MjModel) -> None:
    data = at_home(robot, model)
    hand = data.body(robot.hand_body)
    camera = np.empty(9)
    mujoco.mju_quat2Mat(camera, np.array(robot.cameras[0].quat))
    rotation = hand.xmat.reshape(3, 3) @ camera.reshape(3, 3)
    origin = hand.xpos + hand.xmat.reshape(3, 3) @ robot.cameras[0].pos
    half_height = np.tan(np.radians(robot.cameras[0].fovy / 2))
    for travel in (0.0, 0.015, robot.gripper_range[1] / 2):
        for joint in robot.finger_joints:
            data.joint(joint).qpos[0] = travel
        mujoco.mj_kinematics(model, data)
        for pad in PADS:
            x, y, z = rotation.T @ (data.geom(pad).xpos - origin)
            assert z < 0
            assert abs(x / z) < 0.95 * half_height
            assert abs(y / z) < 0.95 * half_height
