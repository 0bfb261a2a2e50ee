"""The example of the documentation works: a task in one class, with every view and every checker."""

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "touch.py"


@pytest.fixture(scope="module")
def touch() -> Iterator[Any]:
    """The module of the example, its task registered."""
    spec = importlib.util.spec_from_file_location("touch_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    teamvla_envs.register_task("touch", module.Touch)
    yield module
    teamvla_envs.deregister_task("touch")


def test_its_expert_solves_it_and_only_what_is_said_counts(touch: Any):
    env = teamvla_envs.vector_env("touch", 16, autoreset_mode="Disabled", randomization="hard")
    _, info = env.reset(seed=0)
    assert set(env.goal_names) == {"green", "pink"}
    while not info["end_reason"].astype(bool).all():
        _, _, _, _, info = env.step(env.expert_actions())
    assert info["is_success"].all()
    env.close()


@pytest.mark.parametrize("obs_mode", ["state", "vision"])
def test_public_checkers_find_no_fault(touch: Any, obs_mode: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.make("TeamVLA/Touch-v0", obs_mode=obs_mode, image_size=16)
        check_env(env.unwrapped, skip_render_check=True)
        env.close()
        parallel = teamvla_envs.parallel_env("touch", obs_mode=obs_mode, image_size=16)
        parallel_api_test(parallel, num_cycles=10)
        parallel.close()
        if obs_mode == "state":
            parallel_seed_test(lambda: teamvla_envs.parallel_env("touch"), num_cycles=5)


def test_its_sentences_are_true_of_the_discs(touch: Any):
    task = touch.Touch()
    u = np.random.default_rng(0).random((20, task.draws.count))
    start = task.initial_state(u)
    for world in range(20):
        color = touch.NAMES[int(start.facts["goal"][world])]
        assert color in task.instruction(start.facts, world)
        for arm, target in enumerate(start.facts["disc_pos"][world]):
            disc = int(np.flatnonzero((target == touch.PLACES).all(-1))[0])
            assert disc // 2 == arm
            rgba = start.fields["geom_rgba", f"{touch.DISCS[disc]}_disc"][world]
            assert tuple(rgba) == touch.COLORS[color]
