"""MsgPassingVLA: one network that every arm runs on its own observation and the messages it receives.

Messages are exchanged in rounds within a control step. The first message is written before an arm encodes its images,
from instruction and proprioception, so that received messages can direct the image encoder; later ones are written
after. The same four methods (:meth:`MsgPassingVLA.begin`, ``write``, ``read``, ``features``) serve training, where the
arms of a batch are rows of one tensor, and single arms (:mod:`teamvla_learn.policies.decentralized`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, ClassVar, Self

import torch
import tyro
from teamvla_envs.errors import UserError
from torch import Tensor, nn

from teamvla_learn.config_io import check_at_least
from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.factory import make_language, make_vision
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.proprioception import ProprioceptionEncoder
from teamvla_learn.encoders.spatial_softmax import Keypoints
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.arm_view import (
    ArmInput,
    OwnFrame,
    keypoints_for_arms,
    pool_arms,
    split_team,
)
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.losses import AuxiliaryTarget, LossTerm, LossWeights, auxiliary_costs, pointing_cost
from teamvla_learn.policies.messages import Exchange, InboxReader, dropping, perfect
from teamvla_learn.policies.mlp import make_mlp
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.options import PolicyOptions, VisionLanguageOptions
from teamvla_learn.policies.registry import register_policy
from teamvla_learn.policies.team_losses import TeamCosts
from teamvla_learn.policies.training_data import TrainingData, ignored_entries


@dataclass(frozen=True)
class MessageConfig:
    """Communication between the arms of a ``msg`` policy.

    Attributes:
        size: W, numbers in a message, each in [-1, 1]; 0 for a team that does not communicate.
        rounds: Messages per control step; 0 for a team that does not communicate.
        inbox_size: Length of the encoded inbox.
        dropout: Probability that a message is lost in training, which makes the policy robust to a lossy channel.
        instruction_for: ``all`` or ``arm_k``: the arms that receive the instruction.
        peers: Whether an arm also observes the tool positions and gripper openings of the other arms. By default it
            knows only what their messages contain and its cameras show.
    """

    size: Annotated[int, tyro.conf.arg(aliases=["--message-size"])] = 32
    rounds: Annotated[int, tyro.conf.arg(aliases=["--rounds"])] = 2
    inbox_size: int = 64
    dropout: float = 0.1
    instruction_for: Annotated[str, tyro.conf.arg(aliases=["--instruction-for"])] = "all"
    peers: bool = False

    def __post_init__(self) -> None:
        check_at_least(self, 0, "size", "rounds")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout is {self.dropout}, expected 0 to less than 1")

    @property
    def communicates(self) -> bool:
        """Whether the arms exchange messages."""
        return self.size > 0 and self.rounds > 0


@dataclass(frozen=True)
class MsgPassingOptions(VisionLanguageOptions):
    """Options of a :class:`MsgPassingVLA`.

    Attributes:
        messages: Communication between the arms.
    """

    messages: MessageConfig = field(default_factory=MessageConfig)


@dataclass(frozen=True)
class MsgPassingConfig(LossWeights):
    """Sizes and loss weights of a :class:`MsgPassingVLA`.

    Attributes:
        space: Shape of the team's actions.
        cameras: Names of the cameras; arm k sees the shared cameras and those that it carries, such as ``wrist_k``.
        image_size: (H, W) of every image [px].
        vocabulary_size: Number of words in the tokenizer.
        proprioception: Layout of one arm's proprioception.
        messages: Communication between the arms.
        vision: Image encoders.
        language: Instruction encoder.
        proprioception_size: Length of the encoded proprioception.
        arm_size: Length of the embedding of the arm's number.
        hidden_sizes: Widths of the fusion layers.
        auxiliary: Auxiliary targets of every arm, in training only.
        ignored: Entries of one arm's proprioception that the policy does not read.
        head: Action head.
        robots: Robot of each arm; required by the coordination and collision losses.
        own_cameras: Names of the cameras that every arm carries, without the number of the arm.
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
    own_cameras: tuple[str, ...] = ("wrist",)

    def __post_init__(self) -> None:
        arms = self.space.num_arms
        allowed = ("all", *(f"arm_{k}" for k in range(arms)))
        if self.messages.instruction_for not in allowed:
            raise UserError(f"instruction_for is {self.messages.instruction_for!r}, allowed are {', '.join(allowed)}")
        for name, cameras in self.carried.items():
            if missing := [camera for camera in cameras if camera not in self.cameras]:
                raise UserError(f"cameras lacks {missing[0]}, expected the {name} cameras of all arms or of none")

    @property
    def carried(self) -> dict[str, tuple[str, ...]]:
        """Cameras that the arms carry: name without the number of the arm -> the camera of each arm."""
        cameras = {name: tuple(f"{name}_{k}" for k in range(self.space.num_arms)) for name in self.own_cameras}
        return {name: each for name, each in cameras.items() if set(each) & set(self.cameras)}

    @property
    def shared(self) -> tuple[str, ...]:
        """Cameras that all arms see."""
        carried = {camera for cameras in self.carried.values() for camera in cameras}
        return tuple(camera for camera in self.cameras if camera not in carried)

    @property
    def instructed(self) -> tuple[bool, ...]:
        """Whether each arm receives the instruction."""
        return tuple(self.messages.instruction_for in ("all", f"arm_{k}") for k in range(self.space.num_arms))


@dataclass(frozen=True)
class ArmFeatures:
    """Features of M arms between the steps of a control step.

    Attributes:
        arms: Input of the arms.
        instruction: (M, E) float32, encoded instruction, or the learned vector of an arm without instruction.
        vector: (M, F) float32, all features so far; every round appends to it.
        keypoints: Keypoints of every camera, once the images are encoded.
    """

    arms: ArmInput
    instruction: Tensor
    vector: Tensor
    keypoints: Mapping[str, Keypoints] = field(default_factory=dict)


@register_policy("msg")
class MsgPassingVLA(LearnedPolicy):
    """One network per arm, with shared weights, that reads one arm's observation and its inbox."""

    obs_mode: ClassVar[str] = "vision"
    config_class: ClassVar[type] = MsgPassingConfig
    options_class: ClassVar[type[PolicyOptions]] = MsgPassingOptions
    learns_auxiliary: ClassVar[bool] = True
    config: MsgPassingConfig

    def __init__(self, config: MsgPassingConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.agent_pos is None:
            raise ValueError("a vision-language-action policy needs statistics of agent_pos")
        if missing := [target.name for target in config.auxiliary if target.name not in normalization.auxiliary]:
            raise ValueError(f"auxiliary target {missing[0]} needs statistics")
        arms, messages = config.space.num_arms, config.messages
        self.language = make_language(config.language, config.vocabulary_size)
        self.untold = nn.Parameter(0.1 * torch.randn(config.language.size))  # replaces a missing instruction
        self.arm = nn.Embedding(arms, config.arm_size)
        self.normalize = Normalize(pool_arms(normalization.agent_pos, arms), config.ignored)
        self.own_frame = OwnFrame(config.proprioception, arms, normalization.agent_pos)
        peers = 4 * (arms - 1) if messages.peers else 0
        proprioception = self.normalize.size + self.own_frame.size + peers
        self.proprioception = ProprioceptionEncoder(proprioception, config.proprioception_size)
        size = config.language.size + config.proprioception_size + config.arm_size
        self.writers, self.readers = nn.ModuleList(), nn.ModuleList()
        condition = config.language.size + config.arm_size
        if messages.communicates:
            self._add_round(size)
            size, condition = size + messages.inbox_size, condition + messages.inbox_size
        cameras = (*config.shared, *config.carried)
        views = {camera: make_vision(config.vision, config.image_size, condition) for camera in cameras}
        self.views = nn.ModuleDict(views)
        size += sum(view.output_size for view in views.values())
        for _ in range(1, messages.rounds if messages.communicates else 0):
            self._add_round(size)
            size += messages.inbox_size
        self.trunk = make_mlp(size, config.hidden_sizes)
        one_arm, statistics = replace(config.space, num_arms=1), pool_arms(normalization.actions, arms)
        self.head = make_head(config.hidden_sizes[-1], one_arm, statistics, config.head)
        self.auxiliary = nn.ModuleDict(
            {target.name: nn.Linear(config.hidden_sizes[-1], target.size) for target in config.auxiliary}
        )
        self.normalize_auxiliary = nn.ModuleDict(
            {target.name: Normalize(normalization.auxiliary[target.name]) for target in config.auxiliary}
        )
        self._team_costs = TeamCosts(config, config.robots, config.proprioception, config.space)

    @classmethod
    def from_data(cls, data: TrainingData, options: MsgPassingOptions) -> Self:
        """Make an untrained network for demonstrations with images."""
        targets, layout = data.auxiliary_targets, data.source.agent_pos
        config = MsgPassingConfig(
            space=data.action_space,
            cameras=data.cameras,
            image_size=data.image_size,
            vocabulary_size=data.vocabulary_size,
            proprioception=layout,
            messages=options.messages,
            vision=options.vision,
            language=options.language,
            auxiliary=targets,
            ignored=ignored_entries(layout, data.source.tasks),
            head=options.head,
            robots=data.robots(options.losses),
            own_cameras=data.own_cameras,
            **asdict(options.losses),
        )
        return cls(config, data.normalization(cls.obs_mode, targets))

    def _add_round(self, size: int) -> None:
        messages, hidden = self.config.messages, self.config.hidden_sizes[0]
        self.writers.append(
            nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, messages.size), nn.Tanh())
        )
        self.readers.append(InboxReader(messages.size, messages.inbox_size))

    @property
    def rounds(self) -> int:
        """Number of messages that an arm sends per control step."""
        return len(self.writers)

    def begin(self, arms: ArmInput) -> ArmFeatures:
        """Encode instruction and proprioception of M arms, and the images too if the arms do not communicate."""
        instruction = torch.cat([self.untold[None], self.language(arms.tokens)])[arms.instruction + 1]
        proprioception = [self.normalize(arms.agent_pos), self.own_frame(arms.agent_pos, arms.arm)]
        if self.config.messages.peers:
            assert arms.peers is not None
            proprioception.append(arms.peers)
        encoded = self.proprioception(torch.cat(proprioception, dim=-1))
        features = ArmFeatures(arms, instruction, torch.cat([instruction, encoded, self.arm(arms.arm)], dim=-1))
        return features if self.rounds else self._encode_images(features, [])

    def write(self, features: ArmFeatures, number: int) -> Tensor:
        """Return the messages of round ``number``, (M, W) float32 in [-1, 1]."""
        return self.writers[number](features.vector)

    def read(self, features: ArmFeatures, number: int, inbox: Tensor, received: Tensor) -> ArmFeatures:
        """Append the inbox of a round to the features; after the first round, encode the images.

        Args:
            features: Features before the round.
            number: Number of the round, from 0.
            inbox: (M, A-1, W) float32, messages of the other arms in order of their number.
            received: (M, A-1) bool, whether each message arrived.
        """
        encoded = self.readers[number](inbox, received)
        features = replace(features, vector=torch.cat([features.vector, encoded], dim=-1))
        return features if number else self._encode_images(features, [encoded])

    def features(self, features: ArmFeatures) -> Tensor:
        """Return the fused features (M, F) that the heads read."""
        return self.trunk(features.vector)

    def forward(self, obs: PolicyInput, exchange: Exchange = perfect) -> Tensor:
        """Return the fused features (B*A, F) of all arms; the arms of a sample are consecutive rows."""
        return self.features(self.encode(obs, exchange))

    def encode(self, obs: PolicyInput, exchange: Exchange = perfect) -> ArmFeatures:
        """Encode the observations of all arms and exchange all messages."""
        config = self.config
        arms = config.space.num_arms
        layout, peers = config.proprioception, config.messages.peers
        features = self.begin(split_team(obs, config.shared, config.carried, layout, config.instructed, peers))
        for number in range(self.rounds):
            inbox, received = exchange(self.write(features, number).unflatten(0, (-1, arms)))
            features = self.read(features, number, inbox.flatten(0, 1), received.flatten(0, 1))
        return features

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints``, ``gripper``, ``pointing``, the team losses and one per auxiliary target.

        All but the team losses are means over arms.
        """
        config, arms = self.config, self.config.space.num_arms
        generator = batch.generator()
        lossy = self.training and config.messages.dropout > 0
        encoded = self.encode(batch.input, dropping(config.messages.dropout, generator) if lossy else perfect)
        features = self.features(encoded)
        actions = batch.actions.unflatten(2, (arms, -1)).transpose(1, 2).flatten(0, 1)
        valid = batch.valid.repeat_interleave(arms, dim=0)
        costs, raw = self.head.compute_loss(features, actions, valid, generator)
        costs |= self._team_costs(self.head.denormalize(raw)[:, 0, 0].unflatten(0, (-1, arms)), batch)
        heads = self.auxiliary, self.normalize_auxiliary
        costs |= auxiliary_costs(*heads, features, batch.auxiliary, batch.auxiliary_valid)
        if config.pointing_weight:
            costs["pointing"] = pointing_cost(
                (found, keypoints_for_arms(batch.keypoints, config.carried.get(camera, (camera,) * arms)))
                for camera, found in encoded.keypoints.items()
            )
        return config.weigh(costs)

    def predict_chunk(self, obs: PolicyInput, exchange: Exchange = perfect) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        arms = self.predict_arm_chunk(self(obs, exchange)).unflatten(0, (-1, self.config.space.num_arms))
        return arms.transpose(1, 2).flatten(2)

    def predict_arm_chunk(self, features: Tensor) -> Tensor:
        """Return the next K actions of each arm, (M, K, D) float32 in [-1, 1], from features (M, F)."""
        return self.head.decode(self.head(features))

    def _encode_images(self, features: ArmFeatures, inbox: Sequence[Tensor]) -> ArmFeatures:
        arms = features.arms
        condition = torch.cat([features.instruction, self.arm(arms.arm), *inbox], dim=-1)
        keypoints = {camera: view(arms.images[camera], condition) for camera, view in self.views.items()}
        points = [found.points for found in keypoints.values()]
        return replace(features, vector=torch.cat([features.vector, *points], dim=-1), keypoints=keypoints)
