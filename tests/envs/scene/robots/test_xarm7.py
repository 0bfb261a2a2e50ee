"""The xArm 7 model against the published robot, and what it reaches from where it stands."""

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray
from teamvla_envs.geometry import rotation_vector
from teamvla_envs.kinematics import Chains, differential_ik
from teamvla_envs.scene.compose import BASE_RADIUS, compose
from teamvla_envs.scene.props import Table
from teamvla_envs.scene.robots import PANDA, XARM7

from tests.envs.scene.robots.craig import craig_transform, link_frames

# UFACTORY, "Kinematic and Dynamic Parameters of UFACTORY xArm Series", modified Denavit-Hartenberg parameters of the
# xArm 7: a [m], d [m], alpha [rad] of each joint.
CRAIG = (
    (0.0, 0.267, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.293, np.pi / 2),
    (0.0525, 0.0, np.pi / 2),
    (0.0775, 0.3425, np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.076, 0.097, -np.pi / 2),
)
FLANGE_TO_TOOL = 0.172  # [m], xarm_gripper.urdf.xacro

# xarm7.urdf.xacro.
LOWER = (-2 * np.pi, -2.059, -2 * np.pi, -0.19198, -2 * np.pi, -1.69297, -2 * np.pi)  # [rad]
UPPER = (2 * np.pi, 2.0944, 2 * np.pi, 3.927, 2 * np.pi, np.pi, 2 * np.pi)  # [rad]
EFFORT = (50.0, 50.0, 30.0, 30.0, 30.0, 20.0, 20.0)  # [N m]
DAMPING = (10.0, 10.0, 5.0, 5.0, 5.0, 2.0, 2.0)  # [N m s/rad]
# xarm7_type7_HT_BR2.yaml.
MASS = (2.382, 1.869, 1.6383, 1.7269, 1.3203, 1.325, 0.17)  # [kg]
# xarm_gripper.urdf.xacro: base, and each of two fingers with an outer and an inner knuckle.
GRIPPER_MASS = 0.54156 + 2 * (0.048304 + 0.033618 + 0.023013)  # [kg]
STROKE, GRIPPING_FORCE = (0.084, 0.086), 30.0  # [m], [N]: xArm Gripper manual


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(XARM7.mjcf))


def published_frames(q: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Poses of every link and of the tool in the base frame."""
    frames = link_frames(CRAIG, q)
    frames["hand"] = frames["link7"]
    frames["tool"] = frames["hand"] @ craig_transform(0.0, FLANGE_TO_TOOL, 0.0, 0.0)
    return frames


def test_forward_kinematics_match_the_published_dh_parameters(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(0)
    data = mujoco.MjData(model)
    for q in rng.uniform(LOWER, UPPER, (200, 7)):
        for joint, angle in zip(XARM7.joints, q, strict=True):
            data.joint(joint).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        for name, expected in published_frames(q).items():
            frame = data.site(XARM7.tool_site) if name == "tool" else data.body(name)
            np.testing.assert_allclose(frame.xpos, expected[:3, 3], atol=1e-6)
            np.testing.assert_allclose(frame.xmat.reshape(3, 3), expected[:3, :3], atol=1e-6)


def test_joint_ranges_are_the_published_ones_within_a_turn(model: mujoco.MjModel) -> None:
    for i, joint in enumerate(XARM7.joints):
        expected = (max(LOWER[i], -np.pi), min(UPPER[i], np.pi) if i != 3 else UPPER[i])
        np.testing.assert_allclose(model.joint(joint).range, expected)
        np.testing.assert_allclose(model.actuator(joint).ctrlrange, expected)
        assert expected[0] < XARM7.home[i] < expected[1]


def test_efforts_and_damping_are_the_published_ones(model: mujoco.MjModel) -> None:
    for i, joint in enumerate(XARM7.joints):
        np.testing.assert_allclose(model.actuator(joint).forcerange, (-EFFORT[i], EFFORT[i]))
        np.testing.assert_allclose(model.joint(joint).damping, DAMPING[i])


def test_masses_are_the_published_ones(model: mujoco.MjModel) -> None:
    np.testing.assert_allclose([model.body(f"link{i}").mass[0] for i in range(1, 8)], MASS)
    gripper = [model.body(name).mass[0] for name in (XARM7.hand_body, "left_finger", "right_finger")]
    # The four knuckles belong to the hand here.
    np.testing.assert_allclose(sum(gripper), GRIPPER_MASS, rtol=1e-5)


def test_gripper_has_the_published_stroke_and_force(model: mujoco.MjModel) -> None:
    assert STROKE[0] <= XARM7.gripper_range[1] <= STROKE[1]
    # The tendon shares its force among both fingers.
    np.testing.assert_allclose(model.actuator("gripper").forcerange[1] / 2, GRIPPING_FORCE)


def test_fingers_reach_far_beyond_the_palm(model: mujoco.MjModel) -> None:
    palm = model.geom("hand_collider0")
    assert model.site(XARM7.tool_site).pos[2] - (palm.pos[2] + palm.size[2]) > 0.04


def miss(tool: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance [m] and angle [rad] between where an xArm's tool is asked to be, fingers down, and where it gets.

    Args:
        tool: Positions in the frame of a team's center, seen by arm 0, shape ``(N, 3)`` [m].
    """
    chains = Chains.of(compose(["xarm7"], [Table()]))
    away = tool[:, :2] + [XARM7.base_radius, 0.0]
    x = np.concatenate([away, np.zeros((len(tool), 1))], -1)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    z = np.broadcast_to([0.0, 0.0, -1.0], x.shape)
    rot = np.stack([x, np.cross(z, x), z], -1)
    q = np.broadcast_to(chains.rest, (len(tool), 1, 7))
    for _ in range(300):
        frames, pose = chains.frames(q)
        way = tool[:, None] - pose[..., :3, 3]
        turn = rotation_vector(rot[:, None] @ np.swapaxes(pose[..., :3, :3], -1, -2))
        step = differential_ik(chains.jacobian(frames, pose), np.concatenate([way, turn], -1), 0 * q)
        q = (q + step.clip(-0.1, 0.1)).clip(chains.lower, chains.upper)
    return np.linalg.norm(way[:, 0], axis=-1), np.linalg.norm(turn[:, 0], axis=-1)


@pytest.mark.parametrize(
    "tool",
    [
        *[(0.0, y, z) for y in (-0.28, 0.0, 0.28) for z in (0.05, 0.20, 0.35)],
        (0.0, 0.0, 0.30),
        (-0.20, -0.20, 0.02),
        (-0.20, 0.0, 0.02),
        (-0.20, 0.20, 0.02),
    ],
)
def test_an_xarm_reaches_what_a_team_shares_and_its_own_side(tool: tuple[float, float, float]) -> None:
    distance, angle = miss(np.array([tool]))
    assert distance < 1e-3
    assert angle < 1e-2


def test_from_where_a_panda_stands_an_xarm_would_not_reach_what_a_team_shares() -> None:
    further = BASE_RADIUS - XARM7.base_radius
    distance, _ = miss(np.array([(further, y, z) for y in (-0.28, 0.28) for z in (0.05, 0.35)]))
    assert (distance > 0.01).all()
    assert PANDA.base_radius == BASE_RADIUS
