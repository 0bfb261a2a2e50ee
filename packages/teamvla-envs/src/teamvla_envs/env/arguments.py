"""The arguments of an environment: one frozen, checked configuration that all views share."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, Self

from gymnasium.vector import AutoresetMode

from teamvla_envs.arguments import check_choice, check_names, check_sequence, check_whole
from teamvla_envs.control.actions import ACTION_MODES
from teamvla_envs.env.observations import OBS_MODES
from teamvla_envs.env.spaces import check_image_size
from teamvla_envs.env.time_limits import UNLIMITED
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.randomization import Randomization
from teamvla_envs.registration import get_task
from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.robots import get_robot
from teamvla_envs.scene.visual_meshes import LOOKS
from teamvla_envs.sim.cameras import CHANNELS
from teamvla_envs.tasks.base import Task

REWARD_MODES = ("dense", "sparse")
RENDER_MODES = (None, "rgb_array")
MOST_WORLDS = 2**20
# Arguments that change nothing about an episode, only where and how its computation runs.
_NOT_RECORDED = ("num_envs", "device", "solver", "num_threads", "render_mode", "render_size", "autoreset_mode")


@dataclass(frozen=True)
class EnvConfig:
    """Arguments of an environment; sequences become tuples, and single values that stand for several are expanded.

    Attributes:
        task: Registered task name, e.g. ``"lift"``.
        num_envs: Number of worlds N.
        num_arms: Number of arms A.
        robot: One robot name for all arms, or one per arm.
        obs_mode: ``"state"`` (one privileged float32 vector), ``"vision"`` (pixels, proprioception, instruction) or
            ``"vision+state"``.
        action_mode: ``"joint_delta"``, ``"joint_pos"`` or ``"ee_delta"``; see :class:`ActionMode`.
        reward_mode: ``"dense"`` (in [-1, 0], plus 1 at success, minus 1 for every remaining step when an object is
            lost) or ``"sparse"`` (1 at success).
        device: ``"cpu"``, or a CUDA device such as ``"cuda:0"``. On a CUDA device, observations, rewards, ends and the
            numbers in info are torch tensors on that device, and actions may be.
        solver: ``"mujoco"`` (CPU), ``"warp"`` (CUDA, or slowly on the CPU) or ``"auto"``.
        cameras: Names of the cameras in ``pixels``, each once; ``None`` for the front and the wrist cameras.
        image_size: Height and width of the images [px], or one number for both.
        image_channels: Channels of the cameras in the vision modes: ``"rgb"`` (observation key ``pixels``),
            ``"depth"`` [m] and ``"segmentation"`` (observation keys of the same name).
        randomization: ``"none"``, ``"default"`` or ``"hard"``, a :class:`Randomization` or a mapping of its attributes.
        split: ``"train"`` or ``"unseen"`` instructions, sizes, shades and arrangements of colors.
        instruction_for: ``"all"`` or ``"arm_k"``: the arms that receive the instruction in the parallel view.
        max_episode_steps: Control steps after which an episode is truncated; ``None`` for the task's horizon.
        render_mode: ``None`` or ``"rgb_array"``.
        render_size: Height and width of the images of ``render()`` [px], or one number for both.
        looks: ``"primitives"`` or ``"menagerie"``: the visual model of the arms. The latter needs
            ``teamvla-envs[menagerie]`` or the folder in ``TEAMVLA_MENAGERIE``; the physics is the same.
        autoreset_mode: Treatment of a world whose episode has ended; see gymnasium's documentation. With
            ``DISABLED`` it rests until ``reset(options={"reset_mask": mask})``.
        num_threads: Threads for physics and rendering; ``None`` for one per core.

    Raises:
        UserError: A ``ValueError``, if an argument has a value that is not allowed; the message lists those allowed.
    """

    task: str
    num_envs: int = 1
    _: KW_ONLY
    num_arms: int = 2
    robot: str | Sequence[str] = "panda"
    obs_mode: str = "state"
    action_mode: str = "joint_delta"
    reward_mode: str = "dense"
    device: str = "cpu"
    solver: str = "auto"
    cameras: Sequence[str] | None = None
    image_size: int | Sequence[int] = 64
    image_channels: Sequence[str] = ("rgb",)
    randomization: str | Randomization | Mapping[str, float] = "default"
    split: str = "train"
    instruction_for: str = "all"
    max_episode_steps: int | None = None
    render_mode: str | None = None
    render_size: int | Sequence[int] = 480
    looks: str = "primitives"
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP
    num_threads: int | None = None

    def __post_init__(self) -> None:
        """Check every argument that needs no scene, and normalize it."""
        check_choice("obs_mode", self.obs_mode, OBS_MODES)
        check_choice("action_mode", self.action_mode, ACTION_MODES)
        check_choice("reward_mode", self.reward_mode, REWARD_MODES)
        _check_render_mode(self.render_mode)
        check_choice("looks", self.looks, LOOKS)
        self._set("num_envs", check_whole("num_envs", self.num_envs, most=MOST_WORLDS))
        self._set("num_arms", check_whole("num_arms", self.num_arms))
        if self.num_threads is not None:
            self._set("num_threads", check_whole("num_threads", self.num_threads, most=4096))
        agents = [f"arm_{k}" for k in range(self.num_arms)]
        check_choice("instruction_for", self.instruction_for, ("all", *agents))
        self._set("robot", _check_robots(self.robot, self.num_arms))
        self._set("image_size", check_image_size(self.image_size))
        self._set("render_size", check_image_size(self.render_size, "render_size"))
        self._set("image_channels", check_names("image_channels", self.image_channels, CHANNELS))
        if self.max_episode_steps is not None:
            steps = check_whole("max_episode_steps", self.max_episode_steps, most=UNLIMITED)
            self._set("max_episode_steps", steps)
        self._set("autoreset_mode", _check_autoreset_mode(self.autoreset_mode))

    def make_task(self) -> Task:
        """Build the task of these arguments, which checks ``task``, ``split`` and ``randomization``."""
        return get_task(self.task)(num_arms=self.num_arms, split=self.split, randomization=self.randomization)

    def resolved(self, task: Task, scene: Scene) -> Self:
        """Return a copy in which the defaults that depend on task and scene are filled in."""
        known = tuple(camera.name for camera in scene.cameras)
        cameras = scene.default_cameras if self.cameras is None else check_names("cameras", self.cameras, known)
        named = isinstance(self.randomization, str)
        return replace(
            self,
            cameras=cameras,
            randomization=self.randomization if named else task.randomization,
            max_episode_steps=self.max_episode_steps or task.horizon,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able keyword arguments that make an environment with the same episodes."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NOT_RECORDED}
        if isinstance(self.randomization, Randomization):
            values["randomization"] = self.randomization.to_json()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


ENV_ARGUMENTS = tuple(field.name for field in fields(EnvConfig))


def _check_robots(robot: Any, num_arms: int) -> tuple[str, ...]:
    """One robot name per arm, all with the same number of joints."""
    robots = (robot,) * num_arms if isinstance(robot, str) else check_sequence("robot", robot, "a name, or one per arm")
    if len(robots) != num_arms:
        raise UserError(f"robot: got {len(robots)} names for {num_arms} arms, give one or one per arm")
    joints = {name: len(get_robot(name).joints) for name in robots}
    if len(set(joints.values())) > 1:
        raise UserError(f"robot: got arms with numbers of joints {joints}, a team needs the same number for each")
    return robots


def _check_render_mode(render_mode: Any) -> None:
    if isinstance(render_mode, str) and render_mode == "human":
        raise UserError(
            "render_mode: got 'human', allowed are None, 'rgb_array'; `teamvla view` shows an environment live"
        )
    check_choice("render_mode", render_mode, RENDER_MODES)


def _check_autoreset_mode(mode: Any) -> AutoresetMode:
    """Convert a member or value of gymnasium's autoreset modes to the member."""
    if not isinstance(mode, (str, AutoresetMode)) or mode not in [*AutoresetMode, *(m.value for m in AutoresetMode)]:
        raise UserError(
            f"autoreset_mode: got {shown(mode)}, allowed are {', '.join(repr(m.value) for m in AutoresetMode)}"
        )
    return AutoresetMode(mode)
