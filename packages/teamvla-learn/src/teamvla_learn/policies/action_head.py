"""Action heads: from features to the next actions of every arm, with their loss.

Joint entries are predicted in units of their standard deviation. Gripper entries are logits of "open" with a binary
cross-entropy loss, executed as fully open (+1) or closed (-1).
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import tyro
from teamvla_envs.errors import UserError
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.config_io import check_at_least
from teamvla_learn.data.normalization import Statistics
from teamvla_learn.policies.losses import masked_mean


@dataclass(frozen=True)
class ActionSpace:
    """Shape of a team's actions.

    Attributes:
        num_arms: A.
        action_size: D, entries per arm.
        gripper_entries: Indices of the gripper commands among an arm's D entries.
        chunk_length: K, actions predicted at once; the first is executed.
    """

    num_arms: int
    action_size: int
    gripper_entries: tuple[int, ...]
    chunk_length: int = 1


@dataclass(frozen=True)
class HeadConfig:
    """Configuration of the action head.

    Attributes:
        kind: ``regression`` predicts actions directly; ``flow`` learns a flow from noise to actions.
        loss: Loss of a regression: ``huber`` (smooth L1) or ``l1``.
        flow_steps: Euler steps of a flow.
        flow_size: Width of a flow's layers.
        flow_seed: Seed of the initial noise of a flow.
        ensembling: Exponent m of temporal ensembling: the executed action is the mean of all predictions for this
            control step with weights exp(-m * age). None executes the newest prediction.
    """

    kind: Annotated[Literal["regression", "flow"], tyro.conf.arg(aliases=["--head"])] = "regression"
    loss: Literal["huber", "l1"] = "huber"
    flow_steps: int = 5
    flow_size: int = 256
    flow_seed: int = 0
    ensembling: Annotated[float | None, tyro.conf.arg(aliases=["--ensembling"])] = None

    def __post_init__(self) -> None:
        check_at_least(self, 1, "flow_steps", "flow_size")
        check_at_least(self, 0, "flow_seed")
        if self.ensembling is not None and not 0 <= self.ensembling < float("inf"):
            raise UserError(f"ensembling is {self.ensembling}, expected a number from 0 or none")


class Head(nn.Module):
    """Base class of the action heads: normalization, decoding and gripper loss.

    Args:
        space: Shape of the team's actions.
        statistics: Mean and standard deviation of the actions, (A*D,).
    """

    def __init__(self, space: ActionSpace, statistics: Statistics):
        super().__init__()
        self.space = space
        gripper = torch.zeros(space.action_size, dtype=torch.bool)
        gripper[list(space.gripper_entries)] = True
        for name, values in (("_mean", statistics.mean), ("_std", statistics.std)):
            arms = torch.from_numpy(values.copy()).reshape(space.num_arms, space.action_size)
            self.register_buffer(name, arms, persistent=False)
        self.register_buffer("_gripper", gripper, persistent=False)
        # Index tensors, not boolean masks: masking would synchronize with the GPU.
        joints = [entry for entry in range(space.action_size) if entry not in space.gripper_entries]
        self.register_buffer("_joint_entries", torch.tensor(joints), persistent=False)
        self.register_buffer(
            "_gripper_entries", torch.tensor(space.gripper_entries, dtype=torch.int64), persistent=False
        )
        self._mean: Tensor
        self._std: Tensor
        self._gripper: Tensor
        self._joint_entries: Tensor
        self._gripper_entries: Tensor

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D) for features (B, F)."""

    @abstractmethod
    def compute_loss(
        self, features: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the loss terms with respect to the expert's actions.

        Args:
            features: (B, F) float32.
            actions: (B, K, A*D) float32 in [-1, 1].
            valid: (B, K) bool, False for actions without effect on the loss.
            generator: Random generator on the device of the actions.

        Returns:
            The terms ``joints`` and ``gripper``, and the raw predictions (B, K, A, D).
        """

    def decode(self, raw: Tensor) -> Tensor:
        """Return the actions (B, K, A*D) in [-1, 1] of raw predictions (B, K, A, D)."""
        gripper = torch.where(raw > 0, 1.0, -1.0)
        return torch.where(self._gripper, gripper, self.denormalize(raw).clamp(-1.0, 1.0)).flatten(-2)

    def denormalize(self, raw: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D) in units of actions, unclipped; gripper entries are meaningless."""
        return self._mean + raw * self._std

    def targets(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized joint entries (B, K, A, J), and the gripper targets (B, K, A, G), 1 or 0."""
        arms = actions.unflatten(-1, (self.space.num_arms, self.space.action_size))
        joints, grippers = self.split((arms - self._mean) / self._std)[0], self.split(arms)[1]
        return joints, (grippers > 0).to(actions.dtype)

    def gripper_cost(self, logits: Tensor, opens: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Return the term ``gripper`` of logits (B, K, A, G), or no term if there are no grippers."""
        if not self.space.gripper_entries:
            return {}
        costs = functional.binary_cross_entropy_with_logits(logits, opens, reduction="none")
        return {"gripper": masked_mean(costs, valid)}

    def split(self, arms: Tensor) -> tuple[Tensor, Tensor]:
        """Split entries (..., D) into joint entries (..., J) and gripper entries (..., G)."""
        return arms.index_select(-1, self._joint_entries), arms.index_select(-1, self._gripper_entries)

    def join(self, joints: Tensor, logits: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D) from joint entries (B, K, A, J) and gripper logits (B, K, A, G)."""
        raw = joints.new_zeros((*joints.shape[:-1], self.space.action_size))
        raw.index_copy_(-1, self._joint_entries, joints)
        raw.index_copy_(-1, self._gripper_entries, logits.to(joints.dtype))
        return raw


class ActionHead(Head):
    """Regression head: one linear layer per arm.

    Args:
        feature_size: F.
        space: Shape of the team's actions.
        statistics: Mean and standard deviation of the actions, (A*D,).
        loss: ``huber`` or ``l1``.
    """

    def __init__(self, feature_size: int, space: ActionSpace, statistics: Statistics, loss: str = "huber"):
        super().__init__(space, statistics)
        self._loss = {"huber": functional.smooth_l1_loss, "l1": functional.l1_loss}[loss]
        self.arms = nn.ModuleList(
            nn.Linear(feature_size, space.chunk_length * space.action_size) for _ in range(space.num_arms)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D) for features (B, F)."""
        space = self.space
        arms = [arm(features).unflatten(-1, (space.chunk_length, space.action_size)) for arm in self.arms]
        return torch.stack(arms, dim=2)

    def compute_loss(
        self, features: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the loss terms and the raw predictions; the generator is not used."""
        raw = self(features)
        return self.costs(raw, actions, valid), raw

    def costs(self, raw: Tensor, actions: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Return the terms ``joints`` and ``gripper`` of raw predictions (B, K, A, D)."""
        wanted, opens = self.targets(actions)
        joints, logits = self.split(raw)
        costs = self._loss(joints, wanted, reduction="none")
        return {"joints": masked_mean(costs, valid)} | self.gripper_cost(logits, opens, valid)
