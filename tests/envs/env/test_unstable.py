"""A world whose simulation breaks down ends its own episode, and no other world notices."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]
OTHERS = [0, 1, 3, 4]
BROKEN = 2


def wander(env: TeamVectorEnv, pushed_at: int = -1, impulse: float = 1e12, steps: int = 8) -> list[dict[str, Any]]:
    """Everything that a user gets in some random steps; the bar of one world may be pushed in between."""
    env.reset(seed=0)
    generator, result = np.random.default_rng(0), []
    for step in range(steps):
        if step == pushed_at:
            env.push(BROKEN, "bar", [impulse, 0, 0])
        obs, reward, terminated, truncated, info = env.step(generator.uniform(-1, 1, env.action_space.shape))
        kept = {"obs": obs, "reward": reward, "terminated": terminated, "truncated": truncated}
        kept |= {key: info[key] for key in ("end_reason", "phase", "is_success", "task_description")}
        result.append(kept | {"expert": env.expert_actions()} | env.get_state())
    return result


def assert_finite(arrays: dict[str, Any]) -> None:
    for key, values in arrays.items():
        if np.asarray(values).dtype.kind == "f":
            assert np.isfinite(values).all(), key


@pytest.mark.parametrize("randomization", ["default", "hard"])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_unstable_world_ends_and_the_others_are_undisturbed(make_lift: MakeLift, threads: int, randomization: str):
    arguments: dict[str, Any] = {"autoreset_mode": "Disabled", "randomization": randomization}
    undisturbed = wander(make_lift(5, num_threads=1, **arguments))
    pushed = wander(make_lift(5, num_threads=threads, **arguments), pushed_at=3)
    for step, (before, after) in enumerate(zip(undisturbed, pushed, strict=True)):
        assert_finite(after)
        for key, values in before.items():
            assert_array_equal(after[key][OTHERS], values[OTHERS], err_msg=f"{key} in step {step}")
        ended = step >= 3
        assert after["end_reason"].tolist() == ["", "", "unstable" if ended else "", "", ""]
        assert after["terminated"].tolist() == [False, False, ended, False, False]
        assert not after["truncated"].any()
    assert_array_equal(pushed[-1]["physics"][BROKEN, 0], undisturbed[2]["physics"][BROKEN, 0])


def test_an_unstable_world_is_penalized_like_one_that_lost_its_object(make_lift: MakeLift):
    env = make_lift(5, autoreset_mode="Disabled")
    steps = wander(env, pushed_at=3)
    assert steps[3]["reward"][BROKEN] < -(env.task.horizon - 5)
    assert not steps[3]["is_success"][BROKEN]
    assert steps[4]["reward"][BROKEN] == 0.0


def test_it_stays_where_it_was_before_the_step(make_lift: MakeLift):
    env = make_lift(5, autoreset_mode="Disabled")
    before = wander(env, steps=3)[-1]
    env.push(BROKEN, "bar", [0, 0, 1e12])
    env.step(np.ones((5, 16)))
    after = env.get_state()
    pose = env.simulator.addresses.body_pose.ravel()
    assert_array_equal(after["physics"][BROKEN, pose], before["physics"][BROKEN, pose])
    for key in ("joint_target", "gripper_target", "contacts"):
        assert_array_equal(after[key][BROKEN], before[key][BROKEN], err_msg=key)


@pytest.mark.parametrize("impulse", [1e9, 1e10, 1e30, 1e300, -1e308])
def test_every_push_leaves_finite_numbers(make_lift: MakeLift, impulse: float):
    env = make_lift(5, autoreset_mode="Disabled")
    env.reset(seed=0)
    for _ in range(3):
        env.push(BROKEN, "bar", [impulse, impulse, impulse])
    assert_finite({"obs": env.environment_state(), **env.get_state(), **env.signals})
    assert_finite(vars(env.world))
    env.set_state(env.get_state())
    for kept in wander(env, pushed_at=1, impulse=impulse):
        assert_finite(kept)
        assert (kept["end_reason"][OTHERS] == "").all()
    assert kept["end_reason"][BROKEN] in ("unstable", "object_left_table")


@pytest.mark.parametrize("place", ["position", "velocity", "finger"])
def test_joints_can_be_unstable_too(make_lift: MakeLift, place: str):
    env = make_lift(5, autoreset_mode="Disabled")
    env.reset(seed=0)
    state, addresses = env.get_state(), env.simulator.addresses
    columns = {"position": addresses.joint_pos, "velocity": addresses.joint_vel, "finger": addresses.finger_pos}
    state["physics"][BROKEN, columns[place][1, 1]] = 1e12
    obs, _ = env.set_state(state)
    assert_finite({"obs": obs})
    obs, reward, terminated, _, info = env.step(np.zeros((5, 16)))
    assert info["end_reason"].tolist() == ["", "", "unstable", "", ""]
    assert terminated[BROKEN]
    assert_finite({"obs": obs, "reward": reward, "expert": env.expert_actions()} | env.get_state())


def test_a_reset_gives_what_a_fresh_environment_gives(make_lift: MakeLift):
    env, fresh = make_lift(5, autoreset_mode="Disabled", num_threads=1), make_lift(5, autoreset_mode="Disabled")
    wander(env, pushed_at=3)
    mask = np.arange(5) == BROKEN
    obs, _ = env.reset(seed=[0, 0, 77, 0, 0], options={"reset_mask": mask})
    expected, _ = fresh.reset(seed=[0, 0, 77, 0, 0])
    action = np.random.default_rng(1).uniform(-1, 1, env.action_space.shape)
    for _ in range(3):
        assert_array_equal(obs[BROKEN], expected[BROKEN])
        for key, values in fresh.get_state().items():
            assert_array_equal(env.get_state()[key][BROKEN], values[BROKEN], err_msg=key)
        obs, expected = env.step(action)[0], fresh.step(action)[0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_autoreset_begins_a_new_episode(make_lift: MakeLift, mode: AutoresetMode):
    env, other = make_lift(5, autoreset_mode=mode), make_lift(5, autoreset_mode=mode)
    pushed, undisturbed = wander(env, pushed_at=3), wander(other)
    for before, after in zip(undisturbed, pushed, strict=True):
        assert_finite(after)
        assert_array_equal(after["physics"][OTHERS], before["physics"][OTHERS])
    assert pushed[3]["terminated"].tolist() == [False, False, True, False, False]
    assert pushed[-1]["end_reason"].tolist() == [""] * 5
    assert pushed[-1]["steps"].tolist() == [8, 8, 3 if mode == AutoresetMode.NEXT_STEP else 4, 8, 8]


def test_every_world_can_be_unstable_at_once(make_lift: MakeLift):
    env = make_lift(3, autoreset_mode="Disabled", num_threads=2)
    env.reset(seed=0)
    for world in range(3):
        env.push(world, "bar", [1e12, 0, 0])
    info = env.step(np.zeros((3, 16)))[-1]
    assert info["end_reason"].tolist() == ["unstable"] * 3


def test_warnings_of_mujoco_are_log_messages_and_no_file(
    make_lift: MakeLift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING, logger="teamvla_envs"):
        wander(make_lift(5, num_threads=2), pushed_at=1)
    assert "Nan, Inf or huge value in QVEL" in caplog.text
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
