"""Making the environment again in which a demonstration file was recorded."""

import inspect
from typing import TYPE_CHECKING, Any

from teamvla_envs.demos.reader import DemoFile, DemoFileError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_NOT_FROM_FILES = {"num_envs", "num_threads", "device", "solver", "autoreset_mode"}  # how to run is up to this machine


def make_recorded_env(file: DemoFile, num_envs: int, **overrides: Any) -> "TeamVectorEnv":
    """Make an environment from a file's ``env_kwargs``, with autoreset disabled.

    Args:
        file: The demonstration file.
        num_envs: Number of worlds.
        overrides: Arguments that replace the file's, such as ``obs_mode="state"``.

    Raises:
        DemoFileError: When the file's arguments make no environment.
    """
    from gymnasium.vector import AutoresetMode

    from teamvla_envs.env.vector import TeamVectorEnv

    allowed = set(inspect.signature(TeamVectorEnv).parameters)
    recorded = {name: value for name, value in file.env_kwargs.items() if name not in _NOT_FROM_FILES}
    unknown = sorted(recorded.keys() - allowed)
    if unknown:
        raise DemoFileError(f"{file.path}: env_kwargs has the unknown argument {unknown[0]!r}")
    try:
        return TeamVectorEnv(**(recorded | overrides), num_envs=num_envs, autoreset_mode=AutoresetMode.DISABLED)
    except (TypeError, ValueError) as error:
        raise DemoFileError(f"{file.path}: env_kwargs make no environment: {error}") from error
