"""What a user chooses about a policy's network; the demonstrations decide the rest."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import HeadConfig
from teamvla_learn.policies.fusion import Fusion
from teamvla_learn.policies.losses import LossWeights
from teamvla_learn.policies.msg_passing import MessageConfig


@dataclass(frozen=True)
class PolicyOptions:
    """Choices about the network.

    Attributes:
        vision: The picture encoders.
        language: The sentence encoder.
        fusion: How a ``vla`` policy brings together what it sees, is told and feels: ``concat`` puts it side by side;
            ``attention`` adds the answers of every arm's cross-attention to it.
        head: How actions are predicted and executed.
        losses: What each term of the loss counts.
        messages: How arms talk and who is told the sentence; of a ``msg`` policy.
    """

    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    fusion: Annotated[Fusion, tyro.conf.arg(aliases=["--fusion"])] = "concat"
    head: HeadConfig = field(default_factory=HeadConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    messages: MessageConfig = field(default_factory=MessageConfig)
