"""Where predicted actions would move the arms, and two costs of that: losing each other, and bumping into each other.

One control step of ``joint_delta`` moves joint j by ``JOINT_STEP`` times its entry. Forward kinematics of the measured
joint positions plus that step gives where tools and joints would be one step from now, differentiable in the action.
What the expert's action would give from the same positions is the reference, so that neither cost pulls away from the
demonstrations; they only say which errors matter more. Only the first action of a chunk counts.

Both are off by default.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property

import numpy as np
import torch
from teamvla_envs.control.actions import JOINT_STEP
from teamvla_envs.errors import UserError
from teamvla_envs.kinematics import Chains
from torch import Tensor

from teamvla_learn.data.batch import Batch
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.losses import LossWeights

LENGTH = 0.01  # [m] errors are in this unit, so that a cost of 1 is a centimeter
NEAR = 0.2  # [m] tools as near as this act jointly
MARGIN = 0.1  # [m] joints of different arms keep this distance, unless the expert's do not
LINKS = 4  # joints of an arm, from the wrist on, that are kept apart


class TeamMotion:
    """Forward kinematics of a team in torch.

    Args:
        robots: Robot names, one per arm.
    """

    def __init__(self, robots: Sequence[str]):
        from teamvla_envs.scene.compose import compose

        chains = Chains.of(compose(tuple(robots), ()))
        arrays = {f.name: np.asarray(getattr(chains, f.name)) for f in fields(chains)}
        self._arrays = {name: torch.tensor(array, dtype=torch.float32) for name, array in arrays.items()}

    def points(self, joint_pos: Tensor, motion: Tensor) -> Tensor:
        """Return where joints and tools are after a step, (B, A, J + 1, 3) [m]; the tool is last.

        Args:
            joint_pos: (B, A, J) [rad].
            motion: Joint entries of an action, (B, A, J).
        """
        chains = Chains(**{name: array.to(joint_pos.device) for name, array in self._arrays.items()})
        joints, tool = chains.frames(joint_pos + JOINT_STEP * motion.clamp(-1.0, 1.0))
        return torch.cat([joints[..., :3, 3], tool[..., None, :3, 3]], dim=2)


def acts_jointly(points: Tensor, opens: Tensor) -> Tensor:
    """Return which pairs of arms act jointly: (B, A, A) bool, upper triangle.

    They do while the expert keeps both grippers closed (they carry something together) or holds their tools within
    ``NEAR`` of each other (one passes something to the other).

    Args:
        points: Where the expert would move joints and tools, (B, A, J + 1, 3).
        opens: Whether the expert opens each gripper, (B, A), 0 or 1.
    """
    tools = points[:, :, -1]
    near = torch.cdist(tools, tools) < NEAR
    closed = opens < 0.5
    return (near | (closed[:, :, None] & closed[:, None])).triu(1)


def coordination_cost(points: Tensor, expert: Tensor, jointly: Tensor) -> Tensor:
    """Return the mean squared error [cm^2] of tools relative to each other, over pairs that act jointly."""
    offset, wanted = (p[:, :, None, -1] - p[:, None, :, -1] for p in (points, expert))
    errors = ((offset - wanted) / LENGTH).square().sum(-1)
    return (errors * jointly).sum() / jointly.sum().clamp(min=1)


def collision_cost(points: Tensor, expert: Tensor) -> Tensor:
    """Return the mean squared depth [cm^2] by which arms come closer than ``MARGIN`` and than the expert's do."""
    arms = points.shape[1]
    costs = []
    for i in range(arms):
        for j in range(i + 1, arms):
            distance, allowed = (torch.cdist(p[:, i, -LINKS - 1 :], p[:, j, -LINKS - 1 :]) for p in (points, expert))
            depth = (allowed.clamp(max=MARGIN) - distance).clamp(min=0) / LENGTH
            costs.append(depth.square().sum((1, 2)).mean())
    return torch.stack(costs).mean()


class TeamCosts:
    """Both costs of a policy's predictions.

    Args:
        robots: Robot names, one per arm.
        joints: Where one arm's joint positions are in its proprioception, (start, stop).
        gripper_entries: Which of an arm's D action entries command its gripper; the others are its joints'.
        coordination: Whether to compute the cost of losing each other.
        collision: Whether to compute the cost of bumping into each other.
    """

    def __init__(
        self,
        robots: Sequence[str],
        joints: tuple[int, int],
        gripper_entries: Sequence[int],
        coordination: bool,
        collision: bool,
    ):
        self._robots, self._joints, self._grippers = tuple(robots), slice(*joints), list(gripper_entries)
        self._coordination, self._collision = coordination, collision

    @cached_property
    def _motion(self) -> TeamMotion:
        return TeamMotion(self._robots)

    def __call__(self, motions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the costs ``coordination`` and ``collision``, those that are wanted.

        Args:
            motions: Predicted actions (B, A, D), in the unit of actions.
            batch: What the team saw and the expert did.
        """
        if not (self._coordination or self._collision):
            return {}
        assert batch.input.agent_pos is not None
        joint_entries = [entry for entry in range(motions.shape[-1]) if entry not in self._grippers]
        joint_pos = batch.input.agent_pos.unflatten(1, (len(self._robots), -1))[..., self._joints]
        actions = batch.actions[:, 0].unflatten(1, (len(self._robots), -1))
        with torch.autocast(motions.device.type, enabled=False):
            points = self._motion.points(joint_pos, motions[..., joint_entries].float())
            expert = self._motion.points(joint_pos, actions[..., joint_entries])
            costs = {}
            if self._coordination:
                opens = (actions[..., self._grippers].mean(-1) > 0).float()
                costs["coordination"] = coordination_cost(points, expert, acts_jointly(expert, opens))
            if self._collision:
                costs["collision"] = collision_cost(points, expert)
        return costs


def team_costs(
    weights: LossWeights, robots: Sequence[str], proprioception: PartLayout, space: ActionSpace
) -> TeamCosts:
    """Make the costs that the weights want.

    Raises:
        UserError: When one is wanted but the robots or their joint positions are not known.
    """
    coordination, collision = weights.coordination_weight > 0, weights.collision_weight > 0
    known = "joint_pos" in proprioception.names
    if (coordination or collision) and not (known and len(robots) == space.num_arms):
        raise UserError("coordination_weight and collision_weight need robots and joint_pos in the proprioception")
    joints = proprioception.span("joint_pos") if known else (0, 0)
    return TeamCosts(robots, joints, space.gripper_entries, coordination, collision)
