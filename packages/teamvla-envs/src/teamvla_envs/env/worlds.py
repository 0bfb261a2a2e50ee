"""Access to the worlds of a vector environment one by one, as gymnasium's own vector environments give it."""

from typing import Any

from teamvla_envs.arguments import did_you_mean
from teamvla_envs.env.window import OneWorld
from teamvla_envs.errors import UserError

_OF_ALL_WORLDS = ("world", "num_envs")  # as are the methods that a world does not have itself


class World(OneWorld):
    """One world as an environment of its own, with the attributes of the single view.

    Other attributes are looked up in the vector environment, since worlds share them.

    Args:
        vector: The vector environment.
        index: Number of the world.
    """

    def __init__(self, vector: Any, index: int):
        self.vector, self.index = vector, index

    @property
    def task(self) -> str:
        """Registered name of the task."""
        return self.vector.task_name

    @property
    def seed(self) -> int:
        """Seed of the running episode, -1 without one."""
        return int(self.seeds[0])

    @property
    def observation_space(self) -> Any:
        """Space of one world's observation."""
        return self.vector.single_observation_space

    @property
    def action_space(self) -> Any:
        """Space of one world's action."""
        return self.vector.single_action_space

    @property
    def _max_episode_steps(self) -> int:
        return self.vector.max_episode_steps

    def expert_action(self) -> Any:
        """Action of the task's expert, shape ``(A * D,)``."""
        return self.vector.expert_actions()[self.index]

    def hold_actions(self, gripper: float | None = None) -> Any:
        """Action that keeps the arms where they are, shape ``(A * D,)``."""
        return self.vector.hold_actions(gripper)[self.index]

    def __getattr__(self, name: str) -> Any:
        """Look up an attribute that worlds share."""
        shared = not name.startswith("_") and name not in _OF_ALL_WORLDS and hasattr(self.vector, name)
        if shared and not callable(value := getattr(self.vector, name)):
            return value
        if shared or name in _OF_ALL_WORLDS:
            raise AttributeError(f"{name!r} is of all worlds at once: use it on the vector environment itself")
        known = [known for known in {*dir(self.vector), *dir(type(self))} if not known.startswith("_")]
        raise AttributeError(f"worlds have no attribute {name!r}{did_you_mean(name, known)}")


class WorldAccess:
    """``call``, ``get_attr`` and ``set_attr`` of a vector environment."""

    num_envs: int

    @property
    def _worlds(self) -> list[World]:
        if "_each_world" not in self.__dict__:
            self.__dict__["_each_world"] = [World(self, i) for i in range(self.num_envs)]
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
            UserError: If the number of values is wrong, or values differ for an attribute that worlds share.
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
