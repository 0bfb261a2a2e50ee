"""Making the environment again in which a demonstration file was recorded."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from teamvla_envs.demos.reader import DemoFile, DemoFileError
from teamvla_envs.errors import UserError
from teamvla_envs.outside import plain, shown

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_NOT_FROM_FILES = {"num_envs", "num_threads", "device", "solver", "autoreset_mode"}  # how to run is up to this machine
_PARTS = ("action", "agent_pos", "environment_state")
_RENAMED = {"goal_error": "object_to_goal"}  # parts of schema 1 whose numbers have another sign now; states have not


def make_recorded_env(file: DemoFile, num_envs: int, **overrides: Any) -> "TeamVectorEnv":
    """Make an environment from a file's ``env_kwargs``, with autoreset disabled.

    Args:
        file: The demonstration file.
        num_envs: Number of worlds.
        overrides: Arguments that replace the file's, such as ``obs_mode="state"``.

    Raises:
        DemoFileError: When the file's arguments make no environment, or one whose actions and observations have other
            parts than the file's.
    """
    from gymnasium.vector import AutoresetMode

    from teamvla_envs.env.vector import TeamVectorEnv

    recorded = _recorded(file)
    try:
        env = TeamVectorEnv(**(recorded | overrides), num_envs=num_envs, autoreset_mode=AutoresetMode.DISABLED)
    except (TypeError, ValueError, OverflowError) as error:
        raise DemoFileError(f"{file.path}: env_kwargs make no environment: {plain(str(error))}") from error
    for name in _PARTS:
        made = [(str(part), int(length)) for part, length in getattr(env, f"{name}_parts")]
        found = [(_RENAMED.get(part, part), length) for part, length in file.parts(name)]
        if made != found:
            env.close()
            missing, unknown = ([pair for pair in a if pair not in b] for a, b in ((made, found), (found, made)))
            raise DemoFileError(
                f"{file.path}: env_kwargs make an environment whose {name} has other parts: {missing or made}, "
                f"the file has {plain(str(unknown or found))}"
            )
    return env


def check_env_kwargs(file: DemoFile) -> None:
    """Check the arguments of a file's environment without making it.

    A task of a package that is not installed is allowed, with what it alone would know.

    Raises:
        DemoFileError: Naming the argument, its value and what is allowed.
    """
    from teamvla_envs.arguments import check_choice
    from teamvla_envs.control.actions import ACTION_MODES
    from teamvla_envs.env.observations import OBS_MODES
    from teamvla_envs.env.spaces import check_image_size
    from teamvla_envs.registration import get_task, registered_tasks
    from teamvla_envs.scene.robots.registry import get_robot
    from teamvla_envs.scene.visual_meshes import LOOKS

    kwargs = _recorded(file)
    checks: dict[str, Callable[[Any], object]] = {
        "obs_mode": lambda value: check_choice("obs_mode", value, OBS_MODES),
        "action_mode": lambda value: check_choice("action_mode", value, ACTION_MODES),
        "looks": lambda value: check_choice("looks", value, LOOKS),
        "image_size": check_image_size,
    }
    arms = kwargs.get("num_arms", 2)
    robots = kwargs.get("robot", "panda")
    try:
        for name, check in checks.items():
            if name in kwargs:
                check(kwargs[name])
        joints = {len(get_robot(name).joints) for name in ([robots] if isinstance(robots, str) else robots)}
        if len(joints) > 1:
            raise UserError(f"robot: {robots} have different numbers of joints")
        check_choice(
            "instruction_for", kwargs.get("instruction_for", "all"), ("all", *(f"arm_{k}" for k in range(arms)))
        )
        if kwargs["task"] in registered_tasks():
            chosen = {name: kwargs[name] for name in ("split", "randomization") if name in kwargs}
            get_task(kwargs["task"])(num_arms=arms, **chosen)
    except (TypeError, ValueError, OverflowError) as error:
        raise DemoFileError(f"{file.path}: env_kwargs make no environment: {plain(str(error))}") from error


def _recorded(file: DemoFile) -> dict[str, Any]:
    """Return the arguments that a file may choose."""
    from teamvla_envs.env.arguments import ENV_ARGUMENTS

    recorded = {name: value for name, value in file.env_kwargs.items() if name not in _NOT_FROM_FILES}
    if unknown := sorted(recorded.keys() - set(ENV_ARGUMENTS)):
        raise DemoFileError(f"{file.path}: env_kwargs has the unknown argument {shown(unknown[0])}")
    return recorded
