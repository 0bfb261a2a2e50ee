"""A task computes the same with arrays of another library."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.world import ContactLayout

from tests.envs.tasks.conftest import TEAMS, MakeEnv, Team, begin, each, part_of

torch = pytest.importorskip("torch")


def twin(value: Any) -> Any:
    """The same data as torch tensors."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: twin(getattr(value, field.name)) for field in fields(value)})
    if isinstance(value, Mapping):
        return {key: twin(item) for key, item in value.items()}
    return value if isinstance(value, ContactLayout) else torch.from_numpy(np.array(value))


def assert_same(expected: Any, computed: Any, where: str = "") -> None:
    """The same numbers, in whatever they are nested."""
    if is_dataclass(expected):
        expected, computed = vars(expected), vars(computed)
    if isinstance(expected, Mapping):
        assert set(expected) == set(computed)
        for key in expected:
            assert_same(expected[key], computed[key], f"{where} {key}")
    elif isinstance(expected, tuple):
        for pair in zip(expected, computed, strict=True):
            assert_same(*pair, where)
    else:
        assert_allclose(np.asarray(computed), expected, atol=1e-9, err_msg=where)


@each(TEAMS)
def test_a_task_computes_the_same_in_torch(team: Team, make_env: MakeEnv):
    env = make_env(team, 6)
    begin(env)
    for _ in range(team.busy):
        env.step(env.expert_actions())

    def compute(world: Any, chains: Any, facts: Any, memory: Any) -> dict[str, Any]:
        task, signals = env.task, env.task.signals(world, facts, memory)
        return {
            "signals": signals,
            "remember": task.update_memory(signals),
            "succeeds": task.is_success(signals),
            "lost": task.is_lost(world),
            "hold_steps": task.hold_steps(facts),
            "reward_terms": task.reward_terms(signals),
            "phase": task.phase(signals),
            "joint_work": task.is_cooperative(signals),
            "roles": task.roles(signals),
            "state_parts": task.state_parts(world, facts, signals),
            "tool_goals": task.make_expert().tool_goals(world, chains, facts, signals),
        }

    data = (env.world, env.simulator.chains, part_of(env, "episode"), part_of(env, "memory"))
    assert_same(compute(*data), compute(*map(twin, data)))
