"""Teams of robot arms that act together on an instruction, as Gymnasium and PettingZoo environments.

Importing this package registers ``TeamVLA/Lift-v0``, ``TeamVLA/Handoff-v0``, ``TeamVLA/Drawer-v0`` and the tasks of
installed packages, and loads nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from teamvla_envs.registration import deregister_task, get_task, register_environments, register_task, registered_tasks

if TYPE_CHECKING:
    from teamvla_envs.env.parallel import TeamParallelEnv
    from teamvla_envs.env.vector import TeamVectorEnv

__version__ = "0.2.0.dev0"
__all__ = ["deregister_task", "get_task", "parallel_env", "register_task", "registered_tasks", "vector_env"]

register_environments()


def vector_env(task: str, num_envs: int = 1, **kwargs: Any) -> "TeamVectorEnv":
    """N worlds of a task; arguments of :class:`teamvla_envs.env.arguments.EnvConfig`."""
    from teamvla_envs.env.vector import TeamVectorEnv

    return TeamVectorEnv(task, num_envs, **kwargs)


def parallel_env(task: str, **kwargs: Any) -> "TeamParallelEnv":
    """A task as a PettingZoo ``ParallelEnv``; arguments of :class:`teamvla_envs.env.arguments.EnvConfig`."""
    from teamvla_envs.env.parallel import TeamParallelEnv

    return TeamParallelEnv(task, **kwargs)
