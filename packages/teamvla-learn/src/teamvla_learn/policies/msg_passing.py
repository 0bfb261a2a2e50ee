"""MsgPassingVLA: one network that every arm runs for itself, on what it sees and what the others tell it.

Messages go around in rounds within a control step. The first is written before an arm looks at its pictures, from its
sentence and proprioception, so that what it hears can tell it what to look for; those after it are written after
looking. The same four steps (:meth:`MsgPassingVLA.begin`, ``write``, ``read``, ``features``) serve training, where all
arms of a batch are rows of one tensor, and an arm that runs alone (:mod:`teamvla_learn.policies.decentralized`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch
import tyro
from teamvla_envs.errors import UserError
from torch import Tensor, nn

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.factory import make_language, make_vision
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.proprioception import ProprioceptionEncoder
from teamvla_learn.encoders.spatial_softmax import Located
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.arm_view import (
    OWN_CAMERA,
    ArmInput,
    OwnFrame,
    places_for_arms,
    pool_arms,
    shared_cameras,
    split_team,
)
from teamvla_learn.policies.auxiliary import AuxiliaryTarget, auxiliary_costs
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.draws import batch_generator
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.inbox import InboxReader
from teamvla_learn.policies.losses import LossTerm, LossWeights
from teamvla_learn.policies.messages import Exchange, dropping, perfect
from teamvla_learn.policies.mlp import make_trunk
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.pointing import pointing_cost
from teamvla_learn.policies.team_losses import team_costs


@dataclass(frozen=True)
class MessageConfig:
    """How arms talk.

    Attributes:
        size: W, numbers in a message, each in [-1, 1]; 0 for a team that does not talk.
        rounds: Messages per control step; 0 for a team that does not talk.
        inbox_size: Length of the vector that an inbox is read into.
        dropout: Probability in training that a delivery is lost, so that a lossy channel is survivable.
        instruction_for: ``all`` or ``arm_k``: who is told the sentence.
        peers: Whether an arm also sees where the others' tools are and how far their grippers are open, without being
            told. Off, so that what an arm knows of the others is what they tell it or its cameras show.
    """

    size: Annotated[int, tyro.conf.arg(aliases=["--message-size"])] = 32
    rounds: Annotated[int, tyro.conf.arg(aliases=["--rounds"])] = 2
    inbox_size: int = 64
    dropout: float = 0.1
    instruction_for: Annotated[str, tyro.conf.arg(aliases=["--instruction-for"])] = "all"
    peers: bool = False

    def __post_init__(self) -> None:
        if self.size < 0 or self.rounds < 0:
            raise UserError(f"size is {self.size} and rounds is {self.rounds}, expected numbers from 0")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout is {self.dropout}, expected 0 to less than 1")

    @property
    def talks(self) -> bool:
        """Whether there are any messages."""
        return self.size > 0 and self.rounds > 0


@dataclass(frozen=True)
class MsgPassingConfig(LossWeights):
    """Sizes and loss weights of a :class:`MsgPassingVLA`.

    Attributes:
        space: Shape of the team's actions.
        cameras: Names of the cameras; an arm k looks through ``wrist_k`` and those of all.
        image_size: (H, W) of every picture [px].
        vocabulary_size: Words that the tokenizer keeps.
        proprioception: Parts of one arm's proprioception.
        messages: How arms talk.
        vision: The picture encoders.
        language: The sentence encoder.
        proprioception_size: Length of the proprioception's vector.
        arm_size: Length of the vector that tells arms apart.
        hidden_sizes: Widths of the layers that fuse everything.
        auxiliary: What else every arm learns, in training only.
        ignored: Entries of one arm's proprioception that the policy does not look at.
        head: How actions are predicted and executed.
        robots: Robot names, one per arm; needed by the costs of coordination and collision.
    """

    space: ActionSpace
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    vocabulary_size: int
    proprioception: PartLayout
    messages: MessageConfig = field(default_factory=MessageConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    proprioception_size: int = 64
    arm_size: int = 16
    hidden_sizes: tuple[int, ...] = (256, 256, 256)
    auxiliary: tuple[AuxiliaryTarget, ...] = ()
    ignored: tuple[int, ...] = ()
    head: HeadConfig = field(default_factory=HeadConfig)
    robots: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        arms = self.space.num_arms
        allowed = ("all", *(f"arm_{k}" for k in range(arms)))
        if self.messages.instruction_for not in allowed:
            raise UserError(f"instruction_for is {self.messages.instruction_for!r}, allowed are {', '.join(allowed)}")
        wrists = len(self.cameras) - len(shared_cameras(self.cameras))
        if wrists not in (0, arms):
            raise UserError(f"there are {wrists} wrist cameras for {arms} arms, expected one per arm or none")

    @property
    def told(self) -> tuple[bool, ...]:
        """For each arm whether it is told the sentence."""
        return tuple(self.messages.instruction_for in ("all", f"arm_{k}") for k in range(self.space.num_arms))


@dataclass(frozen=True)
class ArmThoughts:
    """Where M arms are between the steps of a control step.

    Attributes:
        arms: What they see.
        sentence: (M, E), what they were told.
        known: (M, F), everything they know so far; grows with every round.
        located: What they found in the pictures of every camera, once they have looked.
    """

    arms: ArmInput
    sentence: Tensor
    known: Tensor
    located: Mapping[str, Located] = field(default_factory=dict)


class MsgPassingVLA(LearnedPolicy):
    """One network per arm, with shared weights, that sees one arm's observation and its inbox."""

    obs_mode: ClassVar[str] = "vision"
    config: MsgPassingConfig

    def __init__(self, config: MsgPassingConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.agent_pos is None:
            raise ValueError("a vision-language-action policy needs statistics of agent_pos")
        if missing := [target.name for target in config.auxiliary if target.name not in normalization.auxiliary]:
            raise ValueError(f"auxiliary target {missing[0]} needs statistics")
        arms, talk = config.space.num_arms, config.messages
        self.language = make_language(config.language, config.vocabulary_size)
        self.untold = nn.Parameter(0.1 * torch.randn(config.language.size))
        self.arm = nn.Embedding(arms, config.arm_size)
        self.normalize = Normalize(pool_arms(normalization.agent_pos, arms), config.ignored)
        self.own_frame = OwnFrame(config.proprioception, arms, normalization.agent_pos)
        peers = 4 * (arms - 1) if talk.peers else 0
        felt = self.normalize.size + self.own_frame.size + peers
        self.proprioception = ProprioceptionEncoder(felt, config.proprioception_size)
        known = config.language.size + config.proprioception_size + config.arm_size
        self.writers, self.readers = nn.ModuleList(), nn.ModuleList()
        condition = config.language.size + config.arm_size
        if talk.talks:
            self._add_round(known)
            known, condition = known + talk.inbox_size, condition + talk.inbox_size
        self._shared = shared_cameras(config.cameras)
        kinds = [*self._shared, *([OWN_CAMERA] if len(self._shared) < len(config.cameras) else [])]
        views = {kind: make_vision(config.vision, config.image_size, condition) for kind in kinds}
        self.views = nn.ModuleDict(views)
        known += sum(view.output_size for view in views.values())
        for _ in range(1, talk.rounds if talk.talks else 0):
            self._add_round(known)
            known += talk.inbox_size
        self.trunk = make_trunk(known, config.hidden_sizes)
        one_arm, statistics = replace(config.space, num_arms=1), pool_arms(normalization.actions, arms)
        self.head = make_head(config.hidden_sizes[-1], one_arm, statistics, config.head)
        self.auxiliary = nn.ModuleDict(
            {target.name: nn.Linear(config.hidden_sizes[-1], target.size) for target in config.auxiliary}
        )
        self.normalize_auxiliary = nn.ModuleDict(
            {target.name: Normalize(normalization.auxiliary[target.name]) for target in config.auxiliary}
        )
        self._team_costs = team_costs(config, config.robots, config.proprioception, config.space)

    def _add_round(self, known: int) -> None:
        talk, hidden = self.config.messages, self.config.hidden_sizes[0]
        self.writers.append(nn.Sequential(nn.Linear(known, hidden), nn.ReLU(), nn.Linear(hidden, talk.size), nn.Tanh()))
        self.readers.append(InboxReader(talk.size, talk.inbox_size))

    @property
    def rounds(self) -> int:
        """Messages that an arm writes per control step."""
        return len(self.writers)

    def begin(self, arms: ArmInput) -> ArmThoughts:
        """Read the sentence and feel the joints; an arm that gets no messages also looks."""
        sentence = torch.cat([self.untold[None], self.language(arms.tokens)])[arms.sentence + 1]
        felt = [self.normalize(arms.agent_pos), self.own_frame(arms.agent_pos, arms.arm)]
        if self.config.messages.peers:
            assert arms.peers is not None
            felt.append(arms.peers)
        known = torch.cat([sentence, self.proprioception(torch.cat(felt, dim=-1)), self.arm(arms.arm)], dim=-1)
        thoughts = ArmThoughts(arms, sentence, known)
        return thoughts if self.rounds else self._look(thoughts, [])

    def write(self, thoughts: ArmThoughts, number: int) -> Tensor:
        """Return the messages (M, W) of a round, in [-1, 1]."""
        return self.writers[number](thoughts.known)

    def read(self, thoughts: ArmThoughts, number: int, inbox: Tensor, received: Tensor) -> ArmThoughts:
        """Take in the messages of a round; after the first, look.

        Args:
            thoughts: Before.
            number: Number of the round, from 0.
            inbox: (M, A-1, W).
            received: (M, A-1) bool.
        """
        heard = self.readers[number](inbox, received)
        thoughts = replace(thoughts, known=torch.cat([thoughts.known, heard], dim=-1))
        return thoughts if number else self._look(thoughts, [heard])

    def features(self, thoughts: ArmThoughts) -> Tensor:
        """Return fused features (M, F), from which the heads predict."""
        return self.trunk(thoughts.known)

    def forward(self, seen: PolicyInput, exchange: Exchange = perfect) -> Tensor:
        """Return fused features (B*A, F) of all arms, the arms of a sample side by side."""
        return self.features(self.think(seen, exchange))

    def think(self, seen: PolicyInput, exchange: Exchange = perfect) -> ArmThoughts:
        """Take all steps up to the features, for all arms."""
        config = self.config
        arms = config.space.num_arms
        view = split_team(seen, config.cameras, config.proprioception, config.told, config.messages.peers)
        thoughts = self.begin(view)
        for number in range(self.rounds):
            inbox, received = exchange(self.write(thoughts, number).unflatten(0, (-1, arms)))
            thoughts = self.read(thoughts, number, inbox.flatten(0, 1), received.flatten(0, 1))
        return thoughts

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints``, ``gripper``, ``pointing``, the team's motion's and one per auxiliary target.

        All but those of the team's motion are means over arms.
        """
        config, arms = self.config, self.config.space.num_arms
        generator = batch_generator(batch)
        lossy = self.training and config.messages.dropout > 0
        thoughts = self.think(batch.input, dropping(config.messages.dropout, generator) if lossy else perfect)
        features = self.features(thoughts)
        actions = batch.actions.unflatten(2, (arms, -1)).transpose(1, 2).flatten(0, 1)
        valid = batch.valid.repeat_interleave(arms, dim=0)
        costs, raw = self.head.learn(features, actions, valid, generator)
        costs |= self._team_costs(self.head.motions(raw)[:, 0, 0].unflatten(0, (-1, arms)), batch)
        tell = self.auxiliary, self.normalize_auxiliary
        costs |= auxiliary_costs(*tell, features, batch.auxiliary, batch.auxiliary_valid)
        if config.pointing_weight:
            costs["pointing"] = pointing_cost(
                (found, places_for_arms(batch.places, camera, arms)) for camera, found in thoughts.located.items()
            )
        return config.weigh(costs)

    def chunks(self, seen: PolicyInput, exchange: Exchange = perfect) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        arms = self.arm_chunks(self(seen, exchange)).unflatten(0, (-1, self.config.space.num_arms))
        return arms.transpose(1, 2).flatten(2)

    def arm_chunks(self, features: Tensor) -> Tensor:
        """Return each arm's own next K actions, (M, K, D) float32 in [-1, 1], for features (M, F)."""
        return self.head.decode(self.head(features))

    def _look(self, thoughts: ArmThoughts, heard: Sequence[Tensor]) -> ArmThoughts:
        arms = thoughts.arms
        condition = torch.cat([thoughts.sentence, self.arm(arms.arm), *heard], dim=-1)
        pictures = {camera: arms.shared[camera] for camera in self._shared}
        if arms.own is not None:
            pictures[OWN_CAMERA] = arms.own
        located = {camera: self.views[camera](picture, condition) for camera, picture in pictures.items()}
        points = [found.points for found in located.values()]
        return replace(thoughts, known=torch.cat([thoughts.known, *points], dim=-1), located=located)
