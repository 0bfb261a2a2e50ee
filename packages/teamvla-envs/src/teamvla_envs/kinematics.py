"""Forward kinematics, Jacobians and damped least-squares steps of all arms of all worlds at once.

One chain table serves every arm of a team; nothing loops over worlds. Frames are world frames, lengths in meters.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from teamvla_envs.arrays import array_namespace, like, stack_last
from teamvla_envs.errors import UserError
from teamvla_envs.geometry import matrix_from_quat, rotation_about_z
from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.robots.spec import RobotSpec

Array = Any

SINGULAR = 0.1  # [m/rad or 1] singular values of a Jacobian below which a direction is damped more
SINGULAR_DAMPING = 0.2  # largest additional damping


@dataclass(frozen=True)
class Chains:
    """Serial chains from the world to the tool, one per arm.

    Joint ``j`` adds the transform ``constant + cos(q) cosine + sin(q) sine``, 4x4 matrices.

    Attributes:
        constant: Shape ``(A, J, 4, 4)``.
        cosine: Shape ``(A, J, 4, 4)``.
        sine: Shape ``(A, J, 4, 4)``.
        axis: Joint axes in their own frames, shape ``(A, J, 3)``.
        tool: Last joint frame to tool frame, shape ``(A, 4, 4)``.
        lower: Joint limits, shape ``(A, J)`` [rad].
        upper: Joint limits, shape ``(A, J)`` [rad].
        rest: Null-space posture, shape ``(A, J)`` [rad].
    """

    constant: Array
    cosine: Array
    sine: Array
    axis: Array
    tool: Array
    lower: Array
    upper: Array
    rest: Array

    @classmethod
    def of(cls, scene: Scene) -> "Chains":
        """Chains of the arms of a scene, from their MJCF files."""
        parts = [_chain(robot) for robot in scene.robots]
        stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
        base = np.zeros((scene.num_arms, 4, 4))
        base[:, :3, :3] = rotation_about_z(np.array(scene.base_yaw))
        base[:, :3, 3] = scene.base_pos
        base[:, 3, 3] = 1.0
        for key in ("constant", "cosine", "sine"):
            stacked[key][:, 0] = base @ stacked[key][:, 0]
        rest = np.stack([robot.home for robot in scene.robots])
        return cls(**stacked, rest=rest)

    def frames(self, joint_pos: Array) -> tuple[Array, Array]:
        """Poses of all joint frames and of the tools.

        Args:
            joint_pos: Shape ``(N, A, J)`` [rad].

        Returns:
            Joint frames ``(N, A, J, 4, 4)`` and tool frames ``(N, A, 4, 4)`` in the world.
        """
        xp = array_namespace(joint_pos)
        local = self._local(joint_pos)
        frame = local[:, :, 0]
        frames = [frame]
        for j in range(1, joint_pos.shape[-1]):
            frame = frame @ local[:, :, j]
            frames.append(frame)
        return xp.stack(frames, axis=2), frame @ self.tool

    def tool_frame(self, joint_pos: Array) -> Array:
        """Poses of the tools.

        Args:
            joint_pos: Shape ``(N, A, J)`` [rad].

        Returns:
            Tool frames in the world, shape ``(N, A, 4, 4)``.
        """
        xp = array_namespace(joint_pos)
        chain = self._local(joint_pos)
        while (links := chain.shape[2]) > 1:  # neighbors in pairs: fewer products after one another
            pairs = chain[:, :, 0 : links - 1 : 2] @ chain[:, :, 1::2]
            chain = xp.concat([pairs, chain[:, :, links - 1 :]], axis=2) if links % 2 else pairs
        return chain[:, :, 0] @ self.tool

    def _local(self, joint_pos: Array) -> Array:
        """Frame of each joint in that of the joint before it, shape ``(N, A, J, 4, 4)``."""
        xp = array_namespace(joint_pos)
        angle = joint_pos[..., None, None]
        return self.constant + xp.cos(angle) * self.cosine + xp.sin(angle) * self.sine

    def jacobian(self, frames: Array, tool: Array) -> Array:
        """Geometric Jacobian of the tool frame.

        Args:
            frames: Joint frames ``(N, A, J, 4, 4)``.
            tool: Tool frames ``(N, A, 4, 4)``.

        Returns:
            Shape ``(N, A, 6, J)``: linear velocity [m/rad] above angular velocity, world axes.
        """
        xp = array_namespace(frames)
        axis = xp.squeeze(frames[..., :3, :3] @ self.axis[..., None], axis=-1)
        arm = tool[:, :, None, :3, 3] - frames[..., :3, 3]
        linear = cross(axis, arm)
        return xp.moveaxis(xp.concat([linear, axis], axis=-1), -1, -2)


def cross(a: Array, b: Array) -> Array:
    """Cross product of arrays ``(..., 3)``; ``numpy.cross`` spends most of its time on generality."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return stack_last(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


def differential_ik(
    jacobian: Array, twist: Array, null_motion: Array, damping: float = 0.03, near_singular: bool = False
) -> Array:
    """One damped least-squares step with a null-space motion (Wampler 1986).

    ``dq = J' (J J' + damping^2 I)^-1 (e - J n) + n``.

    At the edge of the workspace this step overshoots and reverses in every control step. ``near_singular`` increases
    the damping of directions with a small singular value (Chiaverini, Siciliano, Egeland: "Review of the damped
    least-squares inverse kinematics with experiments on an industrial robot manipulator", 1994).

    Args:
        jacobian: Shape ``(..., 6, J)``.
        twist: Desired tool displacement: translation [m], rotation vector [rad], shape ``(..., 6)``.
        null_motion: Joint motion ``n``, kept as far as it does not move the tool, shape ``(..., J)`` [rad].
        damping: Regularization; larger is smoother near singularities and slower to converge.
        near_singular: Whether to increase the damping of directions with a singular value below ``SINGULAR``.

    Returns:
        Joint displacement, shape ``(..., J)`` [rad].
    """
    xp = array_namespace(jacobian)
    transposed = xp.matrix_transpose(jacobian)
    eye = like(np.eye(6), jacobian)
    gram = jacobian @ transposed
    if near_singular:
        squares, directions = xp.linalg.eigh(gram)
        more = SINGULAR_DAMPING**2 * (1 - squares / SINGULAR**2).clip(0.0, 1.0)
        gram = gram + (directions * more[..., None, :]) @ xp.matrix_transpose(directions)
    gram = gram + damping**2 * eye
    residual = twist[..., None] - jacobian @ null_motion[..., None]
    return (transposed @ xp.linalg.solve(gram, residual))[..., 0] + null_motion


@lru_cache
def tool_in_hand(robot: RobotSpec) -> np.ndarray:
    """Pose of a robot's tool frame in that of its hand, shape ``(4, 4)``, read from its MJCF."""
    import mujoco

    model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    site = model.site(robot.tool_site)
    between = _between(model, model.body(robot.hand_body).id, int(site.bodyid[0]))
    return between @ _pose(site.pos, site.quat)


@lru_cache
def _chain(robot: RobotSpec) -> dict[str, np.ndarray]:
    """Chain table of one robot at the origin, read from its compiled MJCF."""
    import mujoco

    model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    joints = [model.joint(name).id for name in robot.joints]
    constants, cosines, sines, axes = [], [], [], []
    previous = 0
    for joint in joints:
        body, axis = int(model.jnt_bodyid[joint]), model.jnt_axis[joint]
        if np.any(model.jnt_pos[joint]):
            raise UserError(f"robot {robot.name!r}: joint {model.joint(joint).name} must be at its body's origin")
        fixed = _between(model, previous, body)
        outer, skew = np.zeros((4, 4)), np.zeros((4, 4))
        outer[:3, :3] = np.outer(axis, axis)
        skew[:3, :3] = np.cross(np.eye(3), axis)
        identity = np.diag([1.0, 1.0, 1.0, 0.0])
        last = np.diag([0.0, 0.0, 0.0, 1.0])
        constants.append(fixed @ (outer + last))
        cosines.append(fixed @ (identity - outer))
        sines.append(fixed @ skew)
        axes.append(axis)
        previous = body
    site = model.site(robot.tool_site).id
    tool = _between(model, previous, int(model.site_bodyid[site])) @ _pose(model.site_pos[site], model.site_quat[site])
    limits = model.jnt_range[joints]
    return {
        "constant": np.stack(constants), "cosine": np.stack(cosines), "sine": np.stack(sines),
        "axis": np.stack(axes), "tool": tool, "lower": limits[:, 0], "upper": limits[:, 1],
    }  # fmt: skip


def _between(model: Any, ancestor: int, body: int) -> np.ndarray:
    """Fixed transform from an ancestor body to a body, joints at zero."""
    pose = np.eye(4)
    while body != ancestor:
        pose = _pose(model.body_pos[body], model.body_quat[body]) @ pose
        body = int(model.body_parentid[body])
    return pose


def _pose(pos: np.ndarray, quat: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quat(quat)
    pose[:3, 3] = pos
    return pose
