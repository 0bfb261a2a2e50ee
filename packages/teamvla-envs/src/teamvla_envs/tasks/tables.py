"""Tables in the docstring of a task class: actions, observations and starting state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from teamvla_envs.control.actions import JOINT_STEP
from teamvla_envs.randomization import LEVELS
from teamvla_envs.tasks.parts import ARM_PARTS, JOINTS, Part

if TYPE_CHECKING:
    from teamvla_envs.tasks.base import Task

_ACTIONS = (
    ("joint_delta", "J", f"displacement of the commanded joint positions, 1.0 is {JOINT_STEP} rad"),
    ("gripper", "1", "commanded distance between the pads: -1 closed, +1 open"),
)


def document(task: "type[Task]", description: str) -> str:
    """The docstring of a task class: its description, followed by the tables that its declaration implies."""
    arms = task.arm_counts[0]
    start = [
        (name, f"{low:.4g} to {high:.4g}", draw.unit, draw.meaning)
        for name, draw in task.draws.ranges.items()
        for low, high in [draw.span(LEVELS["default"])]
    ]
    return "\n".join(
        [
            description,
            "",
            'Actions of each arm, in [-1, 1] (``action_mode="joint_delta"``; J joints):',
            "",
            *_rows(("part", "length", "meaning"), _ACTIONS),
            "",
            f'Observations (``obs_mode="state"``), first of each arm, then of the scene with {arms} arms:',
            "",
            *_rows(
                ("part", "length", "unit", "frame", "meaning"),
                [*(_row(f"arm_k/{part.name}", part, arms) for part in ARM_PARTS),
                 *(_row(part.name, part, arms) for part in task.parts)],
            ),
            "",
            "Starting state, drawn uniformly; ranges can be set with ``randomization={name: (low, high)}``:",
            "",
            *_rows(("name", "range", "unit", "meaning"), start),
            "",
            f"Goals: {', '.join(task.goals)}. An episode is truncated after {task.horizon} control steps.",
        ]
    )  # fmt: skip


def _row(name: str, part: Part, arms: int) -> tuple[str, ...]:
    length = "J" if part.size == JOINTS else str(part.length(arms))
    return name, length, part.unit, part.frame, part.description


def _rows(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a plain table with aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = tuple("-" * width for width in widths)
    return ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, rule, *rows)]
