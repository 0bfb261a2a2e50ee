"""An environment that several threads share, and one that a forked process inherits."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")  # which is what is tested
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork")


def constant(env: TeamVectorEnv, value: float) -> np.ndarray:
    """An action."""
    return np.full((env.num_envs, env.num_arms * env.action_size), value)


def in_threads(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all at once; returns what they raised, ``None`` for nothing."""
    errors: list[Any] = [None] * len(works)

    def run(i: int) -> None:
        try:
            works[i]()
        except Exception as error:
            errors[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_that_share_an_environment_take_turns(make_lift: MakeLift, workers: int):
    env, alone = make_lift(8, num_threads=workers), make_lift(8, num_threads=workers)
    action = constant(env, 0.1)
    for each in (env, alone):
        each.reset(seed=0)

    def step() -> None:
        for _ in range(20):
            env.step(action)

    assert in_threads([step] * 4) == [None] * 4
    for _ in range(80):
        alone.step(action)
    for key, values in alone.get_state().items():
        assert_array_equal(env.get_state()[key], values, err_msg=key)


def test_any_calls_can_be_made_at_once(make_lift: MakeLift):
    env = make_lift(4, obs_mode="vision", image_size=32, num_threads=2)
    env.reset(seed=0)
    state, action = env.get_state(), constant(env, 0.0)
    calls: list[Callable[[], Any]] = [
        lambda: env.step(action), lambda: env.reset(seed=1), lambda: env.push(0, "bar", [0.1, 0, 0]),
        env.get_state, lambda: env.set_state(state), env.expert_actions, lambda: env.body_poses(1),
        lambda: env.render_frames(size=32), lambda: env.instructions,
    ]  # fmt: skip
    assert in_threads([lambda call=call: [call() for _ in range(10)] for call in calls]) == [None] * len(calls)  # type: ignore[misc]


def in_child(work: Callable[[], None]) -> None:
    """Run something in a forked child that ends as Python programs do; fail if it hangs or raises."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
        pytest.fail("the forked child hangs")
    assert child.exitcode == 0


@forks
def test_a_forked_child_goes_on_with_the_environment(make_lift: MakeLift):
    env, alone = (make_lift(4, num_threads=2, obs_mode="vision+state", image_size=32) for _ in range(2))
    action = constant(env, 0.1)
    for each in (env, alone):
        each.reset(seed=0)
        each.step(action)
    expected = alone.step(action)[0]

    def work() -> None:
        found = env.step(action)[0]
        assert_array_equal(found["environment_state"], expected["environment_state"])
        assert_array_equal(found["pixels"]["front"], expected["pixels"]["front"])
        env.close()

    in_child(work)
    assert_array_equal(env.step(action)[0]["environment_state"], expected["environment_state"])


@forks
def test_a_forked_child_that_leaves_the_environment_alone_ends(run_python: Callable[..., str]):
    program = """
import os, sys
import numpy as np
from teamvla_envs.env.vector import TeamVectorEnv
env = TeamVectorEnv("lift", 4, num_threads=2)
env.reset(seed=0)
env.step(np.zeros((4, 16)))
child = os.fork()
if not child:
    sys.exit(7)  # which destroys the environment
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(program) == "7"


@forks
def test_a_fork_amid_another_threads_step_does_not_lock_the_child_out(make_lift: MakeLift):
    env = make_lift(8, num_threads=2)
    env.reset(seed=0)
    stop = threading.Event()

    def step() -> None:
        while not stop.is_set():
            env.step(constant(env, 0.0))

    def restart() -> None:
        env.reset(seed=1)
        env.step(constant(env, 0.0))

    thread = threading.Thread(target=step)
    thread.start()
    try:
        for _ in range(3):
            time.sleep(0.05)
            in_child(restart)
    finally:
        stop.set()
        thread.join()
