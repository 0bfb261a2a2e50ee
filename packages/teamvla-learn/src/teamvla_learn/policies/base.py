"""Base class of policy architectures."""

from abc import abstractmethod
from dataclasses import fields
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.losses import LossTerm
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.training_data import TrainingData


class LearnedPolicy(nn.Module):
    """A network that is trained by imitation, with its loss and its action prediction.

    Configuration and normalization determine the shape of the network and are stored in ``config.json``. Fields of the
    configuration with the following names have a fixed meaning; all but ``space`` are optional:

    - ``space``: :class:`~teamvla_learn.policies.action_head.ActionSpace` of the team;
    - ``head``: :class:`~teamvla_learn.policies.action_head.HeadConfig`, whose ``ensembling`` blends action chunks;
    - ``cameras`` and ``image_size``: the cameras that the network reads and (H, W) of their images [px];
    - ``language`` and ``vocabulary_size``: the instruction encoder and the number of words in its tokenizer;
    - ``parts``: layout of ``environment_state``, which must equal that of the environment;
    - ``messages``: :class:`~teamvla_learn.policies.msg_passing.MessageConfig` of a team that communicates.

    Attributes:
        name: Registered name, set by :func:`~teamvla_learn.policies.registry.register_policy`.
        obs_mode: Observation mode of its environments: ``vision`` (images, proprioception, instruction) or ``state``
            (the privileged state vector).
        config_class: Frozen dataclass of its configuration.
        options_class: Frozen dataclass of the options that a user can set.
        default_minutes: Length of a training that sets neither steps nor minutes [min].
        learns_auxiliary: Whether it learns to predict the parts of the privileged state that ``auxiliary`` names.
        config: Its configuration, an instance of ``config_class``.
        normalization: Statistics of the training demonstrations: those of the actions, and those of ``agent_pos``
            (``vision``) or ``environment_state`` (``state``).
    """

    name: ClassVar[str]
    obs_mode: ClassVar[str]
    config_class: ClassVar[type]
    options_class: ClassVar[type[PolicyOptions]] = PolicyOptions
    default_minutes: ClassVar[float] = 5.0
    learns_auxiliary: ClassVar[bool] = False

    def __init__(self, config: Any, normalization: Normalization):
        super().__init__()
        self.config = config
        self.normalization = normalization

    @classmethod
    @abstractmethod
    def from_data(cls, data: TrainingData, options: Any) -> Self:
        """Make an untrained network for demonstrations.

        Args:
            data: The training demonstrations.
            options: An instance of ``options_class``.

        Raises:
            UserError: When the architecture cannot be trained on them.
        """

    @classmethod
    def has_option(cls, name: str) -> bool:
        """Return whether the architecture has an option, such as ``language`` if it reads the instruction."""
        return name in {entry.name for entry in fields(cls.options_class)}

    @property
    def rounds(self) -> int:
        """Number of messages that an arm sends per control step; with 0 the arms do not communicate."""
        return 0

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the named, weighted terms of the training loss on a batch."""

    @abstractmethod
    def predict_chunk(self, obs: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1].

        An architecture with ``rounds`` also takes an :data:`~teamvla_learn.policies.messages.Exchange`.
        """
