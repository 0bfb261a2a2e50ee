import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.policies import make_policy
from teamvla_envs.rollout import Step
from teamvla_eval.metrics.episode_meter import Meter, actuators_of
from teamvla_eval.rollout.suite import run_suite

SEEDS = range(2_000_000, 2_000_004)


def measured(task, policy="expert", worlds=4, seeds=SEEDS):
    env = TeamVectorEnv(task, worlds, autoreset_mode=AutoresetMode.DISABLED)
    try:
        return run_suite(env, make_policy(policy), list(seeds), meter=Meter(env))
    finally:
        env.close()


@pytest.mark.parametrize("task", ["lift", "handoff", "drawer"])
def test_the_expert_coordinates_and_drops_nothing(task):
    for record in measured(task):
        assert record.success
        assert record.end_reason == "success"
        assert record.metrics["coordination_score"] is not None
        assert record.metrics["coordination_score"] > 0.9
        assert record.metrics["dropped_objects"] == 0
        assert record.metrics["energy"] > 10
        assert 0 < record.metrics["action_change"] < 0.3
        assert len(record.metrics["idle_time_s"]) == 2
        assert record.metrics["furthest_phase"] in ("done", "carry")


def test_who_does_nothing_is_idle_and_never_comes_to_joint_work():
    (record,) = measured("lift", "zero", worlds=1, seeds=SEEDS[:1])
    assert record.end_reason == "time_limit"
    assert record.metrics["idle_time_s"] == pytest.approx((12.0, 12.0))
    assert record.metrics["coordination_score"] is None
    assert (record.metrics["action_change"], record.metrics["collision_cost"]) == (0, 0)
    assert record.metrics["energy"] < 1
    assert record.metrics["furthest_phase"] == "approach"


def test_records_do_not_depend_on_the_number_of_worlds():
    assert measured("lift", worlds=3) == measured("lift", worlds=1)


def test_an_arm_that_presses_on_the_table_pays_for_it():
    env = TeamVectorEnv("lift", 1, autoreset_mode=AutoresetMode.DISABLED)
    try:
        env.reset(seed=[2_000_000])
        meter = Meter(env)
        worlds = np.ones(1, bool)
        meter.begin(env, worlds, {})
        down = np.zeros((1, 16), np.float32)
        down[0, [1, 3]] = 1.0, -0.5  # shoulder and elbow of arm_0: lean over
        force = 0.0
        for _ in range(80):
            meter.capture(env, Step(worlds, None, down, *env.step(down)))
            force += float(env.world.contact_forces("collision")[0].sum())
    finally:
        env.close()
    assert force > 0
    assert meter.measure(0)["collision_cost"] == pytest.approx(force * env.control_dt)


def test_actuators_are_those_of_the_robot(lift_scene):
    actuators = actuators_of(lift_scene)
    assert actuators.stiffness.shape == (2, 7)
    assert actuators.stiffness[0].tolist() == [4500, 4500, 3500, 3500, 2000, 2000, 2000]
    assert actuators.damping[1].tolist() == [180, 180, 140, 140, 80, 80, 80]
    assert actuators.limit[0].tolist() == [87, 87, 87, 87, 12, 12, 12]
