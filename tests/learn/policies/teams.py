"""Untrained message-passing policies and what their arms see, for any number of arms."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization, Statistics
from teamvla_learn.encoders.tokenizer import WordTokenizer
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.checkpoint import save_checkpoint
from teamvla_learn.policies.checkpoint_info import CheckpointInfo
from teamvla_learn.policies.losses import AuxiliaryTarget
from teamvla_learn.policies.msg_passing import MessageConfig, MsgPassingConfig, MsgPassingVLA

TOKENIZER = WordTokenizer.from_sentences(["Put the bar on the green stand."])
LAYOUT = PartLayout((
    ("joint_pos", 7), ("joint_vel", 7), ("gripper_opening", 1), ("gripper_target", 1), ("tool_pos", 3),
    ("tool_rot6d", 6),
))  # fmt: skip
SIZE = 32  # [px]


def statistics(size: int, seed: int) -> Statistics:
    rng = np.random.default_rng(seed)
    return Statistics(rng.normal(size=size).astype(np.float32), rng.uniform(0.5, 1.5, size).astype(np.float32))


def make_team(
    arms: int = 2,
    chunk_length: int = 1,
    alike: bool = False,
    vision: VisionConfig | None = None,
    head: HeadConfig | None = None,
    **messages: Any,
) -> MsgPassingVLA:
    """An untrained policy; if the arms are alike, their statistics are equal."""
    torch.manual_seed(0)
    cameras = ("front", *(f"wrist_{k}" for k in range(arms)))
    config = MsgPassingConfig(
        space=ActionSpace(arms, 8, (7,), chunk_length),
        cameras=cameras,
        image_size=(SIZE, SIZE),
        vocabulary_size=len(TOKENIZER.vocabulary),
        proprioception=LAYOUT,
        messages=MessageConfig(**messages),
        vision=vision or VisionConfig(),
        head=head or HeadConfig(),
        auxiliary=(AuxiliaryTarget("goal_pos", 3),),
        ignored=tuple(range(7, 14)),
    )
    sizes = {"actions": 8, "agent_pos": LAYOUT.size}
    if alike:
        team = {name: statistics(size, 0) for name, size in sizes.items()}
        team = {name: Statistics(np.tile(s.mean, arms), np.tile(s.std, arms)) for name, s in team.items()}
    else:
        team = {name: statistics(arms * size, 0) for name, size in sizes.items()}
    normalization = Normalization(**team, auxiliary={"goal_pos": statistics(3, 1)})
    return MsgPassingVLA(config, normalization).eval()


def see(policy: MsgPassingVLA, batch: int = 3, seed: int = 0) -> PolicyInput:
    """Observations of a team in ``batch`` worlds."""
    rng = np.random.default_rng(seed)
    arms = policy.config.space.num_arms
    return PolicyInput(
        pixels={
            camera: torch.from_numpy(rng.integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8))
            for camera in policy.config.cameras
        },
        agent_pos=torch.from_numpy(rng.normal(size=(batch, arms * LAYOUT.size)).astype(np.float32)),
        tokens=torch.from_numpy(TOKENIZER.encode(["Put the bar on the green stand.", "green"], 32)),
        instruction=torch.from_numpy(rng.integers(0, 2, batch)),
    )


def make_batch(policy: MsgPassingVLA, batch: int = 3, seed: int = 0) -> Batch:
    """Observations of a team and target actions."""
    rng = np.random.default_rng(seed)
    space = policy.config.space
    actions = rng.uniform(-1, 1, (batch, space.chunk_length, space.num_arms * space.action_size))
    return Batch(
        see(policy, batch, seed),
        torch.from_numpy(actions.astype(np.float32)),
        torch.ones(batch, space.chunk_length, dtype=torch.bool),
        {"goal_pos": torch.from_numpy(rng.normal(size=(batch, 3)).astype(np.float32))},
        {"goal_pos": torch.tensor([True, False, True][:batch])},
        {camera: torch.from_numpy(rng.random((batch, 3, 2), np.float32)) for camera in policy.config.cameras},
    )


def save_team(policy: MsgPassingVLA, folder: Path) -> Path:
    """Save a policy as a checkpoint folder."""
    folder.mkdir()
    messages = policy.config.messages
    env_kwargs = {
        "num_arms": policy.config.space.num_arms,
        "obs_mode": "vision",
        "action_mode": "joint_delta",
        "cameras": list(policy.config.cameras),
        "image_size": SIZE,
        "instruction_for": messages.instruction_for,
    }
    save_checkpoint(folder, policy, CheckpointInfo(("lift",), env_kwargs, TOKENIZER.vocabulary))
    return folder
