"""The last layer: features to every arm's next actions, what that costs in training, and what is executed.

Joint entries are predicted in units of their standard deviation and cost a smooth L1; gripper entries are the
logit of "open" and cost a binary cross-entropy, and are executed as fully open (+1) or closed (-1).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.data.normalization import Statistics
from teamvla_learn.policies.losses import LossTerm, masked_mean


@dataclass(frozen=True)
class ActionSpace:
    """The shape of a team's actions.

    Attributes:
        num_arms: A.
        action_size: D, entries per arm.
        gripper_entries: Which of an arm's D entries command its gripper.
        chunk_length: K, actions predicted at once; the first is executed.
    """

    num_arms: int
    action_size: int
    gripper_entries: tuple[int, ...]
    chunk_length: int = 1


class ActionHead(nn.Module):
    """One linear layer per arm.

    Args:
        feature_size: F.
        space: Shape of the actions.
        statistics: Mean and standard deviation of each entry, (A*D,).
    """

    def __init__(self, feature_size: int, space: ActionSpace, statistics: Statistics):
        super().__init__()
        self.space = space
        self.arms = nn.ModuleList(
            nn.Linear(feature_size, space.chunk_length * space.action_size) for _ in range(space.num_arms)
        )
        gripper = torch.zeros(space.action_size, dtype=torch.bool)
        gripper[list(space.gripper_entries)] = True
        for name, values in (("_mean", statistics.mean), ("_std", statistics.std)):
            arms = torch.from_numpy(values.copy()).reshape(space.num_arms, space.action_size)
            self.register_buffer(name, arms, persistent=False)
        self.register_buffer("_gripper", gripper, persistent=False)
        self._mean: Tensor
        self._std: Tensor
        self._gripper: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D) for features (B, F)."""
        space = self.space
        arms = [arm(features).unflatten(-1, (space.chunk_length, space.action_size)) for arm in self.arms]
        return torch.stack(arms, dim=2)

    def decode(self, raw: Tensor) -> Tensor:
        """Return the actions (B, K, A*D) in [-1, 1] that raw predictions stand for."""
        joints = (self._mean + raw * self._std).clamp(-1.0, 1.0)
        gripper = torch.where(raw > 0, 1.0, -1.0)
        return torch.where(self._gripper, gripper, joints).flatten(-2)

    def losses(self, raw: Tensor, actions: Tensor, valid: Tensor, gripper_weight: float) -> dict[str, LossTerm]:
        """Compare raw predictions with the expert's actions.

        Args:
            raw: (B, K, A, D).
            actions: (B, K, A*D) in [-1, 1].
            valid: (B, K) bool, which actions count.
            gripper_weight: Weight of the grippers' term; the joints' is 1.
        """
        targets = actions.unflatten(-1, (self.space.num_arms, self.space.action_size))
        joint = functional.smooth_l1_loss(raw, (targets - self._mean) / self._std, reduction="none")
        terms = {"joints": LossTerm(masked_mean(joint[..., ~self._gripper], valid), 1.0)}
        if self.space.gripper_entries:
            logits, opens = raw[..., self._gripper], (targets[..., self._gripper] > 0).to(raw.dtype)
            gripper = functional.binary_cross_entropy_with_logits(logits, opens, reduction="none")
            terms["gripper"] = LossTerm(masked_mean(gripper, valid), gripper_weight)
        return terms
