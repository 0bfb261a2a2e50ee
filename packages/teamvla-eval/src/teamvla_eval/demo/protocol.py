"""Messages between web server and simulator, over one connection per visitor.

The server sends a :class:`Look` or a :class:`Run` and reads answers until a :class:`Scene`, an :class:`Ended` or a
:class:`Refused`; during a run it may send :class:`Push`, :class:`Freeze` and :class:`Stop`.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Choice:
    """Scene and policies that a visitor chose.

    Attributes:
        task: Registered task.
        num_arms: Number of arms.
        seed: Seed of the episode.
        policies: Specifications, one or two.
    """

    task: str
    num_arms: int
    seed: int
    policies: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """Request: show the scene at rest and list the instructions of its goals."""

    choice: Choice


@dataclass(frozen=True)
class Run:
    """Request: let the policies act on an instruction.

    Attributes:
        choice: Scene and policies.
        instruction: Instruction of the visitor; empty for the one of the seed.
        fine: Whether to render larger images with shadows, which takes longer.
    """

    choice: Choice
    instruction: str
    fine: bool = False


@dataclass(frozen=True)
class Push:
    """Command: push an object with ``impulse`` (x, y, z) in world axes [N·s]."""

    body: str
    impulse: tuple[float, float, float]


@dataclass(frozen=True)
class Freeze:
    """Command: freeze exactly these arms, with open grippers."""

    arms: tuple[int, ...]


@dataclass(frozen=True)
class Stop:
    """Command: end the run."""


@dataclass(frozen=True)
class View:
    """World of one policy at one moment.

    Attributes:
        policy: Its specification.
        image: Overview and wrist images as one JPEG.
        aspect: Width of the image divided by its height.
        goal: Goal variant that is judged.
        time_s: Simulated time [s].
        phase: Index of the task's phase.
        success: Whether the episode ended in success.
        end_reason: Reason of the end; empty while the episode runs.
        measures: Metric title to value with unit, as text.
        cameras: Labels of the wrist images, from top to bottom.
        judged: Whether the instruction names a goal of the scene.
        phases_seen: Phase of every step so far.
        events: Times [s] and descriptions of the visitor's interventions.
        messages: Last message of each arm, shape ``(A, width)``, if the arms communicate.
    """

    policy: str
    image: bytes
    aspect: float
    goal: str
    time_s: float
    phase: int
    success: bool
    end_reason: str
    measures: dict[str, str]
    cameras: tuple[str, ...] = ()
    judged: bool = True
    phases_seen: tuple[int, ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    messages: np.ndarray | None = None


@dataclass(frozen=True)
class Frame:
    """Frame with all policies at one moment.

    Attributes:
        views: One per policy.
        phases: Names of the task's phases.
        instruction: Instruction of the policies.
        note: Remark about the instruction.
        suggestion: Similar instruction of the scene; empty for none.
    """

    views: tuple[View, ...]
    phases: tuple[str, ...]
    instruction: str
    note: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Scene:
    """Answer: the scene at rest.

    Attributes:
        frame: Frame of the scene.
        instructions: Goal to its instructions.
        bodies: Objects that can be pushed.
    """

    frame: Frame
    instructions: dict[str, tuple[str, ...]]
    bodies: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """Answer: the run has ended.

    Attributes:
        frame: Last frame.
        demonstrations: Files of ``teamvla replay``, one per policy; none for a run without a step.
        video: Video of the run (mp4).
    """

    frame: Frame
    demonstrations: tuple[Path, ...] = field(default=())
    video: Path | None = None


@dataclass(frozen=True)
class Refused:
    """Answer: the request is refused, with a reason for the visitor and perhaps a valid instruction."""

    reason: str
    suggestion: str = ""
