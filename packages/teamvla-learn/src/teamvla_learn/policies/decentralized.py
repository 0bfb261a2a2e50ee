"""Decentralized execution: one arm maps its own observation and inbox to its own message and action.

A controller has no access to the other arms. With ``teamvla_envs.env.message_channel.MessageChannel`` it runs a
:class:`~teamvla_learn.policies.msg_passing.MsgPassingVLA` on one computer per arm.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.errors import UserError

from teamvla_learn.policies.arm_view import ArmInput
from teamvla_learn.policies.checkpoint import Checkpoint
from teamvla_learn.policies.checkpoint_policy import check_fit, warn_of_length
from teamvla_learn.policies.ensembling import make_ensemble
from teamvla_learn.policies.msg_passing import ArmFeatures, MsgPassingVLA

if TYPE_CHECKING:
    from teamvla_envs.env.parallel import TeamParallelEnv

    from teamvla_learn.policies.arm_process import RemoteArm


class ArmController:
    """Controller of one arm of a team.

    Call :meth:`reset` at the beginning of an episode; in every control step call :meth:`look` once, :meth:`write` and
    :meth:`read` once per round, and then :meth:`act`.

    Args:
        checkpoint: A loaded checkpoint of a ``MsgPassingVLA``.
        arm: Number of the arm in its team.

    Raises:
        UserError: If the checkpoint has another architecture or no such arm.
    """

    def __init__(self, checkpoint: Checkpoint, arm: int):
        policy, tokenizer = _policy_of_arms(checkpoint), checkpoint.tokenizer
        assert tokenizer is not None
        if not 0 <= arm < policy.config.space.num_arms:
            raise UserError(f"arm is {arm}, allowed are 0 to {policy.config.space.num_arms - 1}")
        self.rounds, self.width = policy.rounds, policy.config.messages.size
        self._policy, self._tokenizer, self._arm = policy, tokenizer, arm
        self._ensemble = make_ensemble(replace(policy.config.space, num_arms=1), policy.config.head, 1)
        self._features: ArmFeatures | None = None
        self._round = 0
        self._instruction = ""

    def reset(self) -> None:
        """Begin a new episode."""
        if self._ensemble is not None:
            self._ensemble.reset(np.ones(1, bool))

    @torch.inference_mode()
    def look(self, obs: Mapping[str, Any]) -> None:
        """Encode the arm's own observation, as returned by ``teamvla_envs.parallel_env`` in ``vision`` mode."""
        config, instruction = self._policy.config, obs["instruction"]
        if instruction != self._instruction:
            warn_of_length(self._tokenizer, instruction, config.language)
            self._instruction = instruction
        tokens = torch.from_numpy(self._tokenizer.encode([instruction], config.language.max_tokens))
        pixels = {camera: torch.from_numpy(np.array(image))[None] for camera, image in obs["pixels"].items()}
        arms = ArmInput(
            images={camera: pixels[camera] for camera in (*config.shared, *config.carried)},
            agent_pos=torch.from_numpy(np.array(obs["agent_pos"], np.float32))[None],
            peers=torch.from_numpy(np.array(obs["peers"], np.float32))[None] if config.messages.peers else None,
            tokens=tokens,
            instruction=torch.tensor([0 if instruction else -1]),
            arm=torch.tensor([self._arm]),
        )
        self._features, self._round = self._policy.begin(arms), 0

    @torch.inference_mode()
    def write(self) -> np.ndarray:
        """Return the message of the coming round, (W,) float32 in [-1, 1]."""
        return self._policy.write(self._present, self._round)[0].numpy()

    @torch.inference_mode()
    def read(self, inbox: np.ndarray, received: np.ndarray) -> None:
        """Read the inbox of this round.

        Args:
            inbox: (A-1, W) float32, messages of the other arms in order of their number.
            received: (A-1,) bool, whether each message arrived.
        """
        messages = torch.from_numpy(np.array(inbox, np.float32))[None]
        arrived = torch.from_numpy(np.array(received, bool))[None]
        self._features = self._policy.read(self._present, self._round, messages, arrived)
        self._round += 1

    @torch.inference_mode()
    def act(self) -> np.ndarray:
        """Return the arm's action, (D,) float32 in [-1, 1]."""
        if self._round < self.rounds:
            raise RuntimeError(f"act() after {self._round} of {self.rounds} rounds: read the other messages first")
        chunk = self._policy.predict_arm_chunk(self._policy.features(self._present)).numpy()
        return chunk[0, 0] if self._ensemble is None else self._ensemble.blend(chunk)[0]

    @property
    def _present(self) -> ArmFeatures:
        if self._features is None:
            raise RuntimeError("no observation: call look(obs) first")
        return self._features


def check_team(checkpoint: Checkpoint, channel: MessageChannel) -> None:
    """Check that a checkpoint fits a message channel and the ``teamvla_envs.parallel_env`` in it.

    Raises:
        UserError: Naming the difference, the given and the required value.
    """
    policy, env = _policy_of_arms(checkpoint), channel.unwrapped
    check_fit(checkpoint, cast("TeamParallelEnv", env).vector)
    rounds, width = max(policy.rounds, 1), policy.config.messages.size
    if channel.rounds < rounds:
        raise UserError(f"the channel has rounds={channel.rounds}, the policy needs {rounds}")
    if policy.rounds and channel.width != width:
        raise UserError(f"the channel has width={channel.width}, the policy needs {width}")


def team_actions(
    channel: MessageChannel, controllers: "Mapping[str, ArmController | RemoteArm]", obs: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Run one control step of all controllers, which communicate only through the channel.

    Args:
        channel: Message channel with the ``rounds`` and ``width`` of the controllers.
        controllers: Agent -> controller, in this process or another.
        obs: Agent -> observation.

    Returns:
        Agent -> action (D,) float32.
    """
    for agent, controller in controllers.items():
        controller.look(obs[agent])
    for _ in range(next(iter(controllers.values())).rounds):
        inboxes = channel.exchange({agent: controller.write() for agent, controller in controllers.items()})
        for agent, controller in controllers.items():
            controller.read(*inboxes[agent])
    return {agent: controller.act() for agent, controller in controllers.items()}


def _policy_of_arms(checkpoint: Checkpoint) -> MsgPassingVLA:
    if not isinstance(checkpoint.policy, MsgPassingVLA):
        name = type(checkpoint.policy).__name__
        raise UserError(f"policy is a {name}, which acts for the whole team at once, expected a MsgPassingVLA")
    return checkpoint.policy
