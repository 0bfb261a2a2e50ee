"""Flow-matching action head: actions are the end points of a flow from noise.

Lipman et al., "Flow matching for generative modeling" (ICLR 2023), with the straight paths of Liu et al., "Flow
straight and fast" (ICLR 2023): between noise x0 and action x1 the point at time t is (1 - t) x0 + t x1, and the network
learns its velocity x1 - x0; a few Euler steps integrate it. For multimodal demonstrations a regression predicts the
mean of the modes; a flow predicts one of them.

The initial noise is drawn once from a seed and is equal in all control steps and worlds: the policy is a deterministic
function of its observation and does not switch modes from step to step. Grippers are predicted as logits.
"""

import math

import torch
from torch import Tensor, nn

from teamvla_learn.data.normalization import Statistics
from teamvla_learn.policies.action_head import ActionHead, ActionSpace, Head, HeadConfig
from teamvla_learn.policies.losses import masked_mean
from teamvla_learn.policies.mlp import make_mlp

FREQUENCIES = 8


class FlowHead(Head):
    """Velocity field over the joint entries of all arms' action chunks, and a linear layer for their grippers.

    Args:
        feature_size: F.
        space: Shape of the team's actions.
        statistics: Mean and standard deviation of the actions, (A*D,).
        config: Configuration of the head.
    """

    def __init__(self, feature_size: int, space: ActionSpace, statistics: Statistics, config: HeadConfig):
        super().__init__(space, statistics)
        grippers = len(space.gripper_entries)
        self._steps = config.flow_steps
        self._joints = (space.chunk_length, space.num_arms, space.action_size - grippers)
        self._grippers = (space.chunk_length, space.num_arms, grippers)
        size = math.prod(self._joints)
        self.velocity = nn.Sequential(
            make_mlp(feature_size + size + 2 * FREQUENCIES, (config.flow_size, config.flow_size)),
            nn.Linear(config.flow_size, size),
        )
        self.gripper = nn.Linear(feature_size, math.prod(self._grippers))
        start = torch.randn(self._joints, generator=torch.Generator().manual_seed(config.flow_seed), device="cpu")
        self.register_buffer("_start", start.to(self.gripper.weight.device), persistent=False)
        self._start: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return raw predictions (B, K, A, D): the end point of the flow, and the gripper logits."""
        point = self._start.expand(len(features), *self._joints)
        for step in range(self._steps):
            time = features.new_full((len(features), 1), step / self._steps)
            point = point + self._flow(features, point, time) / self._steps
        return self.join(point, self._logits(features))

    def compute_loss(
        self, features: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the flow-matching loss at random times, and the extrapolated end points of the flow."""
        joints, opens = self.targets(actions)
        noise = torch.randn(joints.shape, generator=generator, device=generator.device)
        time = torch.rand((len(joints), 1), generator=generator, device=generator.device)
        along = time[:, :, None, None]
        point = (1 - along) * noise + along * joints
        velocity = self._flow(features, point, time)
        logits = self._logits(features)
        costs = {"joints": masked_mean((velocity - (joints - noise)) ** 2, valid)}
        end = point + (1 - along) * velocity
        return costs | self.gripper_cost(logits, opens, valid), self.join(end, logits)

    def _flow(self, features: Tensor, point: Tensor, time: Tensor) -> Tensor:
        angles = math.pi * time * 2.0 ** torch.arange(FREQUENCIES, device=time.device)
        inputs = torch.cat([features, point.flatten(1).to(features.dtype), angles.sin(), angles.cos()], dim=-1)
        return self.velocity(inputs).float().unflatten(-1, self._joints)

    def _logits(self, features: Tensor) -> Tensor:
        return self.gripper(features).unflatten(-1, self._grippers)


def make_head(feature_size: int, space: ActionSpace, statistics: Statistics, config: HeadConfig) -> Head:
    """Make an action head that reads features (B, feature_size)."""
    if config.kind == "flow":
        return FlowHead(feature_size, space, statistics, config)
    return ActionHead(feature_size, space, statistics, config.loss)
