"""Where the things that a demonstration is about are in its pictures."""

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


def find_places(
    source: FileSource, agent_pos: np.ndarray, state: np.ndarray, fields: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Project the things into the pictures of every camera of a file.

    Args:
        source: What the file says of itself.
        agent_pos: Proprioception of M samples, (M, A*P), which tells where the wrist cameras are.
        state: Their privileged state, (M, S).
        fields: What moved the cameras of each sample, by ``field.camera_<quantity>.<camera>``, first axis M.

    Returns:
        Camera -> (M, T, 2) float32 for T points, the parts with the flag ``keypoint``: fractions of the picture's width
        from the left and of its height from the top, outside of [0, 1] for what is not in the picture. NaN for what the
        task does not have; all of it is NaN when the file does not hold what it takes to find out.
    """
    count, layout, names = len(agent_pos), source.environment_state, parts_with("keypoint", (source.task,))
    points = np.full((count, len(names), 3), np.nan)
    for index, name in enumerate(names):
        if dict(layout.parts).get(name) == 3:
            points[:, index] = state[:, slice(*layout.span(name))]
    nowhere = {camera: np.full((count, len(names), 2), np.nan, np.float32) for camera in source.cameras}
    robots, own = source.robots, source.agent_pos
    if np.isnan(points).all() or not set(robots) <= set(registered_robots()) or "tool_rot6d" not in own.names:
        return nowhere
    scene = compose(robots, ())
    cameras = [camera for camera in scene.cameras if camera.name in source.cameras]
    if not cameras:
        return nowhere
    hands = _hands(scene.robots, own, agent_pos.astype(np.float64))
    carriers = {f"arm_{k}/{robot.hand_body}": k for k, robot in enumerate(scene.robots)}
    moved = {(quantity, name): values for key, values in fields.items() for quantity, name in [_field(key)]}
    views, fovy = camera_views(cameras, carriers, hands[..., :3, 3], quat_from_matrix(hands[..., :3, :3]), moved)
    places = {}
    for index, camera in enumerate(cameras):
        height, width = source.cameras[camera.name]
        seen = project_points(points, views[:, None, index], fovy[:, None, index], width / height)
        beside = np.isnan(seen) & ~np.isnan(points[..., :1])  # behind the camera
        places[camera.name] = np.where(beside, -1.0, seen).astype(np.float32)
    return nowhere | places


def _hands(robots: tuple[RobotSpec, ...], own: PartLayout, agent_pos: np.ndarray) -> np.ndarray:
    """Return the hands' poses, (M, A, 4, 4), from where the tools are."""
    arms = agent_pos.reshape(len(agent_pos), len(robots), own.size)
    tool = np.zeros((*arms.shape[:2], 4, 4))
    x, y = np.split(arms[..., slice(*own.span("tool_rot6d"))], 2, axis=-1)
    tool[..., :3, :3] = np.stack([x, y, np.cross(x, y)], axis=-1)
    tool[..., :3, 3] = arms[..., slice(*own.span("tool_pos"))]
    tool[..., 3, 3] = 1.0
    return tool @ np.linalg.inv(np.stack([tool_in_hand(robot) for robot in robots]))


def _field(key: str) -> tuple[str, str]:
    """Split ``field.camera_shift.front`` into quantity and camera."""
    quantity, _, camera = key.removeprefix("field.").partition(".")
    return quantity, camera
