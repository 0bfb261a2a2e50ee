"""Simulator on a GPU: mujoco_warp advances the Newton-compiled model, torch reads its arrays in place.

The model is that of the host simulator, so both agree up to single precision. Newton's own
``SolverMuJoCo`` wraps the same engine; it is driven directly here because it knows neither contact sensors nor the
per-world constants that a reset changes.
"""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from teamvla_envs.arrays import to_numpy
from teamvla_envs.errors import UserError
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.sim.containment import containment_kernel
from teamvla_envs.sim.host import SUBSTEPS
from teamvla_envs.sim.log_routing import route_mujoco_warnings
from teamvla_envs.sim.model_fields import SEEN_ONLY, VARIED, write_fields
from teamvla_envs.sim.simulator import FASTEST, LARGEST
from teamvla_envs.sim.state_layout import Addresses
from teamvla_envs.sim.warp_setup import WARP_LOCK, announce_if_slow, no_collection, prepare_warp, silent_stderr
from teamvla_envs.world import ModelFields, WorldState

MAX_CONTACTS, MAX_CONSTRAINTS = 128, 400  # capacity per world
_NAMED = 8  # worlds listed in a message

logger = logging.getLogger(__name__)
Tensor = Any


class DeviceSimulator:
    """N worlds of one scene, advanced by ``mujoco_warp`` on one device.

    Arrays are float32 torch tensors on the device that share memory with the simulation or are computed from it there.
    Every control step starts its solver cold, as the host simulator does.

    Args:
        scene: Scene of every world.
        body_names: Free bodies whose poses the task reads, in this order.
        num_worlds: Number of worlds N.
        device: A CUDA device such as ``"cuda:0"``, or ``"cpu"`` (slow; for tests).
        joint_names: Joints of props whose positions the task reads, in this order.
        max_contacts: Capacity for contacts per world; all worlds share N times as much.
        max_constraints: Capacity for constraint rows of each world.

    Attributes:
        addresses: Layout of the state and control vectors.
        template: The nominal ``mujoco.MjModel``.
        joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
        gripper_target: Commanded opening, shape ``(N, A)`` [m].
        contacts: Count and mean force [N] of each watched pair, shape ``(N, W, 2)``.

    Raises:
        UserError: There is no such device.
    """

    def __init__(
        self,
        scene: Scene,
        body_names: tuple[str, ...],
        num_worlds: int,
        device: str = "cuda:0",
        joint_names: tuple[str, ...] = (),
        max_contacts: int = MAX_CONTACTS,
        max_constraints: int = MAX_CONSTRAINTS,
    ):
        self._device, self._pid = find_device(device), os.getpid()
        import mujoco
        import mujoco_warp
        import torch
        import warp as wp

        route_mujoco_warnings()
        self.template = compile_scene(scene)

        self._wp, self._engine, self._torch = wp, mujoco_warp, torch
        self.scene, self.num_worlds = scene, num_worlds
        self.body_names, self.joint_names = body_names, joint_names
        self.device = torch.device(wp.device_to_torch(self._device))
        self.addresses = Addresses.of(self.template, scene, body_names, joint_names)
        self._room = f"{max_contacts} contacts and {max_constraints} constraints for each world"

        source = mujoco.MjModel.__copy__(self.template)
        source.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)  # mujoco_warp has no midphase to disable
        with self.scope():
            self._model = mujoco_warp.put_model(source, batch_sizes=dict.fromkeys(VARIED, num_worlds))
            self._model.opt.warn_overflow = 0  # an overflow ends the episode instead
            self._data = mujoco_warp.put_data(
                source, mujoco.MjData(source), nworld=num_worlds, nconmax=max_contacts, njmax=max_constraints
            )
            self._ctrl = wp.zeros((SUBSTEPS, num_worlds, source.nu), dtype=float)
            self._readings = wp.zeros((SUBSTEPS, num_worlds, source.nsensordata), dtype=float)
            self._broken = wp.zeros(num_worlds, dtype=int)
        self._scratch, self._scratch_data = source, mujoco.MjData(source)
        self._varied = {field: wp.to_torch(getattr(self._model, field)) for field in VARIED}
        # The engine places the geoms of fixed bodies once, those of other bodies in every step.
        self._varied["geom_xpos"] = wp.to_torch(self._data.geom_xpos)
        parts = (self._data.time, self._data.qpos, self._data.qvel, self._data.act)
        self._parts = [wp.to_torch(part).reshape(num_worlds, -1) for part in parts]
        self._overflow, self._ramps = wp.to_torch(self._data.overflow), wp.to_torch(self._ctrl)
        self._sensed = wp.to_torch(self._readings).reshape(SUBSTEPS, num_worlds, -1, 4)
        self._columns, self._commands = self.to_device(self.addresses.columns), self.to_device(self.addresses.commands)
        self.chains = Chains(**{name: self.to_device(array) for name, array in vars(Chains.of(scene)).items()})
        self._ramp = torch.arange(1, SUBSTEPS + 1, device=self.device)[:, None, None] / SUBSTEPS
        self.joint_target = torch.zeros(num_worlds, *self.addresses.joint_pos.shape, device=self.device)
        self.gripper_target = torch.zeros(num_worlds, scene.num_arms, device=self.device)
        self.contacts = torch.zeros(num_worlds, len(scene.contact_pairs), 2, device=self.device)
        flags = mujoco_warp.OverflowType
        # Reaching an iteration limit is normal; dropping contacts for lack of capacity is not.
        self._fatal = int(flags.ALL & ~(flags.ITERATIONS | flags.LS_ITERATIONS))
        self._graph: Any = None
        self._warm = False

    @contextmanager
    def scope(self) -> Generator[None, None, None]:
        """Context for Warp: the device, on CUDA torch's present stream, and no recording of a graph elsewhere."""
        wp = self._wp
        if self._device.is_cuda and os.getpid() != self._pid:
            raise RuntimeError(
                f"the environment is on {self._device.alias} and was made in another process; CUDA does not survive "
                "os.fork: make it in the child, or start the child with the 'spawn' method"
            )
        with ExitStack() as stack:
            stack.enter_context(WARP_LOCK)
            if self._device.is_cuda:
                stream = wp.stream_from_torch(wp.device_to_torch(self._device))
                stack.enter_context(wp.ScopedStream(stream, sync_enter=True, sync_exit=True))
            else:
                stack.enter_context(wp.ScopedDevice(self._device))
            yield

    @property
    def state(self) -> Tensor:
        """MuJoCo's full physics state (time, qpos, qvel, act), shape ``(N, S)``; a copy."""
        return self._torch.cat(self._parts, dim=1)

    @state.setter
    def state(self, value: Any) -> None:
        value = self._torch.as_tensor(value, dtype=self._torch.float32, device=self.device)
        for part, new in zip(self._parts, value.split([part.shape[1] for part in self._parts], dim=1), strict=True):
            part.copy_(new)

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
        sizes, poses = [part.shape[1] for part in self._parts], [body_pose[name] for name in self.body_names]
        rows, new = (
            self.to_device(worlds),
            self.to_device(self.addresses.at_rest(sum(sizes), joint_pos, opening, poses)),
        )
        for part, values in zip(self._parts, new.split(sizes, dim=1), strict=True):
            part[rows] = values
        # World states returned before share these arrays: replace them.
        self.joint_target = self.joint_target.index_put((rows,), self.to_device(joint_pos))
        self.gripper_target = self.gripper_target.index_put((rows,), self.to_device(opening))
        self.contacts = self.contacts.index_fill(0, rows, 0.0)

    def apply_fields(self, worlds: np.ndarray, fields: ModelFields) -> None:
        """Write model fields of the worlds with these indices ``(n,)``; the first axis of each field is n."""
        if len(worlds) == 0:
            return
        import mujoco

        model, data = self._scratch, self._scratch_data
        for field, _ in fields:
            if field not in (*VARIED, *SEEN_ONLY, "gain", "friction"):
                raise UserError(f"fields: {field!r} cannot vary on a device, allowed are {', '.join(VARIED)}")
        new: dict[str, list[np.ndarray]] = {name: [] for name in self._varied}
        for row in range(len(worlds)):
            own = {key: values[row] for key, values in fields.items()}
            write_fields(model, data, self.template, self.addresses.joint_ctrl, own)
            mujoco.mj_kinematics(model, data)
            for name, rows in new.items():
                source = data.geom_xpos if name == "geom_xpos" else getattr(model, name)
                rows.append(np.array(source))
        chosen = self.to_device(worlds)
        for name, varied in self._varied.items():
            varied[chosen] = self.to_device(np.stack(new[name])).reshape(len(worlds), *varied.shape[1:])

    def to_device(self, values: np.ndarray) -> Tensor:
        """Copy a host array of any shape to the device; floats become float32, uint64 the int64 of the same bits."""
        values = np.asarray(values)
        if values.dtype == np.float64:
            values = values.astype(np.float32)
        elif values.dtype == np.uint64:
            values = values.view(np.int64)
        return self._torch.tensor(values, device=self.device)

    def to_host(self, array: Tensor) -> np.ndarray:
        """Copy a tensor of any shape to the host."""
        return to_numpy(array)

    def push(self, world: int, body: str, impulse: np.ndarray) -> None:
        """Change the velocity of a free body by an impulse ``(3,)`` [N·s] at its center of mass."""
        mass = self._varied["body_mass"][world, self.template.body(body).id]
        first = int(self.addresses.body_vel[self.body_names.index(body), 0]) - 1 - self.template.nq
        speed = self._parts[2][world, first : first + 3]
        speed.copy_((speed + self.to_device(impulse.clip(-FASTEST, FASTEST)) / mass).clip(-FASTEST, FASTEST))

    def advance(self, joint_target: Tensor, gripper_target: Tensor, active: Tensor | None = None) -> Tensor | None:
        """Advance by one control step while the commands ramp linearly from the old targets to the new.

        A world whose simulation becomes unstable, or whose contacts exceed the capacity, stays as it was.

        Args:
            joint_target: Shape ``(N, A, J)`` [rad].
            gripper_target: Shape ``(N, A)`` [m].
            active: Mask of the worlds to advance, shape ``(N,)`` bool; ``None`` for all.

        Returns:
            Mask of the worlds that became unstable, shape ``(N,)`` bool; ``None`` if there are none.
        """
        torch, n, before = self._torch, self.num_worlds, self.state
        begin, end = (
            torch.cat([joints.reshape(n, -1), gripper_target / 2], dim=1)[:, self._commands]
            for joints in (self.joint_target, joint_target)
        )
        self._ramps.copy_(begin + self._ramp * (end - begin))
        self._run()
        state, crowded = self.state, (self._overflow & self._fatal) != 0
        unstable = crowded | (self._wp.to_torch(self._broken) != 0) | ~(state.abs() < LARGEST).all(dim=1)
        mean_force = torch.linalg.vector_norm(self._sensed[..., 1:], dim=-1).mean(dim=0)
        contacts = torch.stack([self._sensed[-1, ..., 0], mean_force], dim=-1)
        unstable = unstable | ~(contacts.abs() < LARGEST).flatten(1).all(dim=1)
        if active is not None:
            unstable = unstable & active
        any_unstable = bool(unstable.any())  # the only synchronization with the device in a step
        if active is not None or any_unstable:
            moved = (~unstable if active is None else active & ~unstable)[:, None]
            self.state = torch.where(moved, state, before)
            joint_target = torch.where(moved[..., None], joint_target, self.joint_target)
            gripper_target = torch.where(moved, gripper_target, self.gripper_target)
            contacts = torch.where(moved[..., None], contacts, self.contacts)
        self.joint_target, self.gripper_target, self.contacts = joint_target, gripper_target, contacts
        if not any_unstable:
            return None
        if (crowded & unstable).any():
            logger.warning(
                "worlds %s ran out of room: there is some for %s; "
                "DeviceSimulator(max_contacts=…, max_constraints=…) makes more",
                _listed(crowded & unstable), self._room,
            )  # fmt: skip
        return unstable

    def _run(self) -> None:
        """Run all physics steps of a control step: one by one at first, then as a recorded graph."""
        wp = self._wp
        if self._graph is None and self._warm:
            with WARP_LOCK, no_collection(), wp.ScopedDevice(self._device), wp.ScopedCapture() as capture:
                self._substeps()
            self._graph = capture.graph
        with self.scope():
            if self._graph is not None:
                wp.capture_launch(self._graph)
            else:  # compile and load the kernels before recording
                with (
                    announce_if_slow("TeamVLA: compiling the physics kernels (once, about a minute) …"),
                    silent_stderr(),
                ):
                    self._substeps()
                self._warm = True

    def _substeps(self) -> None:
        data = self._data
        data.overflow.zero_()
        data.qacc_warmstart.zero_()
        self._broken.zero_()
        for i in range(SUBSTEPS):
            self._wp.launch(
                containment_kernel(), self.num_worlds, inputs=[self._model.qpos0, data.qpos, data.qvel, self._broken]
            )
            self._wp.copy(data.ctrl, self._ctrl[i])
            self._engine.step(self._model, data)
            self._wp.copy(self._readings[i], data.sensordata)

    def world(self) -> WorldState:
        """Present state of all worlds; tensors are fresh copies."""
        numbers = self.state[:, self._columns]
        return self.addresses.read(numbers, self.chains, self.joint_target, self.gripper_target, self.contacts)

    def body_transforms(self, worlds: np.ndarray) -> tuple[Tensor, Tensor]:
        """Poses of all bodies of some worlds, for rendering.

        Args:
            worlds: Indices, shape ``(n,)``.

        Returns:
            Positions ``(n, bodies, 3)`` [m] and quaternions wxyz ``(n, bodies, 4)``, in the model's order.
        """
        with self.scope():
            self._engine.kinematics(self._model, self._data)
        rows = self.to_device(worlds)
        return self._wp.to_torch(self._data.xpos)[rows], self._wp.to_torch(self._data.xquat)[rows]

    def close(self) -> None:
        """Free the device's memory."""
        self._graph = None


def find_device(name: str) -> Any:
    """Find a device of Warp by name.

    Raises:
        UserError: This machine or installation has no such device; the message lists those there are.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"device: {name!r} needs torch, which is not installed: pip install torch") from error
    prepare_warp()
    import warp as wp

    known = [device.alias for device in wp.get_devices()]
    if name == "cuda":
        name = "cuda:0"
    if name not in known:
        raise UserError(f"device: got {name!r}, this machine has {', '.join(map(repr, known))}")
    if name != "cpu" and not torch.cuda.is_available():
        raise UserError(f"device: got {name!r}, but the installed torch {torch.__version__} was built without CUDA")
    return wp.get_device(name)


def _listed(worlds: Tensor) -> str:
    """Indices of the marked worlds, abbreviated if there are many."""
    indices = worlds.nonzero()[:, 0].tolist()
    more = f" and {len(indices) - _NAMED} more" if len(indices) > _NAMED else ""
    return f"{indices[:_NAMED]}{more}"
