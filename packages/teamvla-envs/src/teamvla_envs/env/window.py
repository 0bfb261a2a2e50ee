"""One world of a vector environment: the attributes that single worlds and the views with one world share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import numpy as np

from teamvla_envs.arguments import check_whole
from teamvla_envs.errors import UserError
from teamvla_envs.scene.compose import Scene
from teamvla_envs.world import WorldState

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

T = TypeVar("T")


def check_one_world(kwargs: Mapping[str, Any]) -> None:
    """Refuse the arguments of several worlds."""
    for name in ("num_envs", "autoreset_mode"):
        if name in kwargs:
            raise UserError(
                f"{name}: got {kwargs[name]!r}, but this view has one world, which rests after its episode ends"
            )


class Shared(Generic[T]):
    """Read-only attribute that all worlds of a vector environment share.

    Args:
        doc: Its docstring.
    """

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        """Keep the name of the attribute."""
        self._name = name

    @overload
    def __get__(self, world: None, owner: type) -> Self: ...

    @overload
    def __get__(self, world: "OneWorld", owner: type) -> T: ...

    def __get__(self, world: "OneWorld | None", owner: type) -> Self | T:
        """Read it from the vector environment."""
        if world is None:
            return self
        value: T = getattr(world.vector, self._name)
        return value

    def __set__(self, world: "OneWorld", value: Any) -> None:
        """Refuse to set it."""
        raise AttributeError(f"{self._name!r} cannot be set")


class OneWorld:
    """One world of a vector environment; arrays have a first axis of 1.

    Attributes:
        vector: The vector environment.
        index: Number of the world.
    """

    vector: "TeamVectorEnv"
    index: int = 0

    task_name = Shared[str]("Registered name of the task.")
    num_arms = Shared[int]("Number of arms.")
    phases = Shared[tuple[str, ...]]("Names of the task's phases, in order.")
    goals = Shared[tuple[str, ...]]("Outcomes that only the instruction distinguishes.")
    cameras = Shared[tuple[str, ...]]("Names of the cameras in observations.")
    all_cameras = Shared[tuple[str, ...]]("Names of all cameras of the scene.")
    image_size = Shared[tuple[int, int]]("Height and width of the images in observations [px].")
    control_dt = Shared[float]("Duration of a control step [s].")
    max_episode_steps = Shared[int]("Control steps after which an episode is truncated.")
    action_size = Shared[int]("Number of entries of one arm's action.")
    action_parts = Shared[tuple[tuple[str, int], ...]]("Names and lengths of the entries of one arm's action.")
    agent_pos_parts = Shared[tuple[tuple[str, int], ...]]("Names and lengths of the parts of one arm's proprioception.")
    environment_state_parts = Shared[tuple[tuple[str, int], ...]](
        "Names and lengths of the parts of the privileged state."
    )
    env_kwargs = Shared[dict[str, Any]]("JSON-able arguments that make an environment with the same episodes.")
    scene = Shared[Scene]("Arms, props and cameras that stand in the world.")

    @property
    def task_description(self) -> str:
        """The instruction of the running episode."""
        return self.vector.instructions[self.index]

    @property
    def goal_name(self) -> str:
        """The goal of the running episode."""
        return self.vector.goal_names[self.index]

    @property
    def instructions(self) -> list[str]:
        """The instruction of the running episode, in a list of one."""
        return [self.task_description]

    @property
    def goal_names(self) -> list[str]:
        """The goal of the running episode, in a list of one."""
        return [self.goal_name]

    @property
    def seeds(self) -> np.ndarray:
        """Seed of the running episode, -1 without one, shape ``(1,)``."""
        return self.vector.seeds[[self.index]]

    @property
    def steps(self) -> np.ndarray:
        """Control steps of the running episode, shape ``(1,)``."""
        return self.vector.steps[[self.index]]

    @property
    def signals(self) -> Mapping[str, Any]:
        """The task's signals in the present state, first axis 1."""
        return {name: values[[self.index]] for name, values in self.vector.signals.items()}

    def episode_facts(self) -> dict[str, np.ndarray]:
        """Numeric facts that the task drew for the running episode: name to an array with first axis 1."""
        return {name: values[[self.index]] for name, values in self.vector.episode_facts().items()}

    def model_fields(self) -> dict[tuple[str, str], np.ndarray]:
        """Model fields that differ between worlds: ``(field, name)`` to an array with first axis 1."""
        return {key: values[[self.index]] for key, values in self.vector.model_fields().items()}

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, arrays with first axis 1."""
        return {name: values[[self.index]] for name, values in self.vector.get_state().items()}

    def push(self, world: int, body: str, impulse: Sequence[float] | np.ndarray) -> None:
        """Push a free body of the world, number 0, by an impulse ``(3,)`` [N·s]; see :meth:`TeamVectorEnv.push`."""
        check_whole("world", world, 0, 0)
        self.vector.push(self.index, body, impulse)

    def render(self) -> np.ndarray | None:
        """A front image of ``render_size``, shape ``(height, width, 3)`` uint8, in ``rgb_array`` mode."""
        if self.vector.render_mode is None:
            self.vector.render()  # warns
            return None
        return self.vector.render_frames(size=self.vector.render_size, worlds=[self.index])[0]


class Window(OneWorld):
    """A view of a vector environment with one world."""

    @property
    def world(self) -> WorldState:
        """The present state of the world, first axis 1."""
        return self.vector.world

    def close(self) -> None:
        """Free threads and renderer."""
        self.vector.close()
