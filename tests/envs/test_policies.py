import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from teamvla_envs import policies
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.policies import Policy, make_policy


def _env(seeds: list[int]) -> Any:
    """Two arms with three action entries each, and an expert that always says one half."""
    return SimpleNamespace(
        num_envs=len(seeds),
        num_arms=2,
        action_size=3,
        seeds=np.array(seeds),
        expert_actions=lambda: np.full((len(seeds), 6), 0.5, np.float32),
        hold_actions=lambda gripper: np.full((len(seeds), 6), gripper, np.float32),
    )


def _first_actions(spec: str, seeds: list[int]) -> np.ndarray:
    policy = make_policy(spec)
    policy.bind(_env(seeds))
    policy.reset(np.ones(len(seeds), dtype=bool))
    return policy.act(None)


@pytest.mark.parametrize("spec", ["expert", "random", "random:3", "zero"])
def test_policies_by_name_follow_the_protocol(spec: str):
    assert isinstance(make_policy(spec), Policy)
    actions = _first_actions(spec, [4, 5])
    assert actions.shape == (2, 6)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0


def test_zero_holds_still_and_the_expert_asks_the_environment():
    assert not _first_actions("zero", [0, 1]).any()
    assert (_first_actions("expert", [0, 1]) == 0.5).all()


@pytest.mark.parametrize("action_mode", ["joint_delta", "joint_pos", "ee_delta"])
def test_zero_keeps_the_arms_where_they_are_in_every_action_mode(action_mode: str):
    env, policy = TeamVectorEnv("lift", 2, action_mode=action_mode, num_threads=1), make_policy("zero")
    policy.bind(env)
    obs, _ = env.reset(seed=0)
    before = env.world.joint_target
    for _ in range(10):
        obs, *_ = env.step(policy.act(obs))
    np.testing.assert_allclose(env.world.joint_target, before, atol=1e-4 if action_mode != "ee_delta" else 0.05)
    env.close()


def test_random_actions_depend_on_the_episode_and_not_on_its_neighbors():
    together = _first_actions("random", [7, 8, 9])
    np.testing.assert_array_equal(together[1:2], _first_actions("random", [8]))
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(together, _first_actions("random:1", [7, 8, 9]))


def test_random_starts_anew_only_in_the_worlds_that_are_reset():
    policy = make_policy("random")
    policy.bind(_env([7, 8]))
    policy.reset(np.array([True, True]))
    first, second = policy.act(None), policy.act(None)
    policy.reset(np.array([True, False]))
    third = policy.act(None)
    np.testing.assert_array_equal(third[0], first[0])
    assert not np.array_equal(third[1], second[1])


def test_a_policy_of_your_own_is_named_by_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_policy.py").write_text("from teamvla_envs.policies import ZeroPolicy as Mine\nNumber = int\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert isinstance(make_policy("my_policy:Mine"), Policy)
    with pytest.raises(UserError, match="which returned int, not a policy"):
        make_policy("my_policy:Number")
    with pytest.raises(UserError, match="has no 'Other'"):
        make_policy("my_policy:Other")


def test_what_a_policy_of_your_own_raises_is_told_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken_policy.py").write_text("def make():\n    raise KeyError('weights')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="policy is broken_policy:make, which raised KeyError: 'weights'"):
        make_policy("broken_policy:make")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "policy is empty, allowed are .*expert, .*random, .*zero"),
        ("experte", "policy is 'experte', allowed are .*expert, .*random, .*zero.*a checkpoint folder"),
        ("runs/nothing", "'runs/nothing' is not an existing folder; allowed are"),
        (str(Path(__file__)), "is a file, expected a checkpoint folder"),
        ("no_such_module:x", "there is no module 'no_such_module'"),
        ("random:x", "policy random:x has seed 'x', expected a number"),
        ("zero:1", "policy zero takes no argument, got '1'"),
    ],
)
def test_what_names_no_policy_is_refused_with_what_does(spec: str, message: str):
    with pytest.raises(UserError, match=message):
        make_policy(spec)


def test_an_unbound_policy_says_so():
    with pytest.raises(RuntimeError, match="not bound"):
        make_policy("zero").act(None)


@pytest.mark.parametrize("spec", ["baseline:lift", "checkpoint:runs/x", "sb3:model.zip"])
def test_policies_of_distributions_that_are_not_installed_name_them(spec, monkeypatch):
    monkeypatch.setattr(policies, "policy_factories", dict)
    with pytest.raises(UserError, match=r"needs teamvla-(learn|eval\[sb3\]): pip install"):
        policies.make_policy(spec)


def test_a_module_that_a_distribution_needs_is_named(monkeypatch):
    def fail(argument):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    class Entry:
        module, dist = "teamvla_learn", None

        def load(self):
            return fail

    monkeypatch.setattr(policies, "policy_factories", lambda: {"baseline": Entry()})
    with pytest.raises(UserError, match="policy 'baseline:lift' needs the module 'torch', which is not installed"):
        policies.make_policy("baseline:lift")
