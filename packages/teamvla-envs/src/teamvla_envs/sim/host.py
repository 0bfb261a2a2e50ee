"""Simulator on the CPU: MuJoCo's thread pool advances the Newton-compiled model, numpy reads the result."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.arrays import stack_last
from teamvla_envs.cores import usable_cores
from teamvla_envs.forks import abandon, repair_after_fork
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import PHYSICS_DT, Scene
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.sim.log_routing import route_mujoco_warnings
from teamvla_envs.sim.model_fields import write_fields
from teamvla_envs.sim.simulator import FASTEST, LARGEST
from teamvla_envs.sim.state_layout import Addresses
from teamvla_envs.world import ModelFields, WorldState

SUBSTEPS = 10  # physics steps in a control step


class HostSimulator:
    """N worlds of one scene, advanced by ``mujoco.rollout`` on CPU threads.

    Every control step starts its solver cold, so a world's future depends on its state alone: not on the number
    of worlds, nor on threads, nor on what happened before.

    Args:
        scene: Scene of every world.
        body_names: Free bodies whose poses the task reads, in this order.
        num_worlds: Number of worlds N.
        num_threads: Worker threads; ``None`` for one per usable core, at most N.
        joint_names: Joints of props whose positions the task reads, in this order.

    Attributes:
        addresses: Layout of the state and control vectors.
        models: One ``mujoco.MjModel`` per world; they differ in the fields that a reset may change.
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

        route_mujoco_warnings()
        self.scene, self.num_worlds = scene, num_worlds
        self.body_names, self.joint_names = body_names, joint_names
        self.chains = Chains.of(scene)
        self.template = compile_scene(scene)
        self.models = [mujoco.MjModel.__copy__(self.template) for _ in range(num_worlds)]
        self.num_threads = min(num_threads or usable_cores(), num_worlds)
        self._data = [mujoco.MjData(self.template) for _ in range(self.num_threads)]
        self._pool: Any = None
        repair_after_fork(self)
        self._full = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self._control = int(mujoco.mjtState.mjSTATE_CTRL)
        self.addresses = Addresses.of(self.template, scene, body_names, joint_names)
        m, n = self.template, num_worlds
        self.state = np.zeros((n, mujoco.mj_stateSize(m, self._full)))
        self.state[:, 1 : 1 + m.nq] = m.qpos0
        self.joint_target = np.zeros((n, *self.addresses.joint_pos.shape))
        self.gripper_target = np.zeros((n, scene.num_arms))
        self.contacts = np.zeros((n, len(scene.contact_pairs), 2))
        self._trajectory = np.zeros((n, SUBSTEPS, self.state.shape[1]))
        self._sensors = np.zeros((n, SUBSTEPS, m.nsensordata))
        self._ctrl = np.zeros((n, SUBSTEPS, m.nu))
        self._ramp = (np.arange(1, SUBSTEPS + 1) / SUBSTEPS)[None, :, None]

    def _threads(self) -> Any:
        """Worker threads, started at the first call."""
        if self._pool is None:
            from mujoco import rollout

            # A pool of one thread would only add a hand-over: use the caller's.
            self._pool = rollout.Rollout(nthread=self.num_threads if self.num_threads > 1 else 0)
        return self._pool

    def after_fork(self) -> None:
        """Forget the worker threads, which do not exist in a forked child."""
        if self._pool is not None:
            abandon(self._pool)
            self._pool = None

    def reset(
        self, worlds: np.ndarray, joint_pos: np.ndarray, body_pose: Mapping[str, np.ndarray], fields: ModelFields
    ) -> None:
        """Put some worlds at rest into a new configuration, grippers open and joints of props at 0.

        Args:
            worlds: Indices, shape ``(n,)``.
            joint_pos: Positions and commands of the arm joints, shape ``(n, A, J)`` [rad].
            body_pose: Body name to position [m] and quaternion wxyz, shape ``(n, 7)``.
            fields: Model fields to change, first axis n.
        """
        self.apply_fields(worlds, fields)
        opening = np.array([robot.gripper_range[1] for robot in self.scene.robots])
        poses = [body_pose[name] for name in self.body_names]
        self.state[worlds] = self.addresses.at_rest(self.state.shape[1], joint_pos, opening, poses)
        self._unshare()
        self.joint_target[worlds] = joint_pos
        self.gripper_target[worlds] = opening
        self.contacts[worlds] = 0.0

    def apply_fields(self, worlds: np.ndarray, fields: ModelFields) -> None:
        """Write model fields of the worlds with these indices ``(n,)``; the first axis of each field is n."""
        for row, world in enumerate(worlds):
            own = {key: values[row] for key, values in fields.items()}
            write_fields(self.models[world], self._data[0], self.template, self.addresses.joint_ctrl, own)

    def advance(
        self, joint_target: np.ndarray, gripper_target: np.ndarray, active: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Advance by one control step while the commands ramp linearly from the old targets to the new.

        A world whose simulation becomes unstable, or in which MuJoCo lacks room for contacts, stays as it was.

        Args:
            joint_target: Shape ``(N, A, J)`` [rad].
            gripper_target: Shape ``(N, A)`` [m].
            active: Mask of the worlds to advance, shape ``(N,)`` bool; ``None`` for all.

        Returns:
            Mask of the worlds that became unstable, shape ``(N,)`` bool; ``None`` if there are none.
        """
        n = self.num_worlds
        rows = None if active is None or active.all() else np.flatnonzero(active)
        if rows is not None and len(rows) == 0:
            return None
        ctrl, fingers = self._ctrl, gripper_target / 2
        begin = np.concatenate([self.joint_target.reshape(n, -1), fingers], axis=-1)[:, None, self.addresses.commands]
        end = np.concatenate([joint_target.reshape(n, -1), fingers], axis=-1)[:, None, self.addresses.commands]
        np.add(begin, self._ramp * (end - begin), out=ctrl)
        if rows is None:
            models, count = self.models, n
            state, trajectory, sensors = self.state, self._trajectory, self._sensors
        else:
            models, count = [self.models[i] for i in rows], len(rows)
            state, ctrl = self.state[rows], ctrl[rows]
            trajectory, sensors = self._trajectory[:count], self._sensors[:count]
        self._threads().rollout(
            models, self._data, nstep=SUBSTEPS, control_spec=self._control, skip_checks=True,
            initial_state=state, control=ctrl, state=trajectory, sensordata=sensors,
        )  # fmt: skip
        last = trajectory[:, -1]
        # At a warning MuJoCo resets the world or stops, which shows in its clock.
        stable = np.abs(last[:, 0] - state[:, 0] - SUBSTEPS * PHYSICS_DT) < PHYSICS_DT / 2
        stable &= np.abs(last).max(-1) < LARGEST  # false for NaN
        all_stable = bool(stable.all())
        if not all_stable:
            sensors[~stable] = 0.0
        pairs = sensors.reshape(count, SUBSTEPS, -1, 4)
        force = pairs[..., 1:]
        # Summed here, not by BLAS, whose kernels for different processors differ in the last bit.
        mean_force = np.sqrt((force * force).sum(-1)).sum(1) / SUBSTEPS
        contacts = stack_last(pairs[:, -1, :, 0], mean_force)
        if rows is None and all_stable:
            self.joint_target, self.gripper_target = joint_target, gripper_target
            self.state, self.contacts = last.copy(), contacts
            return None
        rows = np.arange(n) if rows is None else rows
        moved = rows[stable]
        self._unshare()
        self.joint_target[moved], self.gripper_target[moved] = joint_target[moved], gripper_target[moved]
        self.state[moved], self.contacts[moved] = last[stable], contacts[stable]
        if all_stable:
            return None
        unstable = np.zeros(n, bool)
        unstable[rows[~stable]] = True
        return unstable

    def _unshare(self) -> None:
        """Replace the arrays that are shared with world states returned before."""
        self.joint_target, self.gripper_target = self.joint_target.copy(), self.gripper_target.copy()
        self.contacts = self.contacts.copy()

    def to_device(self, values: np.ndarray) -> np.ndarray:
        """Return the array itself, whatever its shape: this simulator works on host arrays."""
        return values

    def to_host(self, array: np.ndarray) -> np.ndarray:
        """Return the array itself, whatever its shape: this simulator works on host arrays."""
        return array

    def push(self, world: int, body: str, impulse: np.ndarray) -> None:
        """Change the velocity of a free body by an impulse ``(3,)`` [N·s] at its center of mass."""
        columns = self.addresses.body_vel[self.body_names.index(body), :3]
        with np.errstate(over="ignore"):
            speed = self.state[world, columns] + impulse / self.models[world].body(body).mass[0]
        self.state[world, columns] = speed.clip(-FASTEST, FASTEST)

    def world(self) -> WorldState:
        """Present state of all worlds; arrays are fresh copies."""
        numbers = self.state[:, self.addresses.columns]
        return self.addresses.read(numbers, self.chains, self.joint_target, self.gripper_target, self.contacts)

    def body_transforms(self, worlds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses of all bodies of some worlds, for rendering.

        Args:
            worlds: Indices, shape ``(n,)``.

        Returns:
            Positions ``(n, bodies, 3)`` [m] and quaternions wxyz ``(n, bodies, 4)``, in the model's order.
        """
        import mujoco

        data = self._data[0]
        pos, quat = (np.empty((len(worlds), *part.shape)) for part in (data.xpos, data.xquat))
        for row, world in enumerate(worlds):
            model = self.models[world]
            mujoco.mj_setState(model, data, self.state[world], self._full)
            mujoco.mj_kinematics(model, data)
            pos[row], quat[row] = data.xpos, data.xquat
        return pos, quat

    def close(self) -> None:
        """Stop the worker threads."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
