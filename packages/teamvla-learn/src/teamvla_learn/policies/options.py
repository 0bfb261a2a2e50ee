"""Options of a policy's network that a user can set; everything else follows from the demonstrations."""

from dataclasses import dataclass, field

from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import HeadConfig
from teamvla_learn.policies.losses import LossWeights


@dataclass(frozen=True)
class PolicyOptions:
    """Options of every architecture, the base class of an architecture's own options.

    A field sets the field of the same name in the architecture's configuration. In YAML files and on the command line
    the options of all architectures form the group ``model``.

    Attributes:
        head: Action head.
        losses: Weights of the loss terms.
    """

    head: HeadConfig = field(default_factory=HeadConfig)
    losses: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class VisionLanguageOptions(PolicyOptions):
    """Options of architectures that read images and the instruction.

    Attributes:
        vision: Image encoders.
        language: Instruction encoder.
    """

    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
