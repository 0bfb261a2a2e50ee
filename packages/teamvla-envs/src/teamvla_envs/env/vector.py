"""The environment: N worlds of one task that step together. The single and the parallel view have N = 1."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from teamvla_envs.arguments import check_seeds, check_whole, only_known_arguments
from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.actions import ActionMode, check_action
from teamvla_envs.env.arguments import EnvConfig
from teamvla_envs.env.camera_access import CameraAccess
from teamvla_envs.env.episodes import LOST, SUCCESS, TIME_LIMIT, UNSTABLE, Episodes
from teamvla_envs.env.exclusive import exclusive
from teamvla_envs.env.final import only, rows_of
from teamvla_envs.env.images import Images
from teamvla_envs.env.observations import proprioception
from teamvla_envs.env.options import check_options, read_goals, read_reset_mask
from teamvla_envs.env.remaking import Remade
from teamvla_envs.env.saved_state import write_state
from teamvla_envs.env.spaces import observation_space
from teamvla_envs.env.state_checks import check_mask
from teamvla_envs.env.time_limits import UNLIMITED
from teamvla_envs.env.world_draws import WorldDraw
from teamvla_envs.env.worlds import WorldAccess
from teamvla_envs.errors import UserError
from teamvla_envs.forks import repair_after_fork
from teamvla_envs.scene.compose import PHYSICS_DT
from teamvla_envs.scene.robots import get_robot
from teamvla_envs.scene.visual_meshes import load_skins
from teamvla_envs.sim.host import SUBSTEPS
from teamvla_envs.sim.make import choose_simulator
from teamvla_envs.world import WorldState

_SPACES = ("single_observation_space", "single_action_space", "observation_space", "action_space")


class TeamVectorEnv(Remade, WorldAccess, CameraAccess, gym.vector.VectorEnv):
    """N worlds of one task as a ``gymnasium.vector.VectorEnv``.

    Threads may share an environment: their calls run one after another.

    Args:
        task: Registered task name, e.g. ``"lift"``.
        num_envs: Number of worlds N.
        **arguments: The other attributes of :class:`teamvla_envs.env.arguments.EnvConfig`, by name.

    Attributes:
        config: All arguments, checked, with defaults filled in.
        env_kwargs: JSON-able arguments that make an environment with the same episodes.

    Raises:
        UserError: A ``ValueError``, if an argument has a value that is not allowed; the message lists those allowed.
    """

    __signature__ = signature(EnvConfig)  # for help() and editors

    def __init__(self, task: str, num_envs: int = 1, **arguments: Any):
        config = only_known_arguments(EnvConfig)(task, num_envs, **arguments)
        self.task = config.make_task()
        robots = tuple(config.robot)
        scene = self.task.scene(robots)
        self.config = config = config.resolved(self.task, scene)
        values: dict[str, Any] = vars(config)
        self.task_name, self.num_envs, self.num_arms = config.task, config.num_envs, config.num_arms
        self.obs_mode, self.action_mode, self.reward_mode = config.obs_mode, config.action_mode, config.reward_mode
        self.instruction_for, self.render_mode = config.instruction_for, config.render_mode
        self.all_cameras, self.cameras = tuple(camera.name for camera in scene.cameras), values["cameras"]
        self.image_size, self.render_size = values["image_size"], values["render_size"]
        self.image_channels, self.autoreset_mode = values["image_channels"], values["autoreset_mode"]
        self.phases, self.goals = self.task.phases, self.task.goals
        self.control_dt = SUBSTEPS * PHYSICS_DT
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": round(1 / self.control_dt),
            "autoreset_mode": self.autoreset_mode,
        }
        self.env_kwargs = config.to_json()
        self.max_episode_steps = values["max_episode_steps"]
        skins = load_skins(scene, config.looks)
        self.simulator = choose_simulator(
            config.device, config.solver, config.num_threads, scene, self.task.bodies, self.num_envs, self.task.joints
        )
        self._images = Images(self.simulator, config.num_threads, skins)
        opening = np.array([get_robot(name).gripper_range[1] for name in robots])
        self._rest = np.stack([get_robot(name).home for name in robots])
        self._mode = ActionMode(self.action_mode, self.simulator.chains, self.simulator.to_device(opening))
        self.action_size = self._mode.size
        nominal = self.task.initial_state(np.full((1, self.task.draws.count), 0.5)).fields
        colored = tuple(geom for field, geom in nominal if field == "geom_rgba")
        self._draw = WorldDraw(self.task.randomization, scene, colored)
        team_action = self.num_arms * self.action_size
        self._episodes = Episodes(self.task, self.num_envs, self._draw, team_action, self.simulator)
        self._task_names = np.full(self.num_envs, self.task_name, dtype=object)
        self._world: WorldState | None = None
        self._closed = False
        self._lock = threading.RLock()
        repair_after_fork(self)
        self._build_spaces()

    @classmethod
    def from_config(cls, config: EnvConfig) -> Self:
        """Make the environment of a configuration."""
        return cls(**vars(config))

    def after_fork(self) -> None:
        """Make a new lock in a forked child, where no thread may be left to release the old one."""
        self._lock = threading.RLock()

    def _build_spaces(self) -> None:
        """Derive spaces and named observation parts from a nominal initial state."""
        everyone = np.arange(self.num_envs)
        rest = np.broadcast_to(self._rest, (self.num_envs, *self._rest.shape))
        nominal = self._episodes.nominal
        self.simulator.reset(everyone, rest, nominal.body_pose, nominal.fields)
        world = self._update_signals()
        agent, state = self.agent_pos(), self.environment_state()
        self.agent_pos_parts = tuple((name, array.shape[-1]) for name, array in proprioception(world).items())
        self.environment_state_parts = (
            *((f"arm_{k}/{name}", size) for k in range(self.num_arms) for name, size in self.agent_pos_parts),
            *((name, array.shape[-1]) for name, array in self.state_parts().items()),
        )
        self.action_parts = self._mode.parts
        self.single_observation_space = observation_space(
            self.obs_mode, self.camera_spaces(self.cameras), agent.shape[1], state.shape[1]
        )
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (self.num_arms * self.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._world = None

    @exclusive
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: One number ``s`` (world i gets ``s + i``) or one per world; a seed determines an episode fully.
                Without one a world continues with its own generator.
            options: ``{"reset_mask": (N,) bool}`` resets only those worlds. ``{"goal": name}``, or a sequence of one
                name or ``None`` per world, replaces the goal of the seed's episode without changing the scene.

        Returns:
            Observations and info of all worlds.
        """
        self._check_open()
        chosen = check_options(options)
        mask = read_reset_mask(chosen, self.num_envs)
        if self._world is None and not mask.all():
            raise UserError("options['reset_mask']: the first reset must reset all worlds")
        seeds, goals = check_seeds(seed, self.num_envs), read_goals(chosen, self.num_envs)
        goal_draws = [None if g is None else self.task.draw_of_goal(g) for g in goals]
        self._reset_worlds(np.flatnonzero(mask), seeds, goal_draws)
        self._update_signals()
        return self._observe(), self._info()

    def _reset_worlds(
        self, worlds: np.ndarray, seeds: Sequence[int | None], goal_draws: Sequence[float | None] = ()
    ) -> None:
        """Draw and set new episodes in some worlds; a goal draw, one per world of all N, replaces the seed's."""
        if len(worlds) == 0:
            return
        rest, task = self._rest, self.task
        draws = self._episodes.draw(worlds, seeds, task.draws.count + self._draw.count)
        for row, world in enumerate(worlds if goal_draws else ()):
            if (goal_draw := goal_draws[world]) is not None:
                draws[row, task.draws.column("goal")] = goal_draw
        start = task.initial_state(draws[:, : task.draws.count])
        colors = {geom: values for (field, geom), values in start.fields.items() if field == "geom_rgba"}
        fields, facts = self._draw(draws[:, task.draws.count :], colors)
        posture = facts.pop("posture")
        start = replace(start, fields=start.fields | fields, facts=start.facts | facts)
        self.simulator.reset(worlds, rest + posture, start.body_pose, start.fields)
        self._episodes.begin(worlds, start)
        if self.task.randomization.delay:
            still, opened = np.zeros((self.num_envs, *rest.shape)), np.ones((self.num_envs, self.num_arms))
            at_rest = self._mode.encode(
                self.simulator.to_device(still), self.simulator.to_device(opened), self.simulator.world()
            )
            self._episodes.prefill_pending(worlds, at_rest)
        self._images.invalidate(worlds)

    @exclusive
    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Advance all worlds by one control step.

        Args:
            actions: Shape ``(N, A * D)``, arm by arm, in [-1, 1].

        Returns:
            Observations, rewards ``(N,)`` float64 (float32 on a device), terminated ``(N,)``, truncated ``(N,)``, info.

        Raises:
            UserError: If the shape is wrong or an entry is not finite; names arm and index.
            RuntimeError: Before the first reset or after close.
        """
        self._check_open()
        if self._world is None:
            raise RuntimeError("step() was called before reset()")
        action = check_action(actions, self.num_envs, self.num_arms, self._mode, self.simulator.to_device)
        resting = self._episodes.finished
        active: Any
        if resting.any() and self.autoreset_mode == AutoresetMode.NEXT_STEP:
            active = ~resting
            restarted = np.flatnonzero(resting)
        else:
            active = ~resting if resting.any() else None
            restarted = np.empty(0, int)
        targets = self._mode.decode(self._episodes.apply_delay(action), self._world)
        self._reset_worlds(restarted, [None] * self.num_envs)
        active = None if active is None else self.simulator.to_device(active)
        unstable = self.simulator.advance(*targets, active)
        self._update_signals()
        reward, terminated, truncated = self._compute_rewards(active, unstable)
        info = self._info()
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._episodes.finished.any():
            ended = self._episodes.finished
            final_obs, final_info = self._observe(), info
            self._reset_worlds(np.flatnonzero(ended), [None] * self.num_envs)
            self._update_signals()
            info = self._info()
            info.update(final_obs=rows_of(final_obs, ended), _final_obs=ended)
            info.update(final_info=only(final_info, ended), _final_info=ended.copy())
        return self._observe(), reward, terminated, truncated, info

    def _compute_rewards(self, active: Any, unstable: Any) -> tuple[Any, Any, Any]:
        """Rewards and ends of the step just made.

        Args:
            active: Mask of the worlds that took part, shape ``(N,)`` bool, ``None`` for all; others keep their state.
            unstable: Mask of the worlds whose physics failed, shape ``(N,)`` bool, ``None`` for none.
        """
        signals, episodes = self._signals, self._episodes
        now = self.task.is_success(signals)
        xp = array_namespace(now)
        held = xp.where(now, episodes.held + 1, 0)
        if active is None:
            episodes.held, episodes.steps = held, episodes.steps + 1
            self._images.invalidate(slice(None))
        else:
            episodes.held, episodes.steps = xp.where(active, held, episodes.held), episodes.steps + active
            self._images.invalidate(self.simulator.to_host(active))
        success = episodes.held >= self.task.hold_steps(episodes.device_facts)
        lost = ~success & self.task.is_lost(self.world)
        late = ~success & ~lost & (episodes.steps >= self.max_episode_steps)
        end = SUCCESS * success + LOST * lost + TIME_LIMIT * late
        if unstable is not None:
            success, lost, end = success & ~unstable, lost | unstable, xp.where(unstable, UNSTABLE, end)
        if self.reward_mode == "sparse":
            reward = xp.astype(success, self.world.joint_pos.dtype)
        else:
            terms = self.task.reward_terms(signals)
            reward = sum(weight * value for weight, value in terms.values()) - 1.0 + success
            if lost.any():  # losing an object must not pay off as an early end
                reward = xp.where(lost, reward - (self._last_step - episodes.steps).clip(0), reward)
        if active is not None:
            reward = xp.where(active, reward, 0.0)
            end = xp.where(active, end, episodes.end)
        episodes.end = end
        late = end == TIME_LIMIT
        return reward, (end > 0) & ~late, late

    @property
    def max_episode_steps(self) -> int:
        """Control steps after which an episode is truncated."""
        return self._max_steps

    @max_episode_steps.setter
    def max_episode_steps(self, steps: int) -> None:
        self._max_steps = check_whole("max_episode_steps", steps, most=UNLIMITED)
        self.env_kwargs["max_episode_steps"] = self._max_steps

    @property
    def _last_step(self) -> int:
        """The step until which a lost object costs; that of the task if episodes are not truncated."""
        return self.task.horizon if self.max_episode_steps == UNLIMITED else self.max_episode_steps

    @exclusive
    def set_state(self, state: Mapping[str, np.ndarray], mask: np.ndarray | None = None) -> tuple[Any, dict[str, Any]]:
        """Continue from a state returned by :meth:`get_state` of an environment made with the same arguments.

        Args:
            state: Named arrays, first axis N.
            mask: Worlds to set, shape ``(N,)`` bool; ``None`` for all.

        Returns:
            Observations and info of all worlds.

        Raises:
            UserError: If an array is missing or unknown, has the wrong shape or dtype, or holds impossible
                values; nothing is changed then.
        """
        self._check_open()
        rows = check_mask(mask, self.num_envs)
        if self._world is None and len(rows) < self.num_envs:
            raise UserError("mask: before the first reset the states of all worlds must be set")
        write_state(self.simulator, self._episodes, state, rows, self._mode.target_ranges)
        self._images.invalidate(rows)
        self._update_signals()
        return self._observe(), self._info()

    def progress(self) -> dict[str, Any]:
        """State, spaces with their generators, and attributes of gymnasium."""
        kept = {name: getattr(self, name) for name in (*_SPACES, "spec", "_np_random", "_np_random_seed")}
        kept["max_episode_steps"] = self.max_episode_steps
        return {"state": None if self._world is None else self.get_state(), "attributes": kept}

    def resume(self, progress: dict[str, Any]) -> None:
        """Continue bit for bit from a result of :meth:`progress`."""
        for name, value in progress["attributes"].items():
            setattr(self, name, value)
        if progress["state"] is not None:
            self.set_state(progress["state"])

    @exclusive
    def close_extras(self, **kwargs: Any) -> None:
        """Stop worker threads."""
        if self._closed:
            return
        self._closed = True
        self.simulator.close()
        self._images.close()
