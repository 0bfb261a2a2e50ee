"""The table of tasks, and the registries of gymnasium and PettingZoo that mirror it.

Importing :mod:`teamvla_envs` registers the tasks below and those of installed packages without loading them. A package
offers tasks through the entry-point group ``teamvla.tasks``: name -> a :class:`teamvla_envs.tasks.base.Task`.
"""

import re
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING

from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.tasks.base import Task

TASK_GROUP = "teamvla.tasks"
VERSION = 0
PETTINGZOO_REGISTRY = find_spec("pettingzoo.env_registry") is not None  # PettingZoo before 1.27 has none


@dataclass(frozen=True)
class TaskRow:
    """One row of the table.

    Attributes:
        env_name: Its name in gymnasium and PettingZoo, e.g. ``Lift`` in ``TeamVLA/Lift-v0``.
        task: The class, or its location: ``"package.module:Class"``.
        horizon: Control steps after which gymnasium truncates; ``None`` leaves that to the environment, which takes
            the horizon of the class.
    """

    env_name: str
    task: "str | type[Task]"
    horizon: int | None = None


_TASKS: dict[str, TaskRow] = {
    "lift": TaskRow("Lift", "teamvla_envs.tasks.lift:Lift", 300),
    "handoff": TaskRow("Handoff", "teamvla_envs.tasks.handoff:Handoff", 300),
    "drawer": TaskRow("Drawer", "teamvla_envs.tasks.drawer:Drawer", 300),
}
BUILT_IN = tuple(_TASKS)


def register_task(
    name: str, task: "str | type[Task]", *, env_name: str | None = None, horizon: int | None = None
) -> None:
    """Add a task, and with it ``TeamVLA/<env_name>-v0`` in gymnasium and PettingZoo.

    Args:
        name: Name for commands and constructors; lower-case letters, digits and underscores.
        task: Class derived from :class:`teamvla_envs.tasks.base.Task`, or ``"package.module:Class"``, which is loaded
            when the task is first made.
        env_name: Name in the id; by default ``name`` in CamelCase.
        horizon: Control steps until truncation; by default those of the class.

    Raises:
        ValueError: If the name is malformed or taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"name: got {name!r}, expected lower-case letters, digits and underscores")
    if name in _TASKS:
        raise UserError(f"name: task {name!r} is registered already; deregister_task({name!r}) first")
    _TASKS[name] = TaskRow(env_name or "".join(map(str.capitalize, name.split("_"))), task, horizon)
    _enter(name)


def deregister_task(name: str) -> None:
    """Remove a task and its ids.

    Raises:
        ValueError: If there is none of that name.
    """
    import gymnasium as gym

    env_id = environment_id(name)
    del _TASKS[name]
    gym.registry.pop(env_id, None)
    if PETTINGZOO_REGISTRY:
        from pettingzoo.env_registry.registration import parallel_registry

        parallel_registry.pop(env_id, None)


def registered_tasks() -> tuple[str, ...]:
    """Names of the tasks."""
    return tuple(_TASKS)


def environment_id(task: str) -> str:
    """Id of a task in gymnasium and PettingZoo, e.g. ``TeamVLA/Lift-v0``."""
    return f"TeamVLA/{get_row(task).env_name}-v{VERSION}"


def get_row(task: str) -> TaskRow:
    """The table row of a task.

    Raises:
        ValueError: If there is none of that name; the message lists the registered ones.
    """
    if not isinstance(task, str) or task not in _TASKS:
        raise UserError(f"task: got {task!r}, allowed are {', '.join(repr(name) for name in _TASKS)}")
    return _TASKS[task]


def get_task(task: str) -> "type[Task]":
    """The class of a task.

    Raises:
        ValueError: If there is no such task, or its class cannot be loaded or is not a task.
    """
    from teamvla_envs.tasks.base import Task

    where = get_row(task).task
    if isinstance(where, str):
        module, _, name = where.partition(":")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            if task in BUILT_IN:
                raise
            raise UserError(f"task {task!r}: {where!r} cannot be loaded: {error}") from error
    else:
        cls = where
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise UserError(f"task {task!r}: {where!r} is not a class derived from teamvla_envs.tasks.base.Task")
    return cls


def register_environments() -> None:
    """Register every task, built in or of an installed package, with gymnasium's and PettingZoo's registries."""
    for point in _offered():
        if point.name not in _TASKS:  # a built-in task is not replaced by accident
            _TASKS[point.name] = TaskRow("".join(map(str.capitalize, point.name.split("_"))), point.value)
    import gymnasium as gym

    for name in _TASKS:
        if environment_id(name) not in gym.registry:
            _enter(name)


def _offered() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=TASK_GROUP))


def _enter(task: str) -> None:
    import gymnasium as gym

    env_id, horizon = environment_id(task), get_row(task).horizon
    gym.register(
        id=env_id,
        entry_point="teamvla_envs.env.entry:make_single",
        vector_entry_point="teamvla_envs.env.entry:make_vector",
        max_episode_steps=horizon,
        kwargs={"task": task, "env_id": env_id},
    )
    if PETTINGZOO_REGISTRY:
        import pettingzoo

        pettingzoo.register(
            "parallel",
            env_id,
            "teamvla_envs.env.entry:make_parallel",
            max_cycles=horizon,
            kwargs={"task": task, "env_id": env_id},
        )
