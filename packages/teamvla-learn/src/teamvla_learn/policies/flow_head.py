"""Actions as the end of a flow that begins at noise: flow matching.

Lipman et al., "Flow matching for generative modeling" (ICLR 2023), with the straight paths of Liu et al., "Flow
straight and fast" (ICLR 2023): on the way from noise x0 to the action x1 the point at time t is (1 - t) x0 + t x1, and
the network learns its velocity x1 - x0. A few Euler steps lead from noise to an action. Where demonstrations do one of
two things, a regression does what lies between them; a flow does one of the two.

The noise at the start is drawn once from a seed and is the same in every control step and world: the policy is a
function of what it sees, acts the same in any company, and does not change its mind from step to step. Grippers stay
logits.
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
    """A velocity field over the joint entries of all arms' action chunks, and a linear layer for their grippers.

    Args:
        feature_size: F.
        space: Shape of the actions.
        statistics: Mean and standard deviation of each entry, (A*D,).
        config: Steps, width and seed.
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
        """Return raw predictions (B, K, A, D): the end of the flow, and the grippers' logits."""
        point = self._start.expand(len(features), *self._joints)
        for step in range(self._steps):
            time = features.new_full((len(features), 1), step / self._steps)
            point = point + self._flow(features, point, time) / self._steps
        return self.join(point, self._logits(features))

    def compute_loss(
        self, features: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compare velocities at random times with those of the straight paths to the expert's actions."""
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
        seen = torch.cat([features, point.flatten(1).to(features.dtype), angles.sin(), angles.cos()], dim=-1)
        return self.velocity(seen).float().unflatten(-1, self._joints)

    def _logits(self, features: Tensor) -> Tensor:
        return self.gripper(features).unflatten(-1, self._grippers)


def make_head(feature_size: int, space: ActionSpace, statistics: Statistics, config: HeadConfig) -> Head:
    """Make the head of that kind."""
    if config.kind == "flow":
        return FlowHead(feature_size, space, statistics, config)
    return ActionHead(feature_size, space, statistics, config.loss)
