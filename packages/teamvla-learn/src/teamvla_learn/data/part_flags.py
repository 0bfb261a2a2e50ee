"""Flags of observation parts, from the declarations of the tasks."""

from collections.abc import Iterable

from teamvla_envs.registration import BUILT_IN, get_task, registered_tasks
from teamvla_envs.tasks.parts import ARM_PARTS


def parts_with(flag: str, tasks: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the parts with a flag, those of each arm first.

    Args:
        flag: Attribute of :class:`teamvla_envs.tasks.parts.Part`, such as ``"keypoint"``.
        tasks: Tasks of the demonstrations. Their parts are added to those of an arm and of the built-in tasks, which
            alone count for a task that is not installed.
    """
    names = dict.fromkeys((*BUILT_IN, *(name for name in tasks if name in registered_tasks())))
    parts = [*ARM_PARTS, *(part for name in names for part in get_task(name).parts)]
    flagged = sorted((part for part in parts if getattr(part, flag)), key=lambda part: not part.per_arm)
    return tuple(dict.fromkeys(part.name for part in flagged))
