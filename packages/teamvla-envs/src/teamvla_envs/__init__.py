"""Teams of robot arms that act together on an instruction, as Gymnasium and PettingZoo environments.

Importing this package registers ``TeamVLA/Lift-v0``, ``TeamVLA/Handoff-v0``, ``TeamVLA/Drawer-v0`` and the tasks of
installed packages, and loads nothing heavy: the modules of the other public names are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from teamvla_envs.registration import deregister_task, get_task, register_environments, register_task, registered_tasks

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import open_demos
    from teamvla_envs.env.message_channel import MessageChannel
    from teamvla_envs.env.messages import ChannelSettings
    from teamvla_envs.env.parallel import TeamParallelEnv
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.errors import UserError
    from teamvla_envs.policies import Policy, make_policy
    from teamvla_envs.randomization import Randomization
    from teamvla_envs.scene.cameras import CameraSpec, register_camera
    from teamvla_envs.scene.robots.registry import get_robot, register_robot, registered_robots
    from teamvla_envs.scene.robots.spec import RobotSpec
    from teamvla_envs.seeds import episode_seeds
    from teamvla_envs.tasks.base import Task
    from teamvla_envs.world import WorldState

__version__ = "0.2.0.dev0"
__all__ = [
    "CameraSpec",
    "ChannelSettings",
    "MessageChannel",
    "Policy",
    "Randomization",
    "RobotSpec",
    "Task",
    "TeamParallelEnv",
    "TeamVectorEnv",
    "UserError",
    "WorldState",
    "deregister_task",
    "episode_seeds",
    "get_robot",
    "get_task",
    "make_policy",
    "open_demos",
    "parallel_env",
    "register_camera",
    "register_robot",
    "register_task",
    "registered_robots",
    "registered_tasks",
    "vector_env",
]

# Public name to "module:attribute"; a module is imported when one of its names is first used.
_EXPORTS = {
    "open_demos": "demos.reader:open_demos",
    "ChannelSettings": "env.messages:ChannelSettings",
    "MessageChannel": "env.message_channel:MessageChannel",
    "TeamParallelEnv": "env.parallel:TeamParallelEnv",
    "TeamVectorEnv": "env.vector:TeamVectorEnv",
    "UserError": "errors:UserError",
    "Policy": "policies:Policy",
    "make_policy": "policies:make_policy",
    "Randomization": "randomization:Randomization",
    "CameraSpec": "scene.cameras:CameraSpec",
    "register_camera": "scene.cameras:register_camera",
    "get_robot": "scene.robots.registry:get_robot",
    "register_robot": "scene.robots.registry:register_robot",
    "registered_robots": "scene.robots.registry:registered_robots",
    "RobotSpec": "scene.robots.spec:RobotSpec",
    "episode_seeds": "seeds:episode_seeds",
    "Task": "tasks.base:Task",
    "WorldState": "world:WorldState",
}

register_environments()


def vector_env(task: str, num_envs: int = 1, **kwargs: Any) -> "TeamVectorEnv":
    """Make N worlds of a task; arguments of :class:`teamvla_envs.env.arguments.EnvConfig`."""
    from teamvla_envs.env.vector import TeamVectorEnv

    return TeamVectorEnv(task, num_envs, **kwargs)


def parallel_env(task: str, **kwargs: Any) -> "TeamParallelEnv":
    """Make a PettingZoo ``ParallelEnv``; arguments of :class:`teamvla_envs.env.arguments.EnvConfig`."""
    from teamvla_envs.env.parallel import TeamParallelEnv

    return TeamParallelEnv(task, **kwargs)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
