"""Training demonstrations as the factory of an architecture sees them, and the parts of a network they determine."""

from collections.abc import Sequence
from dataclasses import dataclass

from teamvla_envs.errors import UserError
from teamvla_envs.scene.robots.registry import get_robot, registered_robots

from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.normalization import Normalization, Statistics
from teamvla_learn.data.part_flags import parts_with
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.losses import AuxiliaryTarget, LossWeights


@dataclass(frozen=True)
class TrainingData:
    """Training demonstrations and the settings that do not depend on the architecture.

    Attributes:
        samples: Training samples.
        source: Metadata of the demonstration files.
        tokenizer: Tokenizer of the instructions; None for an architecture without the option ``language``.
        chunk_length: K, actions predicted at once.
        auxiliary: Parts of ``environment_state`` that the policy also learns to predict; None takes those
            with the flag ``auxiliary`` that the files hold.
    """

    samples: MultiTaskDataset
    source: DemoSource
    tokenizer: Tokenizer | None = None
    chunk_length: int = 1
    auxiliary: tuple[str, ...] | None = None

    @property
    def action_space(self) -> ActionSpace:
        """Shape of the team's actions."""
        size, layout = self.samples.expert_actions.shape[1], self.source.action
        arms, rest = divmod(size, max(layout.size, 1))
        if rest or not arms:
            raise UserError(
                f"{self.source.path} has {size} action entries, expected a multiple of the {layout.size} of one arm"
            )
        return ActionSpace(arms, layout.size, layout.entries_with("gripper"), self.chunk_length)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.samples.pixels)

    @property
    def own_cameras(self) -> tuple[str, ...]:
        """Names of the cameras that the arms carry, as their robots declare them."""
        robots = [get_robot(name) for name in self.source.files[0].robots if name in registered_robots()]
        return tuple(dict.fromkeys(camera.name for robot in robots for camera in robot.cameras))

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the images [px]."""
        height, width = next(iter(self.samples.pixels.values())).shape[1:3]
        return height, width

    @property
    def vocabulary_size(self) -> int:
        """Number of words in the tokenizer."""
        return len(self.tokenizer.vocabulary) if self.tokenizer else 0

    @property
    def auxiliary_targets(self) -> tuple[AuxiliaryTarget, ...]:
        """Parts of the privileged state that the policy also learns to predict.

        Raises:
            UserError: When the files do not hold one of them.
        """
        known, names = self.source.targets, self.auxiliary
        if names is None:
            names = tuple(name for name in parts_with("auxiliary", self.source.tasks) if name in known)
        if missing := [name for name in names if name not in known]:
            allowed = ", ".join(known) or "none"
            raise UserError(
                f"auxiliary has {missing[0]!r}, which {self.source.path} does not hold; allowed are {allowed}"
            )
        return tuple(AuxiliaryTarget(name, known[name]) for name in names)

    def normalization(self, obs_mode: str, targets: Sequence[AuxiliaryTarget] = ()) -> Normalization:
        """Return the statistics that a policy with this observation mode and these auxiliary targets needs.

        Raises:
            UserError: When the files do not hold a common ``environment_state`` for a state policy.
        """
        data, source = self.samples, self.source
        if obs_mode == "state" and not data.environment_state.shape[1]:
            raise UserError(
                f"{source.path} holds no environment_state, which a state policy learns from"
                if len(source.tasks) == 1
                else f"the privileged states of {', '.join(source.tasks)} differ: a state policy learns one task"
            )
        parts = {target.name: data.part(target.name) for target in targets}
        return Normalization(
            actions=Statistics.of(data.expert_actions),
            agent_pos=None if obs_mode == "state" else Statistics.of(data.agent_pos),
            environment_state=Statistics.of(data.environment_state) if obs_mode == "state" else None,
            auxiliary={name: Statistics.of(values[present]) for name, (values, present) in parts.items()},
        )

    def robots(self, losses: LossWeights) -> tuple[str, ...]:
        """Return the robot of each arm if a loss needs their kinematics, else nothing.

        Raises:
            UserError: When such a loss cannot be computed for the actions of the files.
        """
        if not (losses.coordination_weight or losses.collision_weight):
            return ()
        mode = self.source.env_kwargs.get("action_mode")
        for name in ("coordination_weight", "collision_weight"):
            if getattr(losses, name) and mode != "joint_delta":
                raise UserError(
                    f"{name} is {getattr(losses, name)}, which needs action_mode joint_delta; "
                    f"{self.source.path} has {mode}"
                )
        return self.source.files[0].robots


def ignored_entries(layout: PartLayout, tasks: Sequence[str]) -> tuple[int, ...]:
    """Return the entries of a vector that a policy must not read: velocities and commands.

    They copy the expert's last motion: a policy that reads them learns to continue its previous action.

    Args:
        layout: Parts of the vector.
        tasks: Tasks of the demonstrations, whose parts have the flags.
    """
    ignored = (*parts_with("velocity", tasks), *parts_with("command", tasks))
    spans = ((name.rpartition("/")[2], start, stop) for name, start, stop in layout.spans())
    return tuple(i for name, start, stop in spans if name in ignored for i in range(start, stop))
