"""Layout of MuJoCo's state and control vectors: columns of arms, bodies and props."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from teamvla_envs.geometry import matrix_from_quat
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import Scene
from teamvla_envs.world import Array, ContactLayout, WorldState


@dataclass(frozen=True)
class Addresses:
    """Columns of the physics state (time, qpos, qvel, act) and of the control vector.

    Attributes:
        joint_pos: Shape ``(A, J)``.
        joint_vel: Shape ``(A, J)``.
        finger_pos: Shape ``(A, 2)``; the opening of a gripper is the sum of both.
        body_pose: Position and quaternion wxyz of the named free bodies, shape ``(B, 7)``.
        body_vel: Shape ``(B, 6)``.
        prop_pos: Named joints of props, shape ``(P,)``.
        prop_vel: Shape ``(P,)``.
        joint_ctrl: Commands of the arm joints, shape ``(A, J)``.
        gripper_ctrl: Commands of the grippers, half an opening each, shape ``(A,)``.
        contact_layout: Columns of the measured pairs of bodies.
    """

    joint_pos: np.ndarray
    joint_vel: np.ndarray
    finger_pos: np.ndarray
    body_pose: np.ndarray
    body_vel: np.ndarray
    prop_pos: np.ndarray
    prop_vel: np.ndarray
    joint_ctrl: np.ndarray
    gripper_ctrl: np.ndarray
    contact_layout: ContactLayout

    @classmethod
    def of(cls, model: Any, scene: Scene, body_names: tuple[str, ...], joint_names: tuple[str, ...]) -> "Addresses":
        """Look up the columns in a compiled model.

        Args:
            model: The ``mujoco.MjModel``.
            scene: Scene of the model.
            body_names: Free bodies whose poses the task reads.
            joint_names: Joints of props whose positions the task reads.
        """
        m, robots = model, scene.robots
        arms, first_pos, first_vel = range(len(robots)), 1, 1 + model.nq

        def joints(names: str, table: np.ndarray) -> np.ndarray:
            return np.array([[table[m.joint(f"arm_{k}/{j}").id] for j in getattr(robots[k], names)] for k in arms])

        by_joint = {int(m.actuator_trnid[i, 0]): i for i in range(m.nu) if m.actuator_trntype[i] == 0}
        by_tendon = {int(m.actuator_trnid[i, 0]): i for i in range(m.nu) if m.actuator_trntype[i] != 0}
        free = [m.body(name).jntadr[0] for name in body_names]
        slides = [m.joint(name).id for name in joint_names]
        return cls(
            joint_pos=first_pos + joints("joints", m.jnt_qposadr),
            joint_vel=first_vel + joints("joints", m.jnt_dofadr),
            finger_pos=first_pos + joints("finger_joints", m.jnt_qposadr),
            body_pose=np.array([first_pos + m.jnt_qposadr[j] for j in free], int)[:, None] + np.arange(7),
            body_vel=np.array([first_vel + m.jnt_dofadr[j] for j in free], int)[:, None] + np.arange(6),
            prop_pos=np.array([first_pos + m.jnt_qposadr[j] for j in slides], int),
            prop_vel=np.array([first_vel + m.jnt_dofadr[j] for j in slides], int),
            joint_ctrl=np.array([[by_joint[m.joint(f"arm_{k}/{j}").id] for j in robots[k].joints] for k in arms]),
            gripper_ctrl=np.array([by_tendon[m.tendon(f"arm_{k}/{robots[k].gripper_tendon}").id] for k in arms]),
            contact_layout=ContactLayout(scene.contact_pairs),
        )

    def at_rest(self, size: int, joint_pos: np.ndarray, opening: np.ndarray, poses: Sequence[np.ndarray]) -> np.ndarray:
        """States of n worlds at rest at time 0, joints of props at 0.

        Args:
            size: Length S of a state.
            joint_pos: Arm joints, shape ``(n, A, J)`` [rad].
            opening: Openings of the grippers, shape ``(A,)`` [m].
            poses: Position [m] and quaternion wxyz of each named free body, shape ``(n, 7)``.

        Returns:
            Shape ``(n, S)``.
        """
        n = len(joint_pos)
        state = np.zeros((n, size))
        state[:, self.joint_pos.ravel()] = joint_pos.reshape(n, -1)
        state[:, self.finger_pos.ravel()] = np.repeat(opening / 2, 2)
        for columns, pose in zip(self.body_pose, poses, strict=True):
            state[:, columns] = pose
        return state

    @property
    def _read(self) -> tuple[np.ndarray, ...]:
        return (self.joint_pos, self.joint_vel, self.finger_pos, self.body_pose, self.body_vel,
                self.prop_pos, self.prop_vel)  # fmt: skip

    @cached_property
    def columns(self) -> np.ndarray:
        """Columns of the state that :meth:`read` takes, shape ``(C,)``."""
        return np.concatenate([part.ravel() for part in self._read])

    @cached_property
    def commands(self) -> np.ndarray:
        """Index of the command of each actuator among those of all joints and then all grippers, shape ``(nu,)``."""
        return np.argsort(np.concatenate([self.joint_ctrl.ravel(), self.gripper_ctrl]))

    @cached_property
    def _parts(self) -> list[tuple[slice, tuple[int, ...]]]:
        ends = np.cumsum([part.size for part in self._read]).tolist()
        return [(slice(end - part.size, end), part.shape) for part, end in zip(self._read, ends, strict=True)]

    def read(
        self, numbers: Array, chains: Chains, joint_target: Array, gripper_target: Array, contacts: Array
    ) -> WorldState:
        """Named arrays of N worlds from states and commands.

        Args:
            numbers: The state at :attr:`columns`, shape ``(N, C)``.
            chains: Kinematics of the team.
            joint_target: Shape ``(N, A, J)`` [rad].
            gripper_target: Shape ``(N, A)`` [m].
            contacts: Count and force [N] of each watched pair, shape ``(N, W, 2)``.
        """
        joint_pos, joint_vel, fingers, body, body_vel, prop_pos, prop_vel = (
            numbers[:, part].reshape(len(numbers), *shape) for part, shape in self._parts
        )
        tool = chains.tool_frame(joint_pos)
        return WorldState(
            joint_pos=joint_pos,
            joint_vel=joint_vel,
            joint_target=joint_target,
            gripper_opening=fingers[..., 0] + fingers[..., 1],
            gripper_target=gripper_target,
            tool_pos=tool[..., :3, 3],
            tool_rot=tool[..., :3, :3],
            body_pos=body[..., :3],
            body_rot=matrix_from_quat(body[..., 3:]),
            body_vel=body_vel,
            contact_force=contacts[..., 1],
            contact_count=contacts[..., 0],
            prop_joint_pos=prop_pos,
            prop_joint_vel=prop_vel,
            contact_layout=self.contact_layout,
        )
