"""Entry points of the ids in gymnasium and PettingZoo."""

from typing import Any

from teamvla_envs.env.parallel import TeamParallelEnv
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.time_limits import UNLIMITED
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.registration import environment_id, get_row


def make_single(task: str, *, env_id: str, **kwargs: Any) -> TeamEnv:
    """Make the environment of ``gymnasium.make``, which wraps it into its own ``TimeLimit``."""
    _check(task, env_id)
    limit = {} if get_row(task).horizon is None else {"max_episode_steps": UNLIMITED}
    return TeamEnv(task, **(limit | kwargs))


def make_vector(task: str, *, env_id: str, **kwargs: Any) -> TeamVectorEnv:
    """Make the environment of ``gymnasium.make_vec``."""
    _check(task, env_id)
    return TeamVectorEnv(task, **kwargs)


def make_parallel(task: str, *, env_id: str, **kwargs: Any) -> TeamParallelEnv:
    """Make the environment of ``pettingzoo.make``."""
    _check(task, env_id)
    return TeamParallelEnv(task, **kwargs)


def _check(task: str, env_id: str) -> None:
    if environment_id(task) != env_id:
        raise UserError(f"task: got {task!r} for {env_id}, which has its own; use {environment_id(task)}")
