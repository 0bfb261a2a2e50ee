"""Access to the present state of the worlds of a vector environment, by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from teamvla_envs.arguments import as_numbers, check_choice, check_number, check_whole
from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.actions import ActionMode
from teamvla_envs.control.expert import follow
from teamvla_envs.env.episodes import Episodes
from teamvla_envs.env.exclusive import exclusive
from teamvla_envs.env.observations import agent_pos, environment_state, proprioception
from teamvla_envs.env.saved_state import read_state
from teamvla_envs.env.world_draws import counter_noise
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.simulator import Simulator
from teamvla_envs.tasks.base import Task
from teamvla_envs.world import ModelFields, WorldState


class StateAccess:
    """Present state, observation parts and expert of N worlds; raises ``RuntimeError`` before the first reset.

    Attributes:
        simulator: Holds the physics of all worlds; for instruments that measure below the environment.
        task: The task.
        num_envs: Number of worlds N.
    """

    simulator: Simulator
    task: Task
    num_envs: int
    _episodes: Episodes
    _task_names: np.ndarray
    _mode: ActionMode
    _signals: Mapping[str, Any]
    _world: WorldState | None
    _closed: bool
    _lock: Any

    @property
    def scene(self) -> Scene:
        """Arms, props and cameras that stand in every world."""
        return self.simulator.scene

    @property
    def world(self) -> WorldState:
        """The present state of all worlds."""
        if self._world is None:
            raise RuntimeError("the environment was not reset yet")
        return self._world

    @property
    def signals(self) -> Mapping[str, Any]:
        """The task's signals in the present state, first axis N."""
        _ = self.world
        return self._signals

    @exclusive
    def episode_facts(self) -> dict[str, np.ndarray]:
        """Numeric facts that the task drew for each running episode: name to a host array with first axis N."""
        _ = self.world
        return {key: values.copy() for key, values in self._episodes.facts.items()}

    @exclusive
    def model_fields(self) -> ModelFields:
        """Model fields that differ between worlds: ``(field, name)`` to a host array with first axis N."""
        _ = self.world
        return {key: values.copy() for key, values in self._episodes.fields.items()}

    @property
    @exclusive
    def instructions(self) -> list[str]:
        """The instruction of every world."""
        return list(self._episodes.labels[1])

    @property
    @exclusive
    def goal_names(self) -> list[str]:
        """The goal of every world, from the task's ``goals``."""
        return list(self._episodes.labels[0])

    @property
    def seeds(self) -> np.ndarray:
        """Seed of the reset that began each world's episode, -1 without one, shape ``(N,)``."""
        return self._episodes.seeds.copy()

    @property
    def steps(self) -> np.ndarray:
        """Control steps of the running episodes, shape ``(N,)``."""
        return self.simulator.to_host(self._episodes.steps).copy()

    @exclusive
    def agent_pos(self) -> Any:
        """Proprioception of the team in its present state, shape ``(N, A * P)`` float32."""
        return self._noisy(agent_pos(proprioception(self.world)), 0)

    @exclusive
    def state_parts(self, with_goal: bool = True) -> dict[str, Any]:
        """The task's privileged observation parts.

        Args:
            with_goal: If false, parts that reveal the goal are zero.

        Returns:
            Name to ``(N, k)``.
        """
        exact, parts = self.task.indicators, {}
        truth = self.task.state_parts(self.world, self._episodes.device_facts, self._signals)
        for stream, (key, part) in enumerate(truth.items(), start=1):
            parts[key] = part if key in exact else self._noisy(part, stream)
        if with_goal:
            return parts
        return {key: 0 * part if key in self.task.goal_parts else part for key, part in parts.items()}

    @exclusive
    def environment_state(self) -> Any:
        """Privileged observation of the present state, shape ``(N, S)`` float32."""
        return environment_state(self.agent_pos(), self.state_parts())

    @exclusive
    def hold_actions(self, gripper: float | None = None) -> Any:
        """Actions that keep the commanded joint positions (in ``ee_delta`` the commanded tool poses).

        Args:
            gripper: Entry of all grippers in [-1, 1]; ``None`` keeps the commanded openings.

        Returns:
            Shape ``(N, A * D)``, float32, in the environment's action mode.
        """
        world = self.world
        xp = array_namespace(world.joint_target)
        if gripper is None:
            grippers = 2 * world.gripper_target / self._mode.opening - 1
        else:
            grippers = 0 * world.gripper_target + check_number("gripper", gripper, -1.0, 1.0)
        still = xp.zeros_like(world.joint_target)
        return self._mode.encode(still, grippers, world).reshape(self.num_envs, -1)

    @exclusive
    def expert_actions(self) -> Any:
        """Actions of the task's expert in the present state; they depend on nothing else.

        Returns:
            Shape ``(N, A * D)``, float32, in the environment's action mode.

        Raises:
            UserError: If the task has no expert.
        """
        world, chains = self.world, self.simulator.chains
        goals = self.task.make_expert().tool_goals(world, chains, self._episodes.device_facts, self._signals)
        step = follow(goals, world, chains)
        return self._mode.encode(step, goals.gripper, world).reshape(self.num_envs, -1)

    @exclusive
    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, as numeric arrays with first axis N."""
        self._check_open()
        _ = self.world
        return read_state(self.simulator, self._episodes)

    @exclusive
    def push(self, world: int, body: str, impulse: Sequence[float] | np.ndarray) -> None:
        """Push a free body of one world, by an impulse at its center of mass.

        Args:
            world: Index of the world.
            body: One of ``task.bodies``.
            impulse: Shape ``(3,)``, in world axes [N·s].

        Raises:
            UserError: If an argument has a value that is not allowed.
        """
        self._check_open()
        _ = self.world
        check_choice("body", body, self.simulator.body_names)
        blow = as_numbers("impulse", impulse)
        if blow.shape != (3,) or not np.isfinite(blow).all():
            raise UserError(f"impulse: got {shown(impulse)}, expected 3 finite numbers [N·s]")
        self.simulator.push(self._check_world(world), body, blow)
        self._update_signals()

    def _info(self) -> dict[str, Any]:
        """The info of all worlds, with gymnasium's masks."""
        everyone = np.ones(self.num_envs, bool)
        goals, instructions = self._episodes.labels
        phase = self.task.phase(self._signals)
        xp = array_namespace(phase)
        info = {
            "is_success": self._episodes.success,
            "end_reason": self._episodes.end_reasons,
            "phase": xp.astype(phase, xp.int64),
            "goal": goals.copy(),
            "task": self._task_names.copy(),
            "task_description": instructions.copy(),
        }
        return info | {f"_{key}": everyone for key in info}

    def _noisy(self, values: Any, stream: int) -> Any:
        """Values ``(N, k)`` with the observation noise of the present step."""
        scale = self.task.randomization.noise
        if not scale:
            return values
        noise = counter_noise(self._episodes.device_facts["noise_key"], self._episodes.steps, values.shape[1], stream)
        return array_namespace(values).astype(values + scale * noise, values.dtype)

    def _update_signals(self) -> WorldState:
        """Read the simulator and evaluate the task's signals."""
        self._world = world = self.simulator.world()
        self._signals = self.task.signals(world, self._episodes.device_facts, self._episodes.memory)
        self._episodes.memory = self.task.update_memory(self._signals)
        return world

    def _check_world(self, world: Any) -> int:
        return check_whole("world", world, 0, self.num_envs - 1)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the environment is closed")
