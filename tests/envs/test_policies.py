import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs import policies
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.policies import CHECKPOINT, MODULE, Policy, PolicySpec, make_policy


def _first_actions(spec: str, seeds: list[int], **kwargs: Any) -> np.ndarray:
    """Actions of a policy in the initial states of episodes of Lift."""
    policy = make_policy(spec)
    with closing(TeamVectorEnv("lift", len(seeds), num_threads=1, **policy.env_kwargs, **kwargs)) as env:
        policy.bind(env)
        obs, _ = env.reset(seed=seeds)
        policy.reset(np.ones(len(seeds), dtype=bool))
        return policy.act(obs)


@pytest.mark.parametrize("spec", ["expert", "random", "random:3", "zero"])
def test_policies_by_name_follow_the_protocol(spec: str):
    assert isinstance(make_policy(spec), Policy)
    actions = _first_actions(spec, [4, 5])
    assert actions.shape == (2, 16)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0


def test_the_expert_acts_as_the_environment_says():
    with closing(TeamVectorEnv("lift", 2, num_threads=1)) as env:
        env.reset(seed=[0, 1])
        expected = env.expert_actions()
    np.testing.assert_array_equal(_first_actions("expert", [0, 1]), expected)


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
    with closing(TeamVectorEnv("lift", 2, num_threads=1)) as env:
        policy.bind(env)
        env.reset(seed=[7, 8])
        policy.reset(np.array([True, True]))
        first, second = policy.act(None), policy.act(None)
        policy.reset(np.array([True, False]))
        third = policy.act(None)
    np.testing.assert_array_equal(third[0], first[0])
    assert not np.array_equal(third[1], second[1])


def test_a_policy_of_your_own_is_named_by_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_policy.py").write_text(
        "from teamvla_envs.scripted_policies import ZeroPolicy as Mine\nNumber = int\n"
    )
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


def test_a_specification_has_a_kind_and_an_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "expert").mkdir()  # a registered name comes first
    for text, kind, argument in [
        ("expert", "expert", ""),
        ("random:7", "random", "7"),
        ("baseline:lift", "baseline", "lift"),
        ("sb3:model.zip", "sb3", "model.zip"),
        ("runs/x", CHECKPOINT, "runs/x"),
        ("checkpoint:runs/y", CHECKPOINT, "runs/y"),
        ("my_module:make", MODULE, "my_module:make"),
        ("runs/nothing:x", "", "runs/nothing:x"),
        ("experte", "", "experte"),
    ]:
        assert PolicySpec.parse(text) == PolicySpec(text, kind, argument)


def test_policies_from_files_have_a_path_that_can_be_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    for text, absolute in [
        ("x", f"{tmp_path}/x"),
        ("checkpoint:x", f"checkpoint:{tmp_path}/x"),
        ("sb3:model.zip", f"sb3:{tmp_path}/model.zip"),
    ]:
        assert PolicySpec.parse(text).absolute().text == absolute
        assert PolicySpec.parse(absolute).path == PolicySpec.parse(text).absolute().path
    for text in ("expert", "random:7", "baseline:lift", "my_module:make"):
        assert PolicySpec.parse(text).absolute() == PolicySpec.parse(text)
        assert PolicySpec.parse(text).path is None


def test_modules_and_pickles_run_code_that_their_author_chose():
    foreign = [text for text in ("expert", "baseline:lift", "my_module:make", "sb3:x.zip")
               if PolicySpec.parse(text).runs_foreign_code]  # fmt: skip
    assert foreign == ["my_module:make", "sb3:x.zip"]
    with pytest.raises(UserError, match="pass --trust if you trust its author"):
        make_policy("sb3:x.zip")
