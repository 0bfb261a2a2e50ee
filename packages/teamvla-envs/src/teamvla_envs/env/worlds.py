"""Attributes of the worlds of a vector environment, one by one, as gymnasium's own vector environments give them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.arguments import check_whole, did_you_mean
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_OF_ALL_WORLDS = ("world", "num_envs")  # as are the methods that a world does not have itself


class World:
    """One world as an environment of its own: what the single view calls by these names.

    All else is looked up in the vector environment, since worlds share it.

    Args:
        vector: The vector environment.
        index: Number of the world.
    """

    def __init__(self, vector: "TeamVectorEnv", index: int):
        self._vector, self._index = vector, index

    @property
    def task(self) -> str:
        """Registered name of the task."""
        return self._vector.task_name

    @property
    def task_description(self) -> str:
        """The sentence of the running episode."""
        return self._vector.instructions[self._index]

    @property
    def goal_name(self) -> str:
        """The goal of the running episode."""
        return self._vector.goal_names[self._index]

    @property
    def seed(self) -> int:
        """Seed of the running episode, -1 without one."""
        return int(self._vector.seeds[self._index])

    @property
    def seeds(self) -> np.ndarray:
        """Seed of the running episode, -1 without one, shape ``(1,)``."""
        return self._vector.seeds[[self._index]]

    @property
    def steps(self) -> np.ndarray:
        """Control steps of the running episode, shape ``(1,)``."""
        return self._vector.steps[[self._index]]

    @property
    def instructions(self) -> list[str]:
        """The sentence of the running episode, in a list of one."""
        return [self.task_description]

    @property
    def goal_names(self) -> list[str]:
        """The goal of the running episode, in a list of one."""
        return [self.goal_name]

    @property
    def signals(self) -> dict[str, Any]:
        """The task's signals in the present state, first axis 1."""
        return {name: values[[self._index]] for name, values in self._vector.signals.items()}

    @property
    def observation_space(self) -> Any:
        """Space of one world's observation."""
        return self._vector.single_observation_space

    @property
    def action_space(self) -> Any:
        """Space of one world's action."""
        return self._vector.single_action_space

    @property
    def _max_episode_steps(self) -> int:
        return self._vector.max_episode_steps

    def expert_action(self) -> Any:
        """Action of the task's expert, shape ``(A * D,)``."""
        return self._vector.expert_actions()[self._index]

    def hold_actions(self, gripper: float | None = None) -> Any:
        """Action that keeps the arms where they are, shape ``(A * D,)``."""
        return self._vector.hold_actions(gripper)[self._index]

    def push(self, world: int, body: str, impulse: Any) -> None:
        """Push a free body of the world, which is number 0, by an impulse ``(3,)`` [N·s]."""
        check_whole("world", world, 0, 0)
        self._vector.push(self._index, body, impulse)

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, arrays with first axis 1."""
        return {name: values[[self._index]] for name, values in self._vector.get_state().items()}

    def render(self) -> Any:
        """Front view in ``rgb_array`` mode, shape ``(height, width, 3)`` uint8."""
        if self._vector.render_mode is None:
            return None
        return self._vector.render_frames(size=self._vector.render_size, worlds=[self._index])[0]

    def __getattr__(self, name: str) -> Any:
        """What worlds share."""
        shared = not name.startswith("_") and name not in _OF_ALL_WORLDS and hasattr(self._vector, name)
        if shared and not callable(value := getattr(self._vector, name)):
            return value
        if shared or name in _OF_ALL_WORLDS:
            raise AttributeError(f"{name!r} is of all worlds at once: use it on the vector environment itself")
        known = [known for known in {*dir(self._vector), *dir(type(self))} if not known.startswith("_")]
        raise AttributeError(f"worlds have no attribute {name!r}{did_you_mean(name, known)}")


class WorldAccess:
    """``call``, ``get_attr`` and ``set_attr`` of a vector environment."""

    num_envs: int

    @property
    def _worlds(self) -> list[World]:
        if "_each_world" not in self.__dict__:
            vector: Any = self
            self.__dict__["_each_world"] = [World(vector, i) for i in range(self.num_envs)]
        worlds: list[World] = self.__dict__["_each_world"]
        return worlds

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every world, or read an attribute.

        Args:
            name: Name in the single view, such as ``"task_description"`` or ``"expert_action"``.
            *args: Arguments of the method.
            **kwargs: Keyword arguments of the method.

        Returns:
            One value per world.
        """
        values = [getattr(world, name) for world in self._worlds]
        return tuple(value(*args, **kwargs) if callable(value) else value for value in values)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Read an attribute of every world; see :meth:`call`."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every world.

        Args:
            name: Name of the attribute.
            values: One value for all worlds, or a list or tuple of one per world.

        Raises:
            UserError: If their number is wrong, or differing values are given for what worlds share.
        """
        each = values if isinstance(values, (list, tuple)) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise UserError(f"values: got {len(each)} for {self.num_envs} worlds")
        if hasattr(self, name):
            if any(value is not each[0] and value != each[0] for value in each):
                raise UserError(f"values: worlds share {name!r}, got different ones")
            try:
                setattr(self, name, each[0])
            except AttributeError:
                raise UserError(f"name: {name!r} cannot be set") from None
        else:
            for world, value in zip(self._worlds, each, strict=True):
                setattr(world, name, value)
