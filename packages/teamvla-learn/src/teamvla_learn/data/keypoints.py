"""Image coordinates of a task's keypoints in the demonstrations."""

from collections.abc import Mapping

import numpy as np
from teamvla_envs.geometry import quat_from_matrix
from teamvla_envs.kinematics import tool_in_hand
from teamvla_envs.scene.compose import compose
from teamvla_envs.scene.robots.registry import registered_robots
from teamvla_envs.scene.robots.spec import RobotSpec
from teamvla_envs.sim.pinhole import camera_views, project_points

from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.metadata import FileSource
from teamvla_learn.data.part_flags import parts_with


def project_keypoints(
    source: FileSource, agent_pos: np.ndarray, state: np.ndarray, fields: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Project the keypoints into the images of every camera of a file.

    Args:
        source: Metadata of the file.
        agent_pos: (M, A*P) float32, proprioception of M samples, which determines the poses of the wrist cameras.
        state: (M, S) float32, privileged state.
        fields: Camera randomization by ``field.camera_<quantity>.<camera>``; the first axis is M.

    Returns:
        Camera -> (M, T, 2) float32 for the T parts with the flag ``keypoint``: fractions of the image's width from the
        left and of its height from the top, outside [0, 1] for points outside the image. NaN for keypoints that the
        task does not have, and for all if the file lacks the data to compute them.
    """
    count, layout, names = len(agent_pos), source.environment_state, parts_with("keypoint", (source.task,))
    points = np.full((count, len(names), 3), np.nan)
    for index, name in enumerate(names):
        if dict(layout.parts).get(name) == 3:
            points[:, index] = state[:, slice(*layout.span(name))]
    unknown = {camera: np.full((count, len(names), 2), np.nan, np.float32) for camera in source.cameras}
    robots, own = source.robots, source.agent_pos
    if np.isnan(points).all() or not set(robots) <= set(registered_robots()) or "tool_rot6d" not in own.names:
        return unknown
    scene = compose(robots, ())
    cameras = [camera for camera in scene.cameras if camera.name in source.cameras]
    if not cameras:
        return unknown
    hands = _hands(scene.robots, own, agent_pos.astype(np.float64))
    carriers = {f"arm_{k}/{robot.hand_body}": k for k, robot in enumerate(scene.robots)}
    split = {key.removeprefix("field.").partition("."): values for key, values in fields.items()}
    moved = {(quantity, name): values for (quantity, _, name), values in split.items()}
    views, fovy = camera_views(cameras, carriers, hands[..., :3, 3], quat_from_matrix(hands[..., :3, :3]), moved)
    keypoints = {}
    for index, camera in enumerate(cameras):
        height, width = source.cameras[camera.name]
        seen = project_points(points, views[:, None, index], fovy[:, None, index], width / height)
        behind = np.isnan(seen) & ~np.isnan(points[..., :1])  # the camera
        keypoints[camera.name] = np.where(behind, -1.0, seen).astype(np.float32)
    return unknown | keypoints


def _hands(robots: tuple[RobotSpec, ...], own: PartLayout, agent_pos: np.ndarray) -> np.ndarray:
    """Return the poses of the hands, (M, A, 4, 4) [m], from those of the tools in the proprioception (M, A*P)."""
    arms = agent_pos.reshape(len(agent_pos), len(robots), own.size)
    tool = np.zeros((*arms.shape[:2], 4, 4))
    x, y = np.split(arms[..., slice(*own.span("tool_rot6d"))], 2, axis=-1)
    tool[..., :3, :3] = np.stack([x, y, np.cross(x, y)], axis=-1)
    tool[..., :3, 3] = arms[..., slice(*own.span("tool_pos"))]
    tool[..., 3, 3] = 1.0
    return tool @ np.linalg.inv(np.stack([tool_in_hand(robot) for robot in robots]))
