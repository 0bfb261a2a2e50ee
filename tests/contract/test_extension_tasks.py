"""Tasks of other packages: one module and an entry point, with or without an expert."""

import pytest

from tests.contract.conftest import RunWithExample

TEAMVLA = ("-c", "import sys; from teamvla_envs.cli import main; sys.exit(main())")

CHECKERS = """
import warnings
import gymnasium as gym, teamvla_envs
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
warnings.simplefilter("ignore")
for obs_mode in ("state", "vision"):
    env = gym.make("TeamVLA/{id}-v0", obs_mode=obs_mode, image_size=16)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()
    parallel = teamvla_envs.parallel_env("{task}", obs_mode=obs_mode, image_size=16)
    parallel_api_test(parallel, num_cycles=10)
    parallel.close()
parallel_seed_test(lambda: teamvla_envs.parallel_env("{task}"), num_cycles=5)
"""

NO_EXPERT = """
import teamvla_envs
env = teamvla_envs.vector_env("nudge", 2, randomization={"x": (0.01, 0.02)})
env.reset(seed=0)
assert ((env.world.body_pos[:, 0, 0] > 0.009) & (env.world.body_pos[:, 0, 0] < 0.021)).all()
env.step(env.action_space.sample())
assert env.render_frames(size=32).shape == (2, 32, 32, 3)
assert not env.signals["distance"].any() < 0
try:
    env.expert_actions()
except ValueError as error:
    print(error)
env.close()
"""

SOLVED = """
import teamvla_envs
env = teamvla_envs.vector_env("touch", 16, autoreset_mode="Disabled", randomization="hard")
_, info = env.reset(seed=0)
assert set(env.goal_names) == {"green", "pink"}
assert all(goal in text for goal, text in zip(env.goal_names, env.instructions))
while not info["end_reason"].astype(bool).all():
    _, _, _, _, info = env.step(env.expert_actions())
assert info["is_success"].all()
env.close()
"""


@pytest.mark.parametrize("task", ["nudge", "touch"])
def test_public_checkers_find_no_fault(run_with_examples: RunWithExample, task: str):
    run_with_examples(task, "-c", CHECKERS.format(id=task.capitalize(), task=task))


def test_a_task_without_an_expert_is_made_rendered_and_says_that_it_has_none(run_with_examples: RunWithExample):
    assert "task 'nudge' has no expert" in run_with_examples("nudge", "-c", NO_EXPERT)


def test_a_task_without_an_expert_is_benched(run_with_examples: RunWithExample):
    bench = ("bench", "--tasks", "nudge", "--episodes", "4", "--out", "bench", "--no-history")
    output = run_with_examples("nudge", *TEAMVLA, *bench, "--policy", "random")
    assert "nudge" in output
    refused = run_with_examples("nudge", *TEAMVLA, *bench, "--policy", "expert", code=2)
    assert "task 'nudge' has no expert" in refused


def test_a_task_without_an_expert_is_not_collected(run_with_examples: RunWithExample):
    output = run_with_examples("nudge", *TEAMVLA, "collect", "nudge", "--episodes", "2", code=2)
    assert "task 'nudge' has no expert" in output


def test_its_expert_solves_a_task_of_another_package(run_with_examples: RunWithExample):
    run_with_examples("touch", "-c", SOLVED)


def test_a_task_with_an_expert_is_collected_learned_and_benched(run_with_examples: RunWithExample):
    run_with_examples("touch", *TEAMVLA, "collect", "touch", "--episodes", "6", "--no-images", "--out", "touch.hdf5")
    short = ("--steps", "5", "--batch-size", "16", "--no-tensorboard", "--no-cache", "--threads", "1")
    run_with_examples("touch", *TEAMVLA, "train", "touch.hdf5", "--policy", "state", "--out", "run", *short)
    bench = ("--tasks", "touch", "--episodes", "4", "--out", "bench", "--no-history")
    assert "touch" in run_with_examples("touch", *TEAMVLA, "bench", "--policy", "run", *bench)
