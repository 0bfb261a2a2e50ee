"""Swapped goals: the instruction names another goal of the same scene, and both goals are judged.

The environment runs the goal of the instruction, so all observations agree with it. The goal that the seed drew is
judged in addition, by the rules of the task.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.errors import UserError
from teamvla_envs.rollout import Step

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


class SwappedGoals:
    """Observer that resets an environment to swapped goals and judges the original ones.

    Args:
        env: An environment whose task has two goals or more.

    Attributes:
        goals: Original goal of each world, N names.
        success_step: Control step at which the original goal was reached and held, 0 before, shape ``(N,)``.
    """

    def __init__(self, env: "TeamVectorEnv"):
        self._env, self._task = env, env.task
        if len(env.goals) < 2:
            raise UserError(f"swap-instruction: task {env.task_name} has the goal {env.goals[0]} only")
        n = env.num_envs
        self.goals = [""] * n
        self.success_step = np.zeros(n, np.int64)
        self._held, self._steps = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._facts: dict[str, np.ndarray] = {}
        self._memory = self._task.initial_memory(n)

    def reset(self, seeds: list[int], worlds: np.ndarray) -> tuple[Any, dict[str, Any]]:
        """Begin the episodes of ``seeds`` in ``worlds``, shape ``(N,)`` bool, with swapped goals."""
        env, rows = self._env, np.flatnonzero(worlds)
        _, info = env.reset(seed=seeds, options={"reset_mask": worlds})
        swapped: list[str | None] = [None] * env.num_envs
        for world in rows.tolist():
            self.goals[world] = str(info["goal"][world])
            swapped[world] = another_goal(env.goals, self.goals[world], seeds[world])
        facts = env.episode_facts()
        for key, value in facts.items():
            self._facts.setdefault(key, value.copy())[rows] = value[rows]
        blank = self._task.initial_memory(len(rows))
        for key, value in self._memory.items():
            value[rows] = blank[key]
        for count in (self.success_step, self._held, self._steps):
            count[rows] = 0
        return env.reset(seed=seeds, options={"reset_mask": worlds, "goal": swapped})

    def begin(self, env: "TeamVectorEnv", worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Do nothing in ``worlds``, shape ``(N,)`` bool: :meth:`reset` has begun the episodes."""

    def capture(self, env: "TeamVectorEnv", step: Step) -> None:
        """Judge a step by the original goals."""
        task, worlds = self._task, step.worlds
        signals = task.signals(self._env.world, self._facts, self._memory)
        self._memory = {key: np.array(value) for key, value in task.update_memory(signals).items()}
        self._steps += worlds
        self._held = np.where(worlds, np.where(task.is_success(signals), self._held + 1, 0), self._held)
        reached = worlds & (self._held >= task.hold_steps(self._facts)) & (self.success_step == 0)
        self.success_step[reached] = self._steps[reached]


def another_goal(goals: tuple[str, ...], goal: str, seed: int) -> str:
    """One of the other goals; each is equally frequent over consecutive seeds."""
    others = [other for other in goals if other != goal]
    return others[seed % len(others)]
