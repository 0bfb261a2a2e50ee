"""N worlds on the CPU: MuJoCo's C++ thread pool advances the Newton-compiled model, numpy reads the result."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.arrays import dot, stack_last
from teamvla_envs.control.kinematics import Chains
from teamvla_envs.geometry import matrix_from_quat
from teamvla_envs.scene.compose import PHYSICS_DT, Scene
from teamvla_envs.sim.base import ModelFields, WorldState
from teamvla_envs.sim.compile import compile_scene

SUBSTEPS = 10  # physics steps in a control step
_SEEN_ONLY = ("geom_rgba", "tint", "light", "camera_shift", "camera_turn", "camera_fovy")  # fields for cameras alone


class HostSimulator:
    """N worlds of one scene, advanced by ``mujoco.rollout`` on CPU threads.

    Every control step starts its solver cold, so a world's future depends on its state alone: not on the number
    of worlds, nor on threads, nor on what happened before.

    Args:
        scene: What stands in every world.
        body_names: Free bodies whose poses the task reads, in this order.
        num_worlds: N.
        num_threads: Worker threads; ``None`` takes as many as there are cores, at most N.
        joint_names: Joints of props whose positions the task reads, in this order.

    Attributes:
        models: One ``mujoco.MjModel`` a world; they differ in what a reset may change.
        state: MuJoCo's full physics state (time, qpos, qvel, act), shape ``(N, S)``.
        joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
        gripper_target: Commanded opening, shape ``(N, A)`` [m].
    """

    def __init__(
        self,
        scene: Scene,
        body_names: tuple[str, ...],
        num_worlds: int,
        num_threads: int | None = None,
        joint_names: tuple[str, ...] = (),
    ):
        import mujoco
        from mujoco import rollout

        self.scene, self.num_worlds = scene, num_worlds
        self.body_names, self.joint_names = body_names, joint_names
        self.chains = Chains.of(scene)
        self.template = compile_scene(scene)
        self.models = [mujoco.MjModel.__copy__(self.template) for _ in range(num_worlds)]
        self.num_threads = min(num_threads or os.cpu_count() or 1, num_worlds)
        self._data = [mujoco.MjData(self.template) for _ in range(self.num_threads)]
        # A pool of one thread would only add a hand-over: run on the caller's.
        self._pool = rollout.Rollout(nthread=self.num_threads if self.num_threads > 1 else 0)
        self._full = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self._control = int(mujoco.mjtState.mjSTATE_CTRL)
        self._index()
        m, n = self.template, num_worlds
        self.state = np.zeros((n, mujoco.mj_stateSize(m, self._full)))
        self.state[:, 1 : 1 + m.nq] = m.qpos0
        self.joint_target = np.zeros((n, *self._joint_qpos.shape))
        self.gripper_target = np.zeros((n, scene.num_arms))
        self.contacts = np.zeros((n, len(scene.contact_pairs), 2))
        self._trajectory = np.zeros((n, SUBSTEPS, self.state.shape[1]))
        self._sensors = np.zeros((n, SUBSTEPS, m.nsensordata))
        self._ctrl = np.zeros((n, SUBSTEPS, m.nu))
        self._ramp = (np.arange(1, SUBSTEPS + 1) / SUBSTEPS)[None, :, None]

    def _index(self) -> None:
        """Where the arms' and bodies' numbers stand in MuJoCo's state and control vectors."""
        m, robots = self.template, self.scene.robots
        arms = range(len(robots))

        def joints(names: str, table: np.ndarray) -> np.ndarray:
            return np.array([[table[m.joint(f"arm_{k}/{j}").id] for j in getattr(robots[k], names)] for k in arms])

        self._joint_qpos = 1 + joints("joints", m.jnt_qposadr)
        self._joint_qvel = 1 + m.nq + joints("joints", m.jnt_dofadr)
        self._finger_qpos = 1 + joints("finger_joints", m.jnt_qposadr)
        by_joint = {int(m.actuator_trnid[i, 0]): i for i in range(m.nu) if m.actuator_trntype[i] == 0}
        self._joint_ctrl = np.array([[by_joint[m.joint(f"arm_{k}/{j}").id] for j in robots[k].joints] for k in arms])
        by_tendon = {int(m.actuator_trnid[i, 0]): i for i in range(m.nu) if m.actuator_trntype[i] != 0}
        self._gripper_ctrl = np.array([by_tendon[m.tendon(f"arm_{k}/split").id] for k in arms])
        # Which of the joints' and then the grippers' commands each actuator takes.
        self._commands = np.argsort(np.concatenate([self._joint_ctrl.ravel(), self._gripper_ctrl]))
        free = [m.body(name).jntadr[0] for name in self.body_names]
        self._body_qpos = np.array([1 + m.jnt_qposadr[j] for j in free], int)[:, None] + np.arange(7)
        self._body_qvel = np.array([1 + m.nq + m.jnt_dofadr[j] for j in free], int)[:, None] + np.arange(6)
        slides = [m.joint(name).id for name in self.joint_names]
        self._prop_qpos = np.array([1 + m.jnt_qposadr[j] for j in slides], int)
        self._prop_qvel = np.array([1 + m.nq + m.jnt_dofadr[j] for j in slides], int)
        read = (self._joint_qpos, self._joint_qvel, self._finger_qpos, self._body_qpos, self._body_qvel,
                self._prop_qpos, self._prop_qvel)  # fmt: skip
        self._read = np.concatenate([table.ravel() for table in read])
        ends = np.cumsum([table.size for table in read]).tolist()
        self._parts = [(slice(end - table.size, end), table.shape) for table, end in zip(read, ends, strict=True)]

    def reset(
        self, worlds: np.ndarray, joint_pos: np.ndarray, body_pose: Mapping[str, np.ndarray], fields: ModelFields
    ) -> None:
        """Put some worlds at rest into a new configuration, grippers open and joints of props at 0.

        Args:
            worlds: Indices, shape ``(n,)``.
            joint_pos: Arm joints, shape ``(n, A, J)`` [rad]; also commanded.
            body_pose: Body name to position and quaternion wxyz, shape ``(n, 7)``.
            fields: Model fields to change, first axis n.
        """
        self.apply_fields(worlds, fields)
        opening = np.array([robot.gripper_range[1] for robot in self.scene.robots])
        self.state[worlds] = 0.0
        self.state[np.ix_(worlds, self._joint_qpos.ravel())] = joint_pos.reshape(len(worlds), -1)
        self.state[np.ix_(worlds, self._finger_qpos.ravel())] = np.repeat(opening / 2, 2)
        for b, name in enumerate(self.body_names):
            self.state[np.ix_(worlds, self._body_qpos[b])] = body_pose[name]
        # States handed out before share these arrays: replace them.
        self.joint_target, self.gripper_target = self.joint_target.copy(), self.gripper_target.copy()
        self.contacts = self.contacts.copy()
        self.joint_target[worlds] = joint_pos
        self.gripper_target[worlds] = opening
        self.contacts[worlds] = 0.0

    def apply_fields(self, worlds: np.ndarray, fields: ModelFields) -> None:
        """Write model fields of some worlds and bring MuJoCo's derived constants up to date."""
        import mujoco

        for row, world in enumerate(worlds):
            model = self.models[world]
            for (field, name), values in fields.items():
                if field in _SEEN_ONLY:
                    continue
                if field == "gain":
                    self._scale_gains(model, values[row])
                    continue
                if field == "friction":
                    model.geom_friction[:, 0] = self.template.geom_friction[:, 0] * values[row]
                    continue
                element = getattr(model, field.split("_")[0])(name).id
                getattr(model, field)[element] = values[row]
                if field == "geom_size":
                    _set_bounds(model, element)
            if any(field.startswith("body_") for field, _ in fields):
                mujoco.mj_setConst(model, self._data[0])

    def _scale_gains(self, model: Any, factor: np.ndarray) -> None:
        """Position gains of the arm joints: ``factor`` (A, J) times their nominal values."""
        for part, column in (("actuator_gainprm", 0), ("actuator_biasprm", 1)):
            nominal = getattr(self.template, part)[self._joint_ctrl, column]
            getattr(model, part)[self._joint_ctrl, column] = nominal * factor

    def advance(self, joint_target: np.ndarray, gripper_target: np.ndarray, active: np.ndarray | None = None) -> None:
        """Advance by one control step while the commands ramp linearly from the old targets to the new.

        Args:
            joint_target: Shape ``(N, A, J)`` [rad].
            gripper_target: Shape ``(N, A)`` [m].
            active: Which worlds to advance, shape ``(N,)`` bool; ``None`` for all. The others stay as they are.
        """
        n = self.num_worlds
        rows = None if active is None or active.all() else np.flatnonzero(active)
        if rows is not None and len(rows) == 0:
            return
        ctrl, fingers = self._ctrl, gripper_target / 2
        begin = np.concatenate([self.joint_target.reshape(n, -1), fingers], axis=-1)[:, None, self._commands]
        end = np.concatenate([joint_target.reshape(n, -1), fingers], axis=-1)[:, None, self._commands]
        np.add(begin, self._ramp * (end - begin), out=ctrl)
        if rows is None:
            models, count = self.models, n
            state, trajectory, sensors = self.state, self._trajectory, self._sensors
            self.joint_target, self.gripper_target = joint_target, gripper_target
        else:
            models, count = [self.models[i] for i in rows], len(rows)
            state, ctrl = self.state[rows], ctrl[rows]
            trajectory, sensors = self._trajectory[:count], self._sensors[:count]
            self.joint_target, self.gripper_target = self.joint_target.copy(), self.gripper_target.copy()
            self.joint_target[rows], self.gripper_target[rows] = joint_target[rows], gripper_target[rows]
        self._pool.rollout(
            models, self._data, nstep=SUBSTEPS, control_spec=self._control, skip_checks=True,
            initial_state=state, control=ctrl, state=trajectory, sensordata=sensors,
        )  # fmt: skip
        # At a warning MuJoCo resets the world or stops: then its clock is not where it should be.
        last = trajectory[:, -1]
        stable = np.abs(last[:, 0] - state[:, 0] - SUBSTEPS * PHYSICS_DT) < PHYSICS_DT / 2
        stable &= np.isfinite(last.sum(-1))
        if not stable.all():
            bad = np.flatnonzero(~stable) if rows is None else rows[~stable]
            raise FloatingPointError(f"the simulation of world {bad.tolist()} became unstable")
        pairs = sensors.reshape(count, SUBSTEPS, -1, 4)
        force = pairs[..., 1:]
        mean_force = np.sqrt(dot(force, force)).sum(1) / SUBSTEPS
        contacts = stack_last(pairs[:, -1, :, 0], mean_force)
        if rows is None:
            self.state, self.contacts = last.copy(), contacts
        else:
            self.state[rows], self.contacts[rows] = last, contacts

    def push(self, world: int, body: str, impulse: np.ndarray) -> None:
        """Change the velocity of a free body by an impulse (3,) [N·s] at its center of mass."""
        columns = self._body_qvel[self.body_names.index(body), :3]
        self.state[world, columns] += impulse / self.models[world].body(body).mass[0]

    def world(self) -> WorldState:
        """The present state of all worlds; arrays are fresh copies."""
        numbers, n = self.state[:, self._read], self.num_worlds
        joint_pos, joint_vel, fingers, body, body_vel, prop_pos, prop_vel = (
            numbers[:, part].reshape(n, *shape) for part, shape in self._parts
        )
        tool = self.chains.tool_frame(joint_pos)
        return WorldState(
            joint_pos=joint_pos,
            joint_vel=joint_vel,
            joint_target=self.joint_target,
            gripper_opening=fingers[..., 0] + fingers[..., 1],
            gripper_target=self.gripper_target,
            tool_pos=tool[..., :3, 3],
            tool_rot=tool[..., :3, :3],
            body_pos=body[..., :3],
            body_rot=matrix_from_quat(body[..., 3:]),
            body_vel=body_vel,
            contact_force=self.contacts[..., 1],
            contact_count=self.contacts[..., 0],
            prop_joint_pos=prop_pos,
            prop_joint_vel=prop_vel,
        )

    def body_transforms(self, world: int) -> tuple[np.ndarray, np.ndarray]:
        """Poses of all bodies of one world, for rendering.

        Returns:
            Positions ``(bodies, 3)`` and quaternions wxyz ``(bodies, 4)``, in the order of the compiled model.
        """
        import mujoco

        model, data = self.models[world], self._data[0]
        mujoco.mj_setState(model, data, self.state[world], self._full)
        mujoco.mj_kinematics(model, data)
        return data.xpos.copy(), data.xquat.copy()

    def close(self) -> None:
        """Stop the worker threads."""
        self._pool.close()


def _set_bounds(model: Any, geom: int) -> None:
    """Bounding sphere and box of a box geom after its size changed."""
    size = model.geom_size[geom]
    model.geom_rbound[geom] = np.sqrt((size * size).sum())
    model.geom_aabb[geom, 3:] = size
