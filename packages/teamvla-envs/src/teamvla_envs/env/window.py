"""What the single and the parallel view share with the vector environment behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.world import WorldState


def check_one_world(kwargs: Mapping[str, Any]) -> None:
    """Refuse the arguments of several worlds."""
    for name in ("num_envs", "autoreset_mode"):
        if name in kwargs:
            raise UserError(f"{name}: got {kwargs[name]!r}, but this view has one world, which rests when it has ended")


class Window:
    """A view of a vector environment of one world; arrays have a first axis of 1.

    Attributes:
        vector: The vector environment.
    """

    vector: TeamVectorEnv

    @property
    def task_name(self) -> str:
        """Registered name of the task."""
        return self.vector.task_name

    @property
    def num_arms(self) -> int:
        """Number of arms."""
        return self.vector.num_arms

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the task's phases, in order."""
        return self.vector.phases

    @property
    def goals(self) -> tuple[str, ...]:
        """Outcomes that only the instruction tells apart."""
        return self.vector.goals

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras in observations."""
        return self.vector.cameras

    @property
    def all_cameras(self) -> tuple[str, ...]:
        """Names of all cameras of the scene."""
        return self.vector.all_cameras

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in observations [px]."""
        return self.vector.image_size

    @property
    def control_dt(self) -> float:
        """Duration of a control step [s]."""
        return self.vector.control_dt

    @property
    def max_episode_steps(self) -> int:
        """Control steps after which an episode is truncated."""
        return self.vector.max_episode_steps

    @property
    def action_size(self) -> int:
        """Number of entries of one arm's action."""
        return self.vector.action_size

    @property
    def action_parts(self) -> tuple[tuple[str, int], ...]:
        """Names and lengths of the entries of one arm's action."""
        return self.vector.action_parts

    @property
    def agent_pos_parts(self) -> tuple[tuple[str, int], ...]:
        """Names and lengths of the parts of one arm's proprioception."""
        return self.vector.agent_pos_parts

    @property
    def environment_state_parts(self) -> tuple[tuple[str, int], ...]:
        """Names and lengths of the parts of the privileged state."""
        return self.vector.environment_state_parts

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """JSON-able arguments that make the same environment again."""
        return self.vector.env_kwargs

    @property
    def seeds(self) -> np.ndarray:
        """Seed of the running episode, -1 without one, shape ``(1,)``."""
        return self.vector.seeds

    @property
    def steps(self) -> np.ndarray:
        """Control steps of the running episode, shape ``(1,)``."""
        return self.vector.steps

    @property
    def instructions(self) -> list[str]:
        """The sentence of the running episode, in a list of one."""
        return self.vector.instructions

    @property
    def goal_names(self) -> list[str]:
        """The goal of the running episode, in a list of one."""
        return self.vector.goal_names

    @property
    def world(self) -> WorldState:
        """The present state of the world, first axis 1."""
        return self.vector.world

    @property
    def signals(self) -> Mapping[str, Any]:
        """The task's signals in the present state, first axis 1."""
        return self.vector.signals

    def push(self, world: int, body: str, impulse: Sequence[float] | np.ndarray) -> None:
        """Push a free body of the world, which is number 0; see :meth:`TeamVectorEnv.push`."""
        self.vector.push(world, body, impulse)

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, arrays with first axis 1."""
        return self.vector.get_state()

    def render(self) -> np.ndarray | None:
        """A front view of ``render_size``, shape ``(height, width, 3)`` uint8, in ``rgb_array`` mode."""
        frames = self.vector.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Free threads and renderer."""
        self.vector.close()
