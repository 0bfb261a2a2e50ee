"""The Panda model against the published robot."""

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray
from teamvla_envs.scene.robots import PANDA

from tests.envs.scene.robots.craig import craig_transform, link_frames

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


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(PANDA.mjcf))


def published_frames(q: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Poses of every link and of the tool in the base frame."""
    frames = link_frames(CRAIG, q)
    frames["hand"] = frames["link7"] @ craig_transform(0.0, FLANGE, 0.0, HAND_YAW)
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
