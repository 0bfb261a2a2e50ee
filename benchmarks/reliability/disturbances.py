"""Disturbances of single worlds, and a pair of environments that detects effects on other worlds."""

from collections.abc import Callable
from typing import Any

import numpy as np
from teamvla_envs.env.vector import TeamVectorEnv

WORLDS = 6
STEPS = 3  # after each disturbance
EXTREMES = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1.0, 2.0, 1e6, 1e11, -1e12, 1e16, 1e300, 2.0**31, 2.0**53)
DTYPES = (np.float32, np.float64, np.int8, np.int64, np.uint64, np.complex128, np.bool_, object, str)
State = dict[str, np.ndarray]


class Pair:
    """Two environments in the same state, of which one is disturbed.

    Args:
        task: Name of the task.
        generator: Draws actions, victims and disturbances.
        arguments: For the environments.
    """

    def __init__(self, task: str, generator: np.random.Generator, arguments: dict[str, Any]):
        self.generator = generator
        self.env = TeamVectorEnv(task, WORLDS, num_threads=2, **arguments)
        self._alone = TeamVectorEnv(task, WORLDS, num_threads=1, **arguments)
        self._fresh = TeamVectorEnv(task, WORLDS, num_threads=1, **arguments)
        self._seed = 0
        self.victims = np.zeros(WORLDS, bool)

    def trial(self, disturbance: Callable[["Pair"], str]) -> str:
        """Disturb some worlds, step, and compare; returns the failure, empty without one."""
        if self._seed % 5 == 0:
            self._alone.reset(seed=self._seed)
        self._seed += 1
        self.env.set_state(self._alone.get_state())
        self.victims = self.generator.permutation(WORLDS) < self.generator.integers(1, WORLDS)
        try:
            problem = disturbance(self)
        except Exception as error:
            return f"raised {error!r}"
        return problem or self.compare()

    def compare(self) -> str:
        """Step both; worlds that were not disturbed must be equal, and all numbers finite."""
        others = ~self.victims
        for _ in range(STEPS):
            action = self.generator.uniform(-1, 1, (WORLDS, self.env.num_arms * self.env.action_size))
            found: tuple[Any, ...] = self.env.step(action)
            expected: tuple[Any, ...] = self._alone.step(action)
            found_state, expected_state = self.env.get_state(), self._alone.get_state()
            for i in range(4):
                if not np.isfinite(found[i]).all():
                    return "observation or reward is not finite"
                if not np.array_equal(found[i][others], expected[i][others]):
                    return "observation or reward of another world changed"
            for key, values in found_state.items():
                if not np.isfinite(values).all():
                    return f"{key} is not finite"
                if not np.array_equal(values[others], expected_state[key][others]):
                    return f"{key} of another world changed"
        return ""

    def refused(self, call: Callable[[], Any]) -> str:
        """Check that a call is a ``ValueError`` and changes nothing."""
        before = self.env.get_state()
        try:
            call()
        except ValueError:
            after = self.env.get_state()
            self.victims[:] = False
            return next((f"{key} changed" for key in before if not np.array_equal(before[key], after[key])), "")
        return "was not refused"

    def reset_victims(self) -> str:
        """Reset the disturbed worlds; they must equal those of a fresh environment with the same seeds."""
        seeds = [int(seed) for seed in self.generator.integers(0, 10_000, WORLDS)]
        obs, _ = self.env.reset(seed=seeds, options={"reset_mask": self.victims})
        expected, _ = self._fresh.reset(seed=seeds)
        if not np.array_equal(obs[self.victims], expected[self.victims]):
            return "a reset world differs from a fresh one"
        found, fresh = self.env.get_state(), self._fresh.get_state()
        wrong = (key for key in fresh if not np.array_equal(found[key][self.victims], fresh[key][self.victims]))
        return next((f"{key} of a reset world differs from a fresh one" for key in wrong), "")

    def push_victims(self) -> None:
        """Push all disturbed worlds until their physics diverges."""
        for world in np.flatnonzero(self.victims).tolist():
            body = self.env.task.bodies[self.generator.integers(len(self.env.task.bodies))]
            self.env.push(world, body, 10.0 ** self.generator.uniform(11, 300) * self.generator.choice((-1, 1), 3))

    def close(self) -> None:
        """Close all environments."""
        for env in (self.env, self._alone, self._fresh):
            env.close()


def push(pair: Pair) -> str:
    """Make worlds unstable: they must end with the end reason ``unstable``."""
    running = pair.env.get_state()["end"] == 0
    pair.push_victims()
    problem = pair.compare()
    ended = pair.env.get_state()["end"]
    return problem or ("" if (ended[pair.victims & running] == 4).all() else "an unstable world did not end")


def push_and_reset(pair: Pair) -> str:
    """Reset worlds that have become unstable."""
    pair.push_victims()
    return pair.compare() or pair.reset_victims()


def set_mutated(pair: Pair) -> str:
    """Set a state with one mutated array: refused without a trace, or taken and survived."""
    state = pair.env.get_state()
    key = pair.generator.choice(list(state))
    state[key] = mutated(state[key], pair.victims, pair.generator)
    mask, others, before = pair.victims.copy(), ~pair.victims, pair.env.get_state()
    try:
        obs, _ = pair.env.set_state(state, mask=mask)
    except ValueError:
        return pair.refused(lambda: pair.env.set_state(state, mask=mask))
    after = pair.env.get_state()
    if not all(np.array_equal(before[name][others], after[name][others]) for name in before):
        return f"another world changed with {key}"
    return "" if np.isfinite(obs).all() else f"observation is not finite after a change of {key}"


def mutated(values: np.ndarray, worlds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An array with something wrong in some worlds, or with it as a whole."""
    kind = generator.integers(8)
    if kind == 0:
        return values.astype(generator.choice(np.array(DTYPES, object)))
    if kind == 1:
        return values[: generator.integers(len(values))]
    if kind == 2:
        return values[..., None]
    result = values.copy()
    rows = result[worlds].reshape(worlds.sum(), -1)
    entry = generator.integers(rows.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        if kind == 3:  # one bit
            raw = rows.view(np.uint8)
            raw[:, generator.integers(raw.shape[1])] ^= np.uint8(1 << generator.integers(8))
        else:
            rows[:, entry] = np.float64(generator.choice(EXTREMES)).astype(values.dtype)
    result[worlds] = rows.reshape(result[worlds].shape)
    return result


def refused_reset(pair: Pair) -> str:
    """Reset with seeds of which one is invalid."""
    seeds = pair.generator.integers(0, 100, WORLDS).tolist()
    seeds[pair.generator.integers(WORLDS)] = int(pair.generator.choice((-1, -(2**40))))
    return pair.refused(lambda: pair.env.reset(seed=seeds))


def refused_action(pair: Pair) -> str:
    """Step with an action that is not finite."""
    action = np.zeros((WORLDS, pair.env.num_arms * pair.env.action_size))
    action[pair.generator.integers(WORLDS), 0] = np.nan
    return pair.refused(lambda: pair.env.step(action))


DISTURBANCES: dict[str, Callable[[Pair], str]] = {
    "push that makes worlds unstable": push,
    "reset of unstable worlds": push_and_reset,
    "reset of some worlds": Pair.reset_victims,
    "mutated state": set_mutated,
    "refused reset": refused_reset,
    "refused action": refused_action,
}
