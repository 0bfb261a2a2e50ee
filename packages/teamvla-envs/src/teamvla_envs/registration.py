"""The table of tasks; importing :mod:`teamvla_envs` enters it into gymnasium's and PettingZoo's registries."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teamvla_envs.tasks.base import Task

# task name -> (environment name, class, default horizon in control steps)
TASKS: dict[str, tuple[str, str, int]] = {
    "lift": ("Lift", "teamvla_envs.tasks.lift:Lift", 300),
    "handoff": ("Handoff", "teamvla_envs.tasks.handoff:Handoff", 300),
    "drawer": ("Drawer", "teamvla_envs.tasks.drawer:Drawer", 300),
}
VERSION = 0


def registered_tasks() -> tuple[str, ...]:
    """Names of the tasks."""
    return tuple(TASKS)


def environment_id(task: str) -> str:
    """The id under which gymnasium and PettingZoo know a task, e.g. ``TeamVLA/Lift-v0``."""
    get_row(task)
    return f"TeamVLA/{TASKS[task][0]}-v{VERSION}"


def get_row(task: str) -> tuple[str, str, int]:
    """The table row of a task.

    Raises:
        ValueError: If there is none of that name; the message lists those there are.
    """
    if task not in TASKS:
        raise ValueError(f"task: got {task!r}, allowed are {', '.join(repr(name) for name in TASKS)}")
    return TASKS[task]


def get_task(task: str) -> "type[Task]":
    """The class of a task."""
    module, _, name = get_row(task)[1].partition(":")
    cls: type[Task] = getattr(import_module(module), name)
    return cls


def register_environments() -> None:
    """Enter every task into gymnasium's and PettingZoo's registries."""
    import gymnasium as gym
    import pettingzoo

    for task, (_, _, horizon) in TASKS.items():
        gym.register(
            id=environment_id(task),
            entry_point="teamvla_envs.env.single:TeamEnv",
            vector_entry_point="teamvla_envs.env.vector:TeamVectorEnv",
            max_episode_steps=horizon,
            kwargs={"task": task},
        )
        pettingzoo.register(
            "parallel",
            environment_id(task),
            "teamvla_envs.env.parallel:TeamParallelEnv",
            max_cycles=horizon,
            kwargs={"task": task},
        )
