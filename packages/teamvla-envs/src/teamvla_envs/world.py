"""N worlds at one instant, as named arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from teamvla_envs.arrays import arange, like
from teamvla_envs.geometry import quat_from_matrix

Array = Any
# (MuJoCo model field, element name) to one value per world; a reset may change these without a recompilation.
ModelFields = Mapping[tuple[str, str], Array]

ContactKind = Literal["grasp", "collision"]


@dataclass(frozen=True)
class ContactPair:
    """Two bodies whose contacts are measured, each with its subtree.

    Attributes:
        first: Name of a body; that of the hand in a grasp.
        second: Name of the other body.
        kind: ``"grasp"`` for contacts between a hand and what it may hold, ``"collision"`` for undesired ones.
        arm: Index of the arm whose hand it is; of a grasp only.
        body: Name of what is held; of a grasp only.
    """

    first: str
    second: str
    kind: ContactKind = "collision"
    arm: int | None = None
    body: str | None = None


class ContactLayout:
    """Columns of the contact arrays by kind, arm and body.

    Args:
        pairs: The measured pairs, in the order of the columns.
    """

    def __init__(self, pairs: Sequence[ContactPair]):
        self.pairs = tuple(pairs)
        self._known: dict[tuple[str, tuple[str, ...] | None], np.ndarray] = {}

    def columns(self, kind: ContactKind, bodies: tuple[str, ...] | None = None) -> np.ndarray:
        """Columns of ``"grasp"`` pairs, shape ``(A, B)``, or of ``"collision"`` pairs, shape ``(C,)``.

        Args:
            kind: Kind of the pairs.
            bodies: Held bodies B of a grasp, by default all in the order of their first pairs.

        Raises:
            KeyError: If there is no pair of an arm with a body.
        """
        key = (kind, bodies)
        if key not in self._known:
            chosen = {(p.arm, p.body): i for i, p in enumerate(self.pairs) if p.kind == kind}
            if kind == "grasp":
                names = tuple(dict.fromkeys(body for _, body in chosen)) if bodies is None else bodies
                arms = sorted({arm for arm, _ in chosen if arm is not None})
                columns = np.array([[chosen[arm, name] for name in names] for arm in arms], int).reshape(len(arms), -1)
            else:
                columns = np.array([i for i, p in enumerate(self.pairs) if p.kind == kind], int)
            self._known[key] = columns
        return self._known[key]


@dataclass(frozen=True)
class WorldState:
    """State of N worlds at one instant; world frame, quaternions wxyz.

    Attributes:
        joint_pos: Positions of the arm joints, shape ``(N, A, J)`` [rad].
        joint_vel: Velocities of the arm joints, shape ``(N, A, J)`` [rad/s].
        joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
        gripper_opening: Distance between the pads, shape ``(N, A)`` [m].
        gripper_target: Commanded distance between the pads, shape ``(N, A)`` [m].
        tool_pos: Positions of the tool frames, shape ``(N, A, 3)`` [m].
        tool_rot: Orientations of the tool frames, shape ``(N, A, 3, 3)``.
        body_pos: Positions of the named free bodies, shape ``(N, B, 3)`` [m].
        body_rot: Orientations of the named free bodies, shape ``(N, B, 3, 3)``.
        body_vel: Linear [m/s] (world axes) and angular [rad/s] (body axes) velocity, shape ``(N, B, 6)``.
        contact_force: Norm of the net contact force of each measured pair, averaged over the last control step,
            shape ``(N, W)`` [N].
        contact_count: Number of contacts of each measured pair at the end of the last control step, shape ``(N, W)``.
        prop_joint_pos: Positions of the named joints of props, 0 initially, shape ``(N, P)`` [m or rad].
        prop_joint_vel: Velocities of these joints, shape ``(N, P)`` [m/s or rad/s].
        contact_layout: The measured pairs; see :meth:`contacts`.
    """

    joint_pos: Array
    joint_vel: Array
    joint_target: Array
    gripper_opening: Array
    gripper_target: Array
    tool_pos: Array
    tool_rot: Array
    body_pos: Array
    body_rot: Array
    body_vel: Array
    contact_force: Array
    contact_count: Array
    prop_joint_pos: Array = None
    prop_joint_vel: Array = None
    contact_layout: ContactLayout | None = None

    @property
    def body_quat(self) -> Array:
        """Orientations of the named free bodies, shape ``(N, B, 4)``."""
        return quat_from_matrix(self.body_rot)

    def contacts(self, kind: ContactKind, bodies: tuple[str, ...] | None = None) -> Array:
        """Whether bodies touch at the end of the last control step.

        Args:
            kind: ``"grasp"`` for hands with what they may hold, ``"collision"`` for undesired contacts.
            bodies: Held bodies B of a grasp, by default all.

        Returns:
            Bool, shape ``(N, A, B)`` for grasps, ``(N, C)`` for collisions.
        """
        return self._of_pairs(self.contact_count, kind, bodies) > 0

    def contact_forces(self, kind: ContactKind, bodies: tuple[str, ...] | None = None) -> Array:
        """Contact forces [N] averaged over the last control step; arguments and shape as in :meth:`contacts`."""
        return self._of_pairs(self.contact_force, kind, bodies)

    def _of_pairs(self, values: Array, kind: ContactKind, bodies: tuple[str, ...] | None) -> Array:
        assert self.contact_layout is not None
        columns = self.contact_layout.columns(kind, bodies)
        if isinstance(values, np.ndarray):
            return values.take(columns, axis=1)
        return values[:, like(columns, arange(1, values))]
