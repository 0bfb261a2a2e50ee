"""State of the running episodes: arrays that are saved together with the physics state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from teamvla_envs.arrays import arange, array_namespace
from teamvla_envs.env import generators
from teamvla_envs.env.state_checks import Range, fact_ranges
from teamvla_envs.env.world_draws import WorldDraw
from teamvla_envs.sim.simulator import Simulator
from teamvla_envs.tasks.base import InitialState, Task

SUCCESS, LOST, TIME_LIMIT, UNSTABLE = 1, 2, 3, 4
# "" while the episode runs
END_REASONS = np.array(["", "success", "object_left_table", "time_limit", "unstable"], dtype=object)
FACTS = "episode."  # prefix of the facts in a saved state
_STARTS = 1024  # initial states that determine the possible values of indices among the facts


class Episodes:
    """The running episodes of N worlds.

    Args:
        task: The task.
        num_envs: N.
        draw: Draws that do not belong to the task, such as cameras and light.
        action_size: Number of entries of the team's action.
        simulator: Its array library and device hold the running counts.

    Attributes:
        facts: The task's numeric facts of each episode on the host, first axis N; see ``InitialState.facts``.
        fields: Model fields that differ between worlds, on the host, first axis N.
        memory: Memory of the task from step to step, first axis N.
        held: Number of consecutive steps at the goal, shape ``(N,)``.
        steps: Number of control steps, shape ``(N,)``.
        end: Reason why the episode has ended, index into ``END_REASONS``, shape ``(N,)``.
        pending: Actions that have not taken effect yet, the newest last, shape ``(N, delay, A * D)``.
        seeds: Seed of the reset that began the episode, -1 without one, shape ``(N,)``.
    """

    def __init__(self, task: Task, num_envs: int, draw: WorldDraw, action_size: int, simulator: Simulator):
        self._task, self.num_envs = task, num_envs
        nominal = task.initial_state(np.full((num_envs, task.draws.count), 0.5))
        colors = {geom: values for (field, geom), values in nominal.fields.items() if field == "geom_rgba"}
        fields, facts = draw(np.full((num_envs, draw.count), 0.5), colors)
        del facts["posture"]
        nominal = replace(nominal, fields=nominal.fields | fields, facts=nominal.facts | facts)
        self.nominal = nominal
        self.facts = {key: values.copy() for key, values in nominal.facts.items()}
        self.fields = {key: values.copy() for key, values in nominal.fields.items()}
        self._to_device, self._to_host = simulator.to_device, simulator.to_host
        self._device_facts: dict[str, Any] | None = None
        self.memory: dict[str, Any] = {
            key: self._to_device(blank) for key, blank in task.initial_memory(num_envs).items()
        }
        self.held, self.steps = (
            self._to_device(np.zeros(num_envs, np.int64)),
            self._to_device(np.zeros(num_envs, np.int64)),
        )
        self.end = self._to_device(np.zeros(num_envs, np.int64))
        self.pending = self._to_device(np.zeros((num_envs, task.randomization.delay, action_size)))
        self.seeds = np.full(num_envs, -1, np.int64)
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._goals, self._instructions = np.full((2, num_envs), None, dtype=object)
        self._unnamed = np.ones(num_envs, bool)

    def draw(self, worlds: np.ndarray, seeds: Sequence[int | None], count: int) -> np.ndarray:
        """Draw the uniform numbers that determine the next episodes of some worlds.

        Args:
            worlds: Indices, shape ``(n,)``.
            seeds: One per world of all N; without one a world continues with its own generator.
            count: Numbers per world.

        Returns:
            Shape ``(n, count)``, in [0, 1).
        """
        draws = np.empty((len(worlds), count))
        for row, world in enumerate(worlds):
            seed, generator = seeds[world], self._generators[world]
            if seed is not None or generator is None:
                generator = self._generators[world] = np.random.Generator(np.random.PCG64(seed))
            self.seeds[world] = -1 if seed is None else seed
            draws[row] = generator.random(count)
        return draws

    def begin(self, worlds: np.ndarray, start: InitialState) -> None:
        """Begin new episodes in the worlds with these indices ``(n,)``."""
        for key, values in start.facts.items():
            self.facts[key][worlds] = values
        for field, values in start.fields.items():
            self.fields[field][worlds] = values
        blank = self._task.initial_memory(len(worlds))
        self.memory = {
            key: _replaced(values, worlds, self._to_device(blank[key])) for key, values in self.memory.items()
        }
        self.held, self.steps, self.end = (_replaced(counts, worlds, 0) for counts in (self.held, self.steps, self.end))
        self._device_facts, self._unnamed[worlds] = None, True

    @property
    def device_facts(self) -> Mapping[str, Any]:
        """The facts as arrays on the simulator's device."""
        if self._device_facts is None:
            self._device_facts = {key: self._to_device(values) for key, values in self.facts.items()}
        return self._device_facts

    @property
    def finished(self) -> np.ndarray:
        """Mask of the ended episodes, shape ``(N,)`` bool, on the host."""
        return self._to_host(self.end) > 0

    @property
    def end_reasons(self) -> np.ndarray:
        """Reasons of the ends by name, shape ``(N,)``, dtype object."""
        return END_REASONS[self._to_host(self.end)]

    @property
    def success(self) -> Any:
        """Mask of the episodes that ended in success, shape ``(N,)`` bool."""
        return self.end == SUCCESS

    def prefill_pending(self, worlds: np.ndarray, action: Any) -> None:
        """Fill the action delay of some worlds with ``action`` (N, A, D), which they execute first."""
        rows = action.reshape(self.num_envs, 1, -1)[worlds]
        rows = array_namespace(rows).broadcast_to(rows, (len(worlds), *self.pending.shape[1:]))
        self.pending = _replaced(self.pending, worlds, rows)

    def apply_delay(self, action: Any) -> Any:
        """Queue new actions ``(N, A, D)`` and return those that take effect now."""
        longest = self.pending.shape[1]
        if longest == 0:
            return action
        xp = array_namespace(action)
        queue = xp.concat([self.pending, action.reshape(self.num_envs, 1, -1)], axis=1)
        self.pending = xp.where((self.end > 0)[:, None, None], self.pending, queue[:, 1:])
        return queue[arange(self.num_envs, action), longest - self.device_facts["delay"]].reshape(action.shape)

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Goal names and instructions of all worlds, shape ``(N,)``, dtype object."""
        for world in np.flatnonzero(self._unnamed):
            self._goals[world] = self._task.goals[self.facts["goal"][world]]
            self._instructions[world] = self._task.instruction(self.facts, int(world))
        self._unnamed[:] = False
        return self._goals, self._instructions

    def state(self) -> dict[str, np.ndarray]:
        """The state of the episodes as named numeric arrays with first axis N."""
        to_host = self._to_host
        state = {
            "held": to_host(self.held), "steps": to_host(self.steps), "end": to_host(self.end),
            "seed": self.seeds, "generator": np.array([generators.to_words(g) for g in self._generators]),
        }  # fmt: skip
        state |= {"pending": to_host(self.pending)} if self.pending.shape[1] else {}
        state |= {FACTS + key: values for key, values in self.facts.items()}
        state |= {f"memory.{key}": to_host(values) for key, values in self.memory.items()}
        return state | {f"field.{field}.{name}": values for (field, name), values in self.fields.items()}

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """Least and largest values of some arrays of :meth:`state`."""
        task = self._task
        starts = task.initial_state(np.random.default_rng(0).random((_STARTS, task.draws.count))).facts
        known = {FACTS + key: limits for key, limits in fact_ranges(starts).items()}
        return known | {
            "end": (0, len(END_REASONS) - 1),
            FACTS + "goal": (0, len(task.goals) - 1),
            FACTS + "delay": (0, task.randomization.delay),
            FACTS + "noise_key": (0, 2**52 - 1),
            FACTS + "wording": (0.0, 1.0),
        }

    def restore(self, worlds: np.ndarray, state: Mapping[str, np.ndarray]) -> None:
        """Take the worlds with these indices ``(n,)`` from a state returned by :meth:`state`."""
        now = self.state()
        new = {key: _replaced(values, worlds, state[key][worlds]) for key, values in now.items()}
        self.held, self.steps, self.end = (self._to_device(new[key]) for key in ("held", "steps", "end"))
        self.seeds, self.pending = new["seed"], self._to_device(new["pending"]) if "pending" in new else self.pending
        self.facts = {key: new[FACTS + key] for key in self.facts}
        self.memory = {key: self._to_device(new[f"memory.{key}"]) for key in self.memory}
        self.fields = {key: new[f"field.{key[0]}.{key[1]}"] for key in self.fields}
        for world in worlds:
            self._generators[world] = generators.from_words(new["generator"][world])
        self._device_facts, self._unnamed[worlds] = None, True


def _replaced(values: Any, rows: np.ndarray, by: Any) -> Any:
    """A copy of ``values`` with some rows replaced."""
    result = array_namespace(values).asarray(values, copy=True)
    result[rows] = by
    return result
