"""Rewards: terms and their sum stay in bounds, grow along the way, and pay nobody for doing something else."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.envs.tasks.conftest import PAIRS, TEAMS, Act, MakeEnv, Team, begin, each, frozen


@each(TEAMS)
def test_terms_lie_between_zero_and_one_and_weights_sum_to_one(team: Team, make_env: MakeEnv):
    env = make_env(team, 8)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(team.steps):
        terms = env.task.reward_terms(env.signals)
        assert sum(weight for weight, _ in terms.values()) == pytest.approx(1)
        for name, (_, value) in terms.items():
            assert ((value >= 0) & (value <= 1)).all(), name
        actions = env.expert_actions()
        actions[4:] = rng.uniform(-1, 1, actions[4:].shape) if step % 5 else actions[4:]
        env.step(actions)


@each(TEAMS)
def test_the_dense_reward_is_negative_and_grows_from_phase_to_phase(team: Team, make_env: MakeEnv):
    env = make_env(team, 12)
    begin(env)
    hold, alive = np.array(env.goal_names) == "hold", np.ones(12, bool)  # which has fewer phases
    seen: dict[tuple[bool, int], list[float]] = {}
    while alive.any():
        _, reward, terminated, truncated, info = env.step(env.expert_actions())
        plain = reward - info["is_success"]
        assert ((plain >= -1) & (plain <= 0))[alive].all()
        alive &= ~(terminated | truncated)
        for world in np.flatnonzero(alive):
            seen.setdefault((bool(hold[world]), int(info["phase"][world])), []).append(plain[world])
    for kind in {bool(held) for held in hold}:
        means = [np.mean(seen[kind, phase]) for phase in range(len(env.phases)) if (kind, phase) in seen]
        assert len(means) >= 3
        assert (np.diff(means) > 0).all(), means


@each(PAIRS)
def test_the_sparse_reward_is_one_once(team: Team, make_env: MakeEnv):
    env = make_env(team, 6, reward_mode="sparse")
    begin(env)
    total = sum(env.step(env.expert_actions())[1] for _ in range(team.steps))
    assert_array_equal(total, 1.0)


@pytest.mark.parametrize("other", ["still", "trembling", "one arm frozen", "clinging"])
@each(PAIRS)
def test_the_expert_earns_more_than_who_does_something_else(team: Team, make_env: MakeEnv, other: str):
    env, rng = make_env(team, 6), np.random.default_rng(0)
    closed, shape = np.zeros((6, team.num_arms), bool), (6, team.num_arms * env.action_size)

    def cling() -> np.ndarray:
        """The expert, except that a hand which holds something never opens again."""
        actions = env.expert_actions().reshape(6, team.num_arms, -1)
        closed[:] |= (actions[..., -1] < 0) & (env.world.gripper_opening < 0.07)
        actions[closed, -1] = -1.0
        return actions.reshape(6, -1)

    policies: dict[str, Act] = {
        "still": lambda: np.zeros(shape),
        "trembling": lambda: rng.uniform(-1, 1, shape),
        "one arm frozen": frozen(env, 0),
        "clinging": cling,
    }

    def earn(act: Act) -> np.ndarray:
        begin(env)
        return np.sum([env.step(act())[1] for _ in range(env.max_episode_steps)], axis=0)

    gap = earn(env.expert_actions) - earn(policies[other])
    needed = np.ones(6, bool) if other != "clinging" else np.array(env.goal_names) != "hold"
    assert (gap[needed] > 5).all()
