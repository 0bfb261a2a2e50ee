"""What the web server and the simulator tell each other over a connection, one connection per visitor.

The server sends a :class:`Look` or a :class:`Run` and reads answers until a :class:`Scene`, an :class:`Ended` or a
:class:`Refused`; while a run goes on it may send :class:`Push`, :class:`Freeze` and :class:`Stop`.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Choice:
    """What a visitor chose: which scene and who acts in it.

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
    """Show the scene before anything moves, and tell which sentences are true of it."""

    choice: Choice


@dataclass(frozen=True)
class Run:
    """Let the policies act on a sentence.

    Attributes:
        choice: Scene and policies.
        sentence: What the visitor said; empty for the seed's own sentence.
        fine: Larger pictures with shadows, which take longer.
    """

    choice: Choice
    sentence: str
    fine: bool = False


@dataclass(frozen=True)
class Push:
    """Push an object: ``impulse`` (x, y, z) in world axes [N·s]."""

    body: str
    impulse: tuple[float, float, float]


@dataclass(frozen=True)
class Freeze:
    """From now on these arms, and no others, keep still with their grippers open."""

    arms: tuple[int, ...]


@dataclass(frozen=True)
class Stop:
    """End the run."""


@dataclass(frozen=True)
class View:
    """One policy's world at one moment.

    Attributes:
        policy: Its specification.
        picture: Overview and wrist cameras as one JPEG.
        aspect: Width of the picture divided by its height.
        goal: Goal variant that success is judged by.
        time_s: Simulated time [s].
        phase: Index of the task's phase.
        success: Whether the episode ended in success.
        end_reason: Why it ended; empty while it runs.
        measures: What is measured: name to value with its unit, as text.
        judged: Whether the sentence tells a goal that success can be judged by.
        phases_seen: Phase of every step so far.
        events: Times [s] and words of what the visitor did to it.
        messages: What each arm said last, ``(A, width)``, if the policy's arms talk.
    """

    policy: str
    picture: bytes
    aspect: float
    goal: str
    time_s: float
    phase: int
    success: bool
    end_reason: str
    measures: dict[str, str]
    judged: bool = True
    phases_seen: tuple[int, ...] = ()
    events: tuple[tuple[float, str], ...] = ()
    messages: np.ndarray | None = None


@dataclass(frozen=True)
class Frame:
    """One moment of all policies.

    Attributes:
        views: One per policy.
        phases: Names of the task's phases.
        sentence: What the policies were told.
        note: What the demo made of the sentence.
        suggestion: A sentence of the scene that the visitor may have meant; empty if none is near.
    """

    views: tuple[View, ...]
    phases: tuple[str, ...]
    sentence: str
    note: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Scene:
    """The scene at rest.

    Attributes:
        frame: What it looks like.
        sentences: Goal to the sentences that tell it.
        bodies: Objects that can be pushed.
    """

    frame: Frame
    sentences: dict[str, tuple[str, ...]]
    bodies: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """The run is over.

    Attributes:
        frame: Its last moment.
        demonstrations: Files of ``teamvla replay``, one per policy; none for a run without a step.
        video: An mp4 of what was shown.
    """

    frame: Frame
    demonstrations: tuple[Path, ...] = field(default=())
    video: Path | None = None


@dataclass(frozen=True)
class Refused:
    """It cannot be done; ``reason`` is for the visitor's eyes, ``suggestion`` a sentence that can be."""

    reason: str
    suggestion: str = ""
