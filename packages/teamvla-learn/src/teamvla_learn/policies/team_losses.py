"""Coordination and collision losses on the predicted motion of the team.

One control step of ``joint_delta`` moves joint j by ``JOINT_STEP`` times its entry. Forward kinematics of the measured
joint positions plus that step gives the next positions of tools and joints, differentiable in the action. The reference
is the motion of the expert's action from the same positions: both losses are zero for the demonstrated actions and only
weight errors differently. Only the first action of a chunk is considered. Both losses are disabled by default.
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

LENGTH = 0.01  # [m] unit of errors: a loss of 1 is one square centimeter
NEAR = 0.2  # [m] arms with tools at most this far apart cooperate
MARGIN = 0.1  # [m] distance that joints of different arms keep, unless the expert's are closer
LINKS = 4  # last joints of an arm that are considered


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
        """Return the positions of joints and tool after a step, (B, A, J + 1, 3) [m]; the tool is last.

        Args:
            joint_pos: (B, A, J) [rad].
            motion: (B, A, J), joint entries of an action.
        """
        chains = Chains(**{name: array.to(joint_pos.device) for name, array in self._arrays.items()})
        joints, tool = chains.frames(joint_pos + JOINT_STEP * motion.clamp(-1.0, 1.0))
        return torch.cat([joints[..., :3, 3], tool[..., None, :3, 3]], dim=2)


def cooperates(points: Tensor, opens: Tensor) -> Tensor:
    """Return the pairs of arms that cooperate, (B, A, A) bool, upper triangle.

    Two arms cooperate while the expert keeps both grippers closed (they carry an object together) or their tools within
    ``NEAR`` of each other (one passes an object to the other).

    Args:
        points: (B, A, J + 1, 3) [m], positions after the expert's action.
        opens: (B, A), 1 if the expert opens the gripper, else 0.
    """
    tools = points[:, :, -1]
    near = torch.cdist(tools, tools) < NEAR
    closed = opens < 0.5
    return (near | (closed[:, :, None] & closed[:, None])).triu(1)


def coordination_cost(points: Tensor, expert: Tensor, cooperating: Tensor) -> Tensor:
    """Return the mean squared error [cm^2] of relative tool positions over cooperating pairs.

    Args:
        points: (B, A, J + 1, 3) [m], predicted positions.
        expert: (B, A, J + 1, 3) [m], positions after the expert's action.
        cooperating: (B, A, A) bool.
    """
    offset, wanted = (p[:, :, None, -1] - p[:, None, :, -1] for p in (points, expert))
    errors = ((offset - wanted) / LENGTH).square().sum(-1)
    return (errors * cooperating).sum() / cooperating.sum().clamp(min=1)


def collision_cost(points: Tensor, expert: Tensor) -> Tensor:
    """Return the mean squared depth [cm^2] by which arms are closer than ``MARGIN`` and than the expert's.

    Args:
        points: (B, A, J + 1, 3) [m], predicted positions.
        expert: (B, A, J + 1, 3) [m], positions after the expert's action.
    """
    arms = points.shape[1]
    costs = []
    for i in range(arms):
        for j in range(i + 1, arms):
            distance, allowed = (torch.cdist(p[:, i, -LINKS - 1 :], p[:, j, -LINKS - 1 :]) for p in (points, expert))
            depth = (allowed.clamp(max=MARGIN) - distance).clamp(min=0) / LENGTH
            costs.append(depth.square().sum((1, 2)).mean())
    return torch.stack(costs).mean()


class TeamCosts:
    """Coordination and collision losses of a policy.

    Args:
        weights: Loss weights; only losses with positive weights are computed.
        robots: Robot names, one per arm.
        proprioception: Layout of one arm's proprioception.
        space: Shape of the team's actions.

    Raises:
        UserError: When a loss is enabled but the robots or their joint positions are not known.
    """

    def __init__(self, weights: LossWeights, robots: Sequence[str], proprioception: PartLayout, space: ActionSpace):
        self._coordination, self._collision = weights.coordination_weight > 0, weights.collision_weight > 0
        self._robots, self._grippers = tuple(robots), list(space.gripper_entries)
        known = "joint_pos" in proprioception.names
        if (self._coordination or self._collision) and not (known and len(robots) == space.num_arms):
            raise UserError("coordination_weight and collision_weight need robots and joint_pos in the proprioception")
        self._joints = slice(*proprioception.span("joint_pos")) if known else slice(0)

    @cached_property
    def _motion(self) -> TeamMotion:
        return TeamMotion(self._robots)

    def __call__(self, motions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the enabled ones of the losses ``coordination`` and ``collision``.

        Args:
            motions: (B, A, D), predicted actions, unclipped.
            batch: The training batch.
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
                costs["coordination"] = coordination_cost(points, expert, cooperates(expert, opens))
            if self._collision:
                costs["collision"] = collision_cost(points, expert)
        return costs
