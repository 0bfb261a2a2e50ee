"""Per-arm views of a team's input, in a frame in which the arms are interchangeable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from teamvla_learn.data.batch import PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Statistics

_VECTORS = ("tool_pos", "tool_rot6d")  # vectors in the world frame, three numbers each


@dataclass(frozen=True)
class ArmInput:
    """Input of M arms, each with its own observation.

    Attributes:
        images: Shared camera -> (M / k, H, W, 3) uint8, where k consecutive arms share an image; and camera that the
            arms carry, without the number of the arm -> (M, H, W, 3) uint8.
        agent_pos: (M, P) float32, proprioception.
        peers: (M, 4*(A-1)) float32: tool position of each other arm relative to the own one [m], and its gripper
            opening [m], in order; or None.
        tokens: (U, L) int64, the distinct instructions.
        instruction: (M,) int64, index of each arm's instruction into ``tokens``, -1 for no instruction.
        arm: (M,) int64, number of the arm in its team.
    """

    images: Mapping[str, Tensor]
    agent_pos: Tensor
    peers: Tensor | None
    tokens: Tensor
    instruction: Tensor
    arm: Tensor


def split_team(
    obs: PolicyInput,
    shared: Sequence[str],
    carried: Mapping[str, Sequence[str]],
    layout: PartLayout,
    instructed: Sequence[bool],
    with_peers: bool,
) -> ArmInput:
    """Split the input of a team into the inputs of its arms.

    Args:
        obs: Input of the team; the first axis is B.
        shared: Cameras that all arms see.
        carried: Name of a camera that the arms carry -> the camera of each arm.
        layout: Layout of one arm's proprioception.
        instructed: Whether each of the A arms receives the instruction.
        with_peers: Whether an arm observes the tools of the others.

    Returns:
        Input of M = B * A arms; the arms of a sample are consecutive rows.
    """
    assert obs.agent_pos is not None
    assert obs.tokens is not None
    assert obs.instruction is not None
    batch, arms = len(obs.agent_pos), len(instructed)
    own = {
        name: torch.stack([obs.pixels[camera] for camera in cameras], dim=1).flatten(0, 1)
        for name, cameras in carried.items()
    }
    agent_pos, instruction = obs.agent_pos.unflatten(1, (arms, layout.size)), obs.instruction
    return ArmInput(
        images={camera: obs.pixels[camera] for camera in shared} | own,
        agent_pos=agent_pos.flatten(0, 1),
        peers=_peers(agent_pos, layout) if with_peers else None,
        tokens=obs.tokens,
        instruction=torch.stack(
            [instruction if given else torch.full_like(instruction, -1) for given in instructed], dim=1
        ).flatten(),
        arm=torch.arange(arms, device=agent_pos.device).repeat(batch),
    )


def keypoints_for_arms(keypoints: Mapping[str, Tensor], cameras: Sequence[str]) -> Tensor:
    """Return the keypoints in the camera of each arm, (M, T, 2) with M = B * A; the arms of a sample are consecutive.

    Args:
        keypoints: Camera name -> (B, T, 2) float32.
        cameras: Camera of each of the A arms.
    """
    return torch.stack([keypoints[camera] for camera in cameras], dim=1).flatten(0, 1)


def pool_arms(statistics: Statistics, num_arms: int) -> Statistics:
    """Return the statistics (n,) of an arm's entries over all arms, from those of a team (A*n,)."""
    mean, std = (values.reshape(num_arms, -1).astype(np.float64) for values in (statistics.mean, statistics.std))
    pooled = np.sqrt((std**2).mean(0) + mean.var(0))
    return Statistics(mean.mean(0).astype(np.float32), pooled.astype(np.float32))


class OwnFrame(nn.Module):
    """Transform of the tool pose into the arm's own frame: the world frame rotated by the heading of its base.

    The bases stand in a circle around the center of the table, arm k with heading 2 pi k / A (as in
    ``teamvla_envs.scene.compose``): in their own frames all arms are equivalent.

    Args:
        layout: Layout of one arm's proprioception, whose ``tool_pos`` and ``tool_rot6d`` are rotated.
        arms: A.
        statistics: Statistics of the team's proprioception, (A*P,).
    """

    def __init__(self, layout: PartLayout, arms: int, statistics: Statistics):
        super().__init__()
        spans = [layout.span(name) for name in _VECTORS if name in layout.names]
        entries = [entry for span in spans for entry in range(*span)]
        self.register_buffer("_entries", torch.tensor(entries, dtype=torch.int64), persistent=False)
        self._entries: Tensor
        headings = 2 * np.pi * np.arange(arms) / arms
        turns = np.array([[[np.cos(h), np.sin(h), 0], [-np.sin(h), np.cos(h), 0], [0, 0, 1]] for h in headings])
        self.register_buffer("_turns", torch.tensor(turns, dtype=torch.float32), persistent=False)
        self._turns: Tensor
        if entries:
            mean, std = (v.reshape(arms, -1)[:, entries] for v in (statistics.mean, statistics.std))
            vectors = (arms, len(entries) // 3, 3)
            turned = np.einsum("aij,avj->avi", turns, mean.reshape(vectors))
            variance = np.einsum("aij,avj->avi", turns**2, std.reshape(vectors) ** 2)  # axes as if uncorrelated
            scale = np.sqrt(variance.mean(0) + turned.var(0))
            for name, value in (("_mean", turned.mean(0)), ("_std", scale)):
                self.register_buffer(name, torch.tensor(value.ravel(), dtype=torch.float32), persistent=False)
            self._mean: Tensor
            self._std: Tensor

    @property
    def size(self) -> int:
        """Length of the rotated vector."""
        return len(self._entries)

    def forward(self, agent_pos: Tensor, arm: Tensor) -> Tensor:
        """Return the normalized, rotated parts, (M, size), of proprioception (M, P) of the arms (M,)."""
        if not self.size:
            return agent_pos[:, :0]
        with torch.autocast(agent_pos.device.type, enabled=False):
            turned = self.turn(agent_pos[:, self._entries], arm)
            return (turned - self._mean) / self._std

    def turn(self, vectors: Tensor, arm: Tensor) -> Tensor:
        """Rotate vectors (M, 3*v) from the world frame to the frames of the arms (M,)."""
        parts = vectors.unflatten(1, (-1, 3))
        return torch.einsum("mij,mvj->mvi", self._turns[arm], parts).flatten(1)


def _peers(agent_pos: Tensor, layout: PartLayout) -> Tensor:
    """Return ``peers`` of the parallel environment, (B*A, 4*(A-1)), from the team's proprioception (B, A, P)."""
    arms = agent_pos.shape[1]
    tool = agent_pos[:, :, slice(*layout.span("tool_pos"))]
    opening = agent_pos[:, :, slice(*layout.span("gripper_opening"))]
    rows = []
    for k in range(arms):
        others = [j for j in range(arms) if j != k]
        rows.append(torch.cat([tool[:, others] - tool[:, k : k + 1], opening[:, others]], dim=-1).flatten(1))
    return torch.stack(rows, dim=1).flatten(0, 1)
