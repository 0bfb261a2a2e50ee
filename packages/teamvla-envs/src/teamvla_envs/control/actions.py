"""Action modes: from actions in [-1, 1] to commanded joint positions and gripper openings, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from teamvla_envs.arguments import as_numbers
from teamvla_envs.arrays import array_namespace, to_numpy
from teamvla_envs.errors import UserError
from teamvla_envs.kinematics import Chains, differential_ik
from teamvla_envs.world import WorldState

Array = Any

JOINT_STEP = 0.05  # [rad] largest joint displacement of one control step
TOOL_STEP = 0.02  # [m] tool translation of action 1.0 in ee_delta
TOOL_TURN = 0.10  # [rad] tool rotation of action 1.0 in ee_delta
_TARGET_MARGIN = 1e-3  # [rad, m] tolerance of the limits, for rounding
GRIPPER_STEP = 0.008  # [m] largest change of the gripper opening in one control step, 0.2 m/s
LEASH = 0.2  # [rad] the commanded position stays this close to the measured one
ACTION_MODES = ("joint_delta", "joint_pos", "ee_delta")


@dataclass(frozen=True)
class ActionMode:
    """Meaning of an arm's action. The last entry is the gripper: -1 closed, +1 open, in between proportional.

    The commanded opening moves towards it by at most ``GRIPPER_STEP`` per step.

    - ``joint_delta``: joint displacements in units of ``JOINT_STEP``, added to the commanded position.
    - ``joint_pos``: joint positions, -1 and +1 at the joint limits; approached by at most ``JOINT_STEP`` per step.
    - ``ee_delta``: tool translation (world axes, units of ``TOOL_STEP``) and rotation vector (``TOOL_TURN``), added to
      the commanded tool pose through differential inverse kinematics.

    Actions are clipped to [-1, 1] first. A joint displacement that is still too long is scaled as a whole, so that the
    path stays straight in joint space.

    Attributes:
        name: One of ``ACTION_MODES``.
        chains: Kinematics of the team.
        opening: Largest gripper opening of each arm, shape ``(A,)`` [m].
    """

    name: str
    chains: Chains
    opening: Array

    @cached_property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Names and lengths of the entries of one arm's action."""
        joints = self.chains.lower.shape[-1]
        body = {
            "joint_delta": (("joint_delta", joints),),
            "joint_pos": (("joint_pos", joints),),
            "ee_delta": (("tool_translation", 3), ("tool_rotation", 3)),
        }[self.name]
        return (*body, ("gripper", 1))

    @cached_property
    def size(self) -> int:
        """Number of entries ``D`` of one arm's action."""
        return sum(length for _, length in self.parts)

    @cached_property
    def target_ranges(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Smallest and largest commanded joint positions ``(A, J)`` [rad] and gripper openings ``(A,)`` [m]."""
        lower, upper, opening = (to_numpy(a) for a in (self.chains.lower, self.chains.upper, self.opening))
        return {
            "joint_target": (lower - _TARGET_MARGIN, upper + _TARGET_MARGIN),
            "gripper_target": (0 * opening - _TARGET_MARGIN, opening + _TARGET_MARGIN),
        }

    def decode(self, action: Array, world: WorldState) -> tuple[Array, Array]:
        """Commands of all arms from their actions.

        Args:
            action: Shape ``(N, A, D)``, finite; clipped to [-1, 1].
            world: Present state of the worlds.

        Returns:
            Commanded joint positions ``(N, A, J)`` [rad] and gripper openings ``(N, A)`` [m].
        """
        xp = array_namespace(action)
        action = action.clip(-1.0, 1.0)
        motion, grip = action[..., :-1], action[..., -1]
        target = world.joint_target
        if self.name == "joint_delta":
            step = motion * JOINT_STEP
        elif self.name == "joint_pos":
            lower, upper = self.chains.lower, self.chains.upper
            step = lower + (motion + 1) / 2 * (upper - lower) - target
        else:
            twist = xp.concat([motion[..., :3] * TOOL_STEP, motion[..., 3:] * TOOL_TURN], axis=-1)
            frames, tool = self.chains.frames(target)
            jacobian = self.chains.jacobian(frames, tool)
            step = differential_ik(jacobian, twist, posture_motion(self.chains, target), near_singular=True)
        target = (target + limit_step(step)).clip(world.joint_pos - LEASH, world.joint_pos + LEASH)
        target = target.clip(self.chains.lower, self.chains.upper)
        opening = (grip + 1) / 2 * self.opening
        now = world.gripper_target
        return target, now + (opening - now).clip(-GRIPPER_STEP, GRIPPER_STEP)

    def encode(self, step: Array, gripper: Array, world: WorldState) -> Array:
        """Action that moves the commanded joints by ``step``.

        Args:
            step: Joint displacement, shape ``(N, A, J)`` [rad], within the limit of one step.
            gripper: Gripper entries in [-1, 1], shape ``(N, A)``.
            world: Present state of the worlds.

        Returns:
            Shape ``(N, A, D)``, float32.
        """
        xp = array_namespace(step)
        target = world.joint_target
        if self.name == "joint_delta":
            motion = step / JOINT_STEP
        elif self.name == "joint_pos":
            lower, upper = self.chains.lower, self.chains.upper
            motion = 2 * (target + step - lower) / (upper - lower) - 1
        else:
            frames, tool = self.chains.frames(target)
            twist = (self.chains.jacobian(frames, tool) @ step[..., None])[..., 0]
            motion = xp.concat([twist[..., :3] / TOOL_STEP, twist[..., 3:] / TOOL_TURN], axis=-1)
        action = xp.concat([motion, gripper[..., None]], axis=-1)
        return xp.astype(action.clip(-1.0, 1.0), xp.float32)


def limit_step(step: Array, together: Array | None = None) -> Array:
    """Scale joint displacements so that no entry exceeds ``JOINT_STEP``.

    Args:
        step: Shape ``(N, A, J)`` [rad].
        together: Mask of the worlds whose arms are scaled by one common factor, shape ``(N,)`` bool.

    Returns:
        Shape ``(N, A, J)`` [rad].
    """
    xp = array_namespace(step)
    largest = xp.max(xp.abs(step), axis=-1, keepdims=True)
    if together is not None:
        largest = xp.where(together[:, None, None], xp.max(largest, axis=1, keepdims=True), largest)
    return step * (JOINT_STEP / largest.clip(JOINT_STEP))


def posture_motion(chains: Chains, joint_pos: Array, gain: float = 0.03) -> Array:
    """Null-space motion ``(N, A, J)`` [rad] from joint positions ``(N, A, J)`` [rad] towards the rest posture."""
    return gain * (chains.rest - joint_pos)


def check_action(
    action: Any, num_worlds: int, num_arms: int, mode: ActionMode, to_device: Callable[[np.ndarray], Array] = np.asarray
) -> Array:
    """Check an action and convert it to an array ``(N, A, D)``.

    Args:
        action: Shape ``(N, A * D)``, arm by arm.
        num_worlds: Number of worlds N.
        num_arms: Number of arms A.
        mode: Action mode, which defines D and the meaning of the entries.
        to_device: Function from a numpy array to an array of the simulator's kind; see ``Simulator.to_device``.

    Returns:
        Shape ``(N, A, D)``: float64, or float32 on a device.

    Raises:
        ValueError: The shape is wrong or an entry is not finite; the message names arm, entry and world.
    """
    array = _as_floats(action, mode.opening, to_device)
    if array.shape != (num_worlds, num_arms * mode.size):
        raise UserError(
            f"action has shape {tuple(array.shape)}, expected {(num_worlds, num_arms * mode.size)}: "
            f"for each of {num_arms} arms (arm_0 first) {mode.size} entries, {_meaning(mode)}"
        )
    array = array.reshape(num_worlds, num_arms, mode.size)
    xp = array_namespace(array)
    if not xp.isfinite(array.sum()):
        bad = xp.nonzero(~xp.isfinite(array))
        if len(bad[0]):
            world, arm, entry = (int(indices[0]) for indices in bad)
            raise UserError(
                f"action for arm_{arm} has a non-finite value {float(array[world, arm, entry])} at index {entry} "
                f"(world {world}); expected {mode.size} numbers in [-1, 1]: {_meaning(mode)}"
            )
    return array


def _as_floats(action: Any, similar: Array, to_device: Callable[[np.ndarray], Array]) -> Array:
    """Floats of the kind of ``similar`` from numbers of any kind."""
    if isinstance(similar, np.ndarray):
        return as_numbers("action", action)
    if type(action) is type(similar):  # a tensor that may be on the device already
        return action.to(similar)
    return to_device(as_numbers("action", action))


def _meaning(mode: ActionMode) -> str:
    return " and ".join(f"{length} {name}" for name, length in mode.parts)
