"""Attributes of the worlds of a vector environment, one by one, as gymnasium's own vector environments give them."""

from typing import TYPE_CHECKING, Any

from teamvla_envs.arguments import did_you_mean
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


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

    def push(self, body: str, impulse: Any) -> None:
        """Push a free body by an impulse ``(3,)`` [N·s]."""
        self._vector.push(self._index, body, impulse)

    def render(self) -> Any:
        """Front view in ``rgb_array`` mode, shape ``(height, width, 3)`` uint8."""
        if self._vector.render_mode is None:
            return None
        return self._vector.render_frames(size=self._vector.render_size, worlds=[self._index])[0]

    def __getattr__(self, name: str) -> Any:
        """What worlds share."""
        try:
            value = getattr(self._vector, name)
            if callable(value):  # it would act on all worlds
                raise AttributeError(name)
            return value
        except AttributeError:
            known = [known for known in {*dir(self._vector), *dir(type(self))} if not known.startswith("_")]
            raise AttributeError(f"worlds have no attribute {name!r}{did_you_mean(name, known)}") from None


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
