"""The environment: N worlds of one task, stepped together. Single and parallel views are windows on it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from teamvla_envs.arguments import (
    as_numbers,
    check_choice,
    check_names,
    check_number,
    check_seeds,
    check_sequence,
    check_whole,
    only_known_arguments,
)
from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.actions import ACTION_MODES, ActionMode, check_action
from teamvla_envs.control.expert import follow
from teamvla_envs.env.episodes import LOST, SUCCESS, TIME_LIMIT, UNSTABLE, Episodes
from teamvla_envs.env.exclusive import exclusive
from teamvla_envs.env.final import only, rows_of
from teamvla_envs.env.images import Pictures
from teamvla_envs.env.observations import OBS_MODES, agent_pos, environment_state, proprioception
from teamvla_envs.env.options import check_options, read_goals, read_reset_mask
from teamvla_envs.env.remaking import Remade
from teamvla_envs.env.settings import check_autoreset_mode, check_render_mode
from teamvla_envs.env.spaces import camera_spaces, check_image_size, observation_space
from teamvla_envs.env.state_checks import check_mask, check_state
from teamvla_envs.env.time_limits import UNLIMITED
from teamvla_envs.env.world_draws import WorldDraw, counter_noise
from teamvla_envs.env.worlds import WorldAccess
from teamvla_envs.errors import UserError
from teamvla_envs.forks import repair_after_fork
from teamvla_envs.outside import shown
from teamvla_envs.randomization import Randomization
from teamvla_envs.registration import get_task
from teamvla_envs.scene.compose import PHYSICS_DT
from teamvla_envs.scene.robots import get_robot
from teamvla_envs.scene.visual_meshes import LOOKS, load_skins
from teamvla_envs.sim.cameras import CHANNELS
from teamvla_envs.sim.host import SUBSTEPS
from teamvla_envs.sim.make import choose_simulator
from teamvla_envs.sim.render_scene import segment_names
from teamvla_envs.sim.simulator import Simulator
from teamvla_envs.world import WorldState

REWARD_MODES = ("dense", "sparse")
MOST_WORLDS = 2**20
_SPACES = ("single_observation_space", "single_action_space", "observation_space", "action_space")
# State name to the simulator's attribute.
_PHYSICS = {
    "physics": "state",
    "joint_target": "joint_target",
    "gripper_target": "gripper_target",
    "contacts": "contacts",
}


class TeamVectorEnv(Remade, WorldAccess, gym.vector.VectorEnv):
    """N worlds of one task as a ``gymnasium.vector.VectorEnv``.

    Threads may share an environment: their calls run one after another.

    Args:
        task: Registered task name, e.g. ``"lift"``.
        num_envs: Number of worlds N.
        num_arms: Number of arms A.
        robot: One robot name for all arms, or one per arm.
        obs_mode: ``"state"`` (one privileged float32 vector), ``"vision"`` (pixels, proprioception, sentence) or
            ``"vision+state"``.
        action_mode: ``"joint_delta"``, ``"joint_pos"`` or ``"ee_delta"``; see :class:`ActionMode`.
        reward_mode: ``"dense"`` (in [-1, 0], plus 1 at success, minus 1 for every step that is left when an object is
            lost) or ``"sparse"`` (1 at success).
        device: ``"cpu"``, or a CUDA device such as ``"cuda:0"``: there observations, rewards, ends and the numbers of
            info are torch tensors on the device, and actions may be.
        solver: ``"mujoco"`` (the processor), ``"warp"`` (CUDA, or the processor slowly) or ``"auto"``.
        cameras: Names of the cameras in ``pixels``, each once; ``None`` for the front and the wrist cameras.
        image_size: Height and width of the images [px], or one number for both.
        image_channels: What cameras tell in the vision modes: ``"rgb"`` (``pixels``), ``"depth"`` [m] and
            ``"segmentation"`` (a key of each name, camera by camera).
        randomization: ``"none"``, ``"default"`` or ``"hard"``, a :class:`Randomization` or a mapping of its attributes.
        split: ``"train"`` or ``"unseen"`` sentences, sizes, shades and arrangements of colors.
        instruction_for: ``"all"`` or ``"arm_k"``: who is told the sentence in the parallel view.
        max_episode_steps: Control steps after which an episode is truncated; ``None`` for the task's own.
        render_mode: ``None`` or ``"rgb_array"``.
        render_size: Height and width of what :meth:`render` gives [px], or one number for both.
        looks: ``"primitives"`` or ``"menagerie"``: what the cameras see of the arms. The latter needs
            ``teamvla-envs[menagerie]`` or the folder that ``TEAMVLA_MENAGERIE`` names; physics is the same.
        autoreset_mode: What happens to a world whose episode has ended; see gymnasium's documentation. With
            ``DISABLED`` it rests until ``reset(options={"reset_mask": mask})``.
        num_threads: Threads for physics and rendering; ``None`` for one per core.

    Raises:
        UserError: A ``ValueError``, if an argument is not one of those allowed; the message lists them.
    """

    @only_known_arguments
    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        *,
        num_arms: int = 2,
        robot: str | Sequence[str] = "panda",
        obs_mode: str = "state",
        action_mode: str = "joint_delta",
        reward_mode: str = "dense",
        device: str = "cpu",
        solver: str = "auto",
        cameras: Sequence[str] | None = None,
        image_size: int | Sequence[int] = 64,
        image_channels: Sequence[str] = ("rgb",),
        randomization: str | Randomization | Mapping[str, float] = "default",
        split: str = "train",
        instruction_for: str = "all",
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        render_size: int | Sequence[int] = 480,
        looks: str = "primitives",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_threads: int | None = None,
    ):
        check_choice("obs_mode", obs_mode, OBS_MODES)
        check_choice("action_mode", action_mode, ACTION_MODES)
        check_choice("reward_mode", reward_mode, REWARD_MODES)
        check_render_mode(render_mode)
        check_choice("looks", looks, LOOKS)
        self.task_name, self.num_envs = task, check_whole("num_envs", num_envs, most=MOST_WORLDS)
        self.num_arms = num_arms = check_whole("num_arms", num_arms)
        num_threads = None if num_threads is None else check_whole("num_threads", num_threads, most=4096)
        self.task = get_task(task)(num_arms=num_arms, split=split, randomization=randomization)
        check_choice("instruction_for", instruction_for, ("all", *(f"arm_{k}" for k in range(num_arms))))
        robots: tuple[str, ...]
        if isinstance(robot, str):
            robots = (robot,) * num_arms
        else:
            robots = check_sequence("robot", robot, "a name, or one per arm")
        if len(robots) != num_arms:
            raise UserError(f"robot: got {len(robots)} names for {num_arms} arms, give one or one per arm")
        joints = {name: len(get_robot(name).joints) for name in robots}
        if len(set(joints.values())) > 1:
            raise UserError(f"robot: got arms with numbers of joints {joints}, a team needs equally many for each")
        scene = self.task.scene(robots)
        skins = load_skins(scene, looks)
        self.all_cameras = known = tuple(camera.name for camera in scene.cameras)
        self.cameras = scene.default_cameras if cameras is None else check_names("cameras", cameras, known)
        self.image_size, self.render_size = check_image_size(image_size), check_image_size(render_size, "render_size")
        self.image_channels = check_names("image_channels", image_channels, CHANNELS)
        steps = self.task.horizon if max_episode_steps is None else max_episode_steps
        steps = check_whole("max_episode_steps", steps, most=UNLIMITED)
        self.control_dt = SUBSTEPS * PHYSICS_DT
        self.phases, self.goals = self.task.phases, self.task.goals
        self.obs_mode, self.action_mode, self.reward_mode = obs_mode, action_mode, reward_mode
        self.instruction_for, self.render_mode = instruction_for, render_mode
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": round(1 / self.control_dt),
            "autoreset_mode": self.autoreset_mode,
        }
        self.env_kwargs: dict[str, Any] = {
            "task": task, "num_arms": num_arms, "robot": list(robots), "obs_mode": obs_mode,
            "action_mode": action_mode, "reward_mode": reward_mode, "cameras": list(self.cameras),
            "image_size": list(self.image_size), "image_channels": list(self.image_channels),
            "randomization": randomization if isinstance(randomization, str) else self.task.randomization.to_json(),
            "split": split,
            "instruction_for": instruction_for, "max_episode_steps": None, "looks": looks,
        }  # fmt: skip
        self.max_episode_steps = steps
        self._sim: Simulator = choose_simulator(
            device, solver, num_threads, scene, self.task.bodies, self.num_envs, self.task.joints
        )
        self._pictures = Pictures(self._sim, num_threads, skins)
        opening = np.array([get_robot(name).gripper_range[1] for name in robots])
        self._rest = np.stack([get_robot(name).home for name in robots])
        self._mode = ActionMode(action_mode, self._sim.chains, self._sim.send(opening))
        self.action_size = self._mode.size
        nominal = self.task.initial_state(np.full((1, self.task.draws.count), 0.5)).fields
        colored = tuple(geom for field, geom in nominal if field == "geom_rgba")
        self._draw = WorldDraw(self.task.randomization, scene, colored)
        team_action = self.num_arms * self.action_size
        self._episodes = Episodes(self.task, self.num_envs, self._draw, team_action, self._sim)
        self._task_names = np.full(self.num_envs, task, dtype=object)
        self._world: WorldState | None = None
        self._closed = False
        self._lock = threading.RLock()
        repair_after_fork(self)
        self._measure()

    def after_fork(self) -> None:
        """Make a new lock in a forked child, where no thread may be left to release the old one."""
        self._lock = threading.RLock()

    def _measure(self) -> None:
        """Spaces and named parts, read off a nominal start."""
        everyone = np.arange(self.num_envs)
        rest = np.broadcast_to(self._rest, (self.num_envs, *self._rest.shape))
        nominal = self._episodes.nominal
        self._sim.reset(everyone, rest, nominal.body_pose, nominal.fields)
        world = self._look()
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
                Without one a world goes on with its own generator.
            options: ``{"reset_mask": (N,) bool}`` resets only those worlds. ``{"goal": name}``, or a sequence of one
                name or ``None`` per world, replaces the goal of the seed's episode and leaves the scene as it is.

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
        self._begin(np.flatnonzero(mask), seeds, goal_draws)
        self._look()
        return self._observe(), self._info()

    def _begin(self, worlds: np.ndarray, seeds: Sequence[int | None], goal_draws: Sequence[float | None] = ()) -> None:
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
        self._sim.reset(worlds, rest + posture, start.body_pose, start.fields)
        self._episodes.begin(worlds, start)
        if self.task.randomization.delay:
            still, opened = np.zeros((self.num_envs, *rest.shape)), np.ones((self.num_envs, self.num_arms))
            at_rest = self._mode.encode(self._sim.send(still), self._sim.send(opened), self._sim.world())
            self._episodes.expect(worlds, at_rest)
        self._pictures.outdate(worlds)

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
        action = check_action(actions, self.num_envs, self.num_arms, self._mode, self._sim.send)
        resting = self._episodes.finished
        active: Any
        if resting.any() and self.autoreset_mode == AutoresetMode.NEXT_STEP:
            active = ~resting
            restarted = np.flatnonzero(resting)
        else:
            active = ~resting if resting.any() else None
            restarted = np.empty(0, int)
        targets = self._mode.decode(self._episodes.delayed(action), self._world)
        self._begin(restarted, [None] * self.num_envs)
        active = None if active is None else self._sim.send(active)
        unstable = self._sim.advance(*targets, active)
        self._look()
        reward, terminated, truncated = self._judge(active, unstable)
        info = self._info()
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._episodes.finished.any():
            ended = self._episodes.finished
            final_obs, final_info = self._observe(), info
            self._begin(np.flatnonzero(ended), [None] * self.num_envs)
            self._look()
            info = self._info()
            info.update(final_obs=rows_of(final_obs, ended), _final_obs=ended)
            info.update(final_info=only(final_info, ended), _final_info=ended.copy())
        return self._observe(), reward, terminated, truncated, info

    def _judge(self, active: Any, unstable: Any) -> tuple[Any, Any, Any]:
        """Rewards and ends of the step just made.

        Args:
            active: Which worlds took part, shape ``(N,)`` bool, ``None`` for all; the others keep their state.
            unstable: Which worlds' physics failed, shape ``(N,)`` bool, ``None`` for none.
        """
        signals, episodes = self._signals, self._episodes
        now = self.task.is_success(signals)
        xp = array_namespace(now)
        held = xp.where(now, episodes.held + 1, 0)
        if active is None:
            episodes.held, episodes.steps = held, episodes.steps + 1
            self._pictures.outdate(slice(None))
        else:
            episodes.held, episodes.steps = xp.where(active, held, episodes.held), episodes.steps + active
            self._pictures.outdate(self._sim.fetch(active))
        success = episodes.held >= self.task.hold_steps(episodes.told)
        lost = ~success & self.task.is_lost(self._current)
        late = ~success & ~lost & (episodes.steps >= self.max_episode_steps)
        end = SUCCESS * success + LOST * lost + TIME_LIMIT * late
        if unstable is not None:
            success, lost, end = success & ~unstable, lost | unstable, xp.where(unstable, UNSTABLE, end)
        if self.reward_mode == "sparse":
            reward = xp.astype(success, self._current.joint_pos.dtype)
        else:
            terms = self.task.reward_terms(signals)
            reward = sum(weight * value for weight, value in terms.values()) - 1.0 + success
            if lost.any():  # which must not be a way to end the waiting
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

    def _look(self) -> WorldState:
        """Read the simulator and evaluate the task's signals."""
        self._world = world = self._sim.world()
        self._signals = self.task.signals(world, self._episodes.told, self._episodes.memory)
        self._episodes.memory = self.task.update_memory(self._signals)
        return world

    def _observe(self) -> Any:
        if self.obs_mode == "state":
            return self.environment_state()
        pictures = self._pictures.observe(self.image_channels, self.cameras, self.image_size, self._episodes.fields)
        obs = {**pictures, "agent_pos": self.agent_pos(), "instruction": tuple(self.instructions)}
        if self.obs_mode == "vision+state":
            obs["environment_state"] = self.environment_state()
        return obs

    def camera_spaces(self, cameras: Sequence[str]) -> dict[str, gym.Space[Any]]:
        """The spaces of what some cameras tell, by key of the observation."""
        segments = len(segment_names(self._sim.scene))
        return camera_spaces(self.image_channels, cameras, self.image_size, segments)

    @exclusive
    def agent_pos(self) -> Any:
        """Proprioception of the team in its present state, shape ``(N, A * P)`` float32."""
        return self._noisy(agent_pos(proprioception(self._current)), 0)

    def _noisy(self, values: Any, stream: int) -> Any:
        """Values ``(N, k)`` with the observation noise of the present step."""
        scale = self.task.randomization.noise
        if not scale:
            return values
        noise = counter_noise(self._episodes.told["noise_key"], self._episodes.steps, values.shape[1], stream)
        return array_namespace(values).astype(values + scale * noise, values.dtype)

    @exclusive
    def state_parts(self, told: bool = True) -> dict[str, Any]:
        """The task's privileged parts, name to ``(N, k)``; zeros for what gives the goal away if ``told`` is false."""
        exact, parts = self.task.indicators, {}
        truth = self.task.state_parts(self._current, self._episodes.told, self._signals)
        for stream, (key, part) in enumerate(truth.items(), start=1):
            parts[key] = part if key in exact else self._noisy(part, stream)
        if told:
            return parts
        return {key: 0 * part if key in self.task.goal_parts else part for key, part in parts.items()}

    @exclusive
    def environment_state(self) -> Any:
        """Privileged observation of the present state, shape ``(N, S)`` float32."""
        return environment_state(self.agent_pos(), self.state_parts())

    def _info(self) -> dict[str, Any]:
        everyone = np.ones(self.num_envs, bool)
        goals, sentences = self._episodes.labels
        phase = self.task.phase(self._signals)
        xp = array_namespace(phase)
        info = {
            "is_success": self._episodes.success,
            "end_reason": self._episodes.end_reasons,
            "phase": xp.astype(phase, xp.int64),
            "goal": goals.copy(),
            "task": self._task_names.copy(),
            "task_description": sentences.copy(),
        }
        return info | {f"_{key}": everyone for key in info}

    @property
    def _current(self) -> WorldState:
        if self._world is None:
            raise RuntimeError("the environment was not reset yet")
        return self._world

    @property
    def world(self) -> WorldState:
        """The present state of all worlds."""
        return self._current

    @property
    def signals(self) -> Mapping[str, Any]:
        """The task's signals in the present state, first axis N."""
        _ = self._current
        return self._signals

    @property
    @exclusive
    def instructions(self) -> list[str]:
        """The sentence of every world."""
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
        return self._sim.fetch(self._episodes.steps).copy()

    @exclusive
    def hold_actions(self, gripper: float | None = None) -> Any:
        """Actions that keep the commanded joint positions (in ``ee_delta`` the commanded tool poses).

        Args:
            gripper: Entry of all grippers in [-1, 1]; ``None`` keeps the commanded openings.

        Returns:
            Shape ``(N, A * D)``, float32, in the environment's action mode.
        """
        world = self._current
        xp = array_namespace(world.joint_target)
        if gripper is None:
            grippers = 2 * world.gripper_target / self._mode.opening - 1
        else:
            grippers = 0 * world.gripper_target + check_number("gripper", gripper, -1.0, 1.0)
        still = xp.zeros_like(world.joint_target)
        return self._mode.encode(still, grippers, world).reshape(self.num_envs, -1)

    @exclusive
    def expert_actions(self) -> Any:
        """Actions of the task's expert in the present state.

        Returns:
            Shape ``(N, A * D)``, float32, in the environment's action mode.

        Raises:
            UserError: If the task has no expert.
        """
        world, chains = self._current, self._sim.chains
        expert = self.task.make_expert()
        goals = expert.tool_goals(world, chains, self._episodes.told, self._signals)
        step = follow(goals, world, chains)
        return self._mode.encode(step, goals.gripper, world).reshape(self.num_envs, -1)

    @exclusive
    def render_cameras(
        self,
        cameras: Sequence[str],
        size: int | Sequence[int],
        worlds: Sequence[int] | np.ndarray | None = None,
        channel: str = "rgb",
    ) -> Any:
        """Images of some worlds; see :meth:`CameraRenderer.render`.

        Returns:
            Shape ``(n, cameras, height, width)``, rgb with a last axis of 3.
        """
        self._check_open()
        names, size = check_names("cameras", cameras, self.all_cameras), check_image_size(size, "size")
        if not names:
            raise UserError("cameras: got none, expected a name or several")
        check_choice("channel", channel, CHANNELS)
        _ = self._current
        if worlds is None:
            rows = np.arange(self.num_envs)
        else:
            rows = np.array([self._number(w) for w in check_sequence("worlds", worlds, "numbers of worlds")], int)
        return self._pictures.render(names, size, rows, self._episodes.fields, channel)

    @exclusive
    def body_poses(self, world: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(bodies, 3)`` [m] and quaternions wxyz ``(bodies, 4)`` of all bodies of one world's model."""
        self._check_open()
        pos, quat = self._sim.body_transforms(np.array([self._number(world)]))
        return self._sim.fetch(pos)[0], self._sim.fetch(quat)[0]

    def render_frames(
        self, camera: str = "front", size: int | Sequence[int] = 480, worlds: Sequence[int] | None = None
    ) -> np.ndarray:
        """One camera's images of some worlds on the host, shape ``(n, height, width, 3)`` uint8."""
        return self._sim.fetch(self.render_cameras((camera,), size, worlds)[:, 0])

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One front view of every world, of ``render_size``, in ``rgb_array`` mode."""
        if self.render_mode is None:
            gym.logger.warn("render() was called without render_mode; make the environment with 'rgb_array'")
            return None
        return tuple(self.render_frames(size=self.render_size))

    def _number(self, world: Any) -> int:
        return check_whole("world", world, 0, self.num_envs - 1)

    @exclusive
    def push(self, world: int, body: str, impulse: Sequence[float] | np.ndarray) -> None:
        """Push a free body of one world, as a blow to its center of mass does.

        Args:
            world: Index of the world.
            body: One of ``task.bodies``.
            impulse: Shape ``(3,)``, in world axes [N·s].

        Raises:
            UserError: If an argument is not one of those allowed.
        """
        self._check_open()
        _ = self._current
        check_choice("body", body, self._sim.body_names)
        blow = as_numbers("impulse", impulse)
        if blow.shape != (3,) or not np.isfinite(blow).all():
            raise UserError(f"impulse: got {shown(impulse)}, expected 3 finite numbers [N·s]")
        self._sim.push(self._number(world), body, blow)
        self._look()

    @exclusive
    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, as numeric arrays with first axis N."""
        self._check_open()
        sim, _ = self._sim, self._current
        physics = {key: np.array(sim.fetch(getattr(sim, name))) for key, name in _PHYSICS.items()}
        return physics | {key: np.array(values) for key, values in self._episodes.state().items()}

    @exclusive
    def set_state(self, state: Mapping[str, np.ndarray], mask: np.ndarray | None = None) -> tuple[Any, dict[str, Any]]:
        """Continue from a state returned by :meth:`get_state` of an environment made with the same arguments.

        Args:
            state: Named arrays, first axis N.
            mask: Which worlds to set, shape ``(N,)`` bool; ``None`` for all.

        Returns:
            Observations and info of all worlds.

        Raises:
            UserError: If an array is missing or unknown, has the wrong shape or dtype, or holds what no environment
                gives; nothing is changed then.
        """
        self._check_open()
        sim, episodes = self._sim, self._episodes
        rows = check_mask(mask, self.num_envs)
        if self._world is None and len(rows) < self.num_envs:
            raise UserError("mask: before the first reset the states of all worlds must be set")
        physics = {key: sim.fetch(getattr(sim, name)) for key, name in _PHYSICS.items()}
        quaternions = sim.addresses.body_pose[:, 3:]
        ranges = {**episodes.ranges, **self._mode.target_ranges}
        state = check_state(state, physics | episodes.state(), rows, ranges, quaternions)
        for key, name in _PHYSICS.items():
            values = physics[key].copy()
            values[rows] = state[key][rows]
            setattr(sim, name, sim.send(values))
        episodes.restore(rows, state)
        sim.apply_fields(rows, {key: values[rows] for key, values in episodes.fields.items()})
        self._pictures.outdate(rows)
        self._look()
        return self._observe(), self._info()

    def progress(self) -> dict[str, Any]:
        """State, spaces with their generators, and what gymnasium keeps."""
        kept = {name: getattr(self, name) for name in (*_SPACES, "spec", "_np_random", "_np_random_seed")}
        kept["max_episode_steps"] = self.max_episode_steps
        return {"state": None if self._world is None else self.get_state(), "attributes": kept}

    def resume(self, progress: dict[str, Any]) -> None:
        """Continue bit for bit from what :meth:`progress` gave."""
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
        self._sim.close()
        self._pictures.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the environment is closed")
