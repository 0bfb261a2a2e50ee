"""The device simulator on the processor: it moves as the host simulator does, world by world, and says when it cannot.

Its kernels are compiled for minutes when they are not cached.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.device import DeviceSimulator
from teamvla_envs.sim.host import HostSimulator
from teamvla_envs.sim.make import choose_simulator
from teamvla_envs.sim.model_fields import VARIED
from teamvla_envs.tasks.base import InitialState
from teamvla_envs.tasks.lift import Lift


def draw_starts(num_worlds: int) -> InitialState:
    """Random starts of Lift; world i begins alike for any number of worlds."""
    return Lift().initial_state(
        np.stack([np.random.default_rng(i).random(Lift.draws.count) for i in range(num_worlds)])
    )


def begin(simulator: DeviceSimulator | HostSimulator, worlds: np.ndarray | None = None) -> None:
    """Put some worlds, or all, into their own random starts."""
    rows = np.arange(simulator.num_worlds) if worlds is None else worlds
    start = draw_starts(simulator.num_worlds)
    rest = np.stack([robot.home for robot in simulator.scene.robots])
    poses = {name: pose[rows] for name, pose in start.body_pose.items()}
    fields = {key: values[rows] for key, values in start.fields.items()}
    simulator.reset(rows, np.broadcast_to(rest, (len(rows), *rest.shape)), poses, fields)


def wander(simulator: DeviceSimulator, steps: int, active: np.ndarray | None = None) -> None:
    """Advance towards random targets; those of world i are alike for any number of worlds."""
    generators = [np.random.default_rng(1000 + i) for i in range(simulator.num_worlds)]
    for _ in range(steps):
        motion = np.stack([rng.uniform(-0.05, 0.05, simulator.joint_target.shape[1:]) for rng in generators])
        gripper = np.stack([rng.uniform(0, 0.08, simulator.gripper_target.shape[1:]) for rng in generators])
        moving = None if active is None else simulator.to_device(active)
        simulator.advance(simulator.joint_target + simulator.to_device(motion), simulator.to_device(gripper), moving)


@pytest.fixture
def make(lift_scene: Scene) -> Callable[..., DeviceSimulator]:
    """Makes simulators of Lift's scene on the processor."""
    return lambda num_worlds, **kwargs: DeviceSimulator(lift_scene, ("bar",), num_worlds, "cpu", **kwargs)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "mps", ""])
def test_a_device_of_another_kind_is_refused(lift_scene: Scene, device: str):
    with pytest.raises(ValueError, match=r"device: got .*allowed are 'cpu', 'cuda'"):
        choose_simulator(device, "auto", None, lift_scene, ("bar",), 1, ())


def test_a_device_that_is_not_there_is_an_error_that_lists_those_there_are(lift_scene: Scene):
    with pytest.raises(ValueError, match=r"device: got 'cuda:99', this machine has 'cpu'"):
        choose_simulator("cuda:99", "auto", None, lift_scene, ("bar",), 1, ())


@pytest.mark.parametrize(("device", "solver"), [("cpu", "newton"), ("cuda:0", "mujoco")])
def test_a_solver_that_does_not_run_there_is_refused(lift_scene: Scene, device: str, solver: str):
    with pytest.raises(ValueError, match=f"solver: .*'{solver}'"):
        choose_simulator(device, solver, None, lift_scene, ("bar",), 1, ())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("task", "num_arms"), [("lift", 2), ("lift", 3), ("handoff", 2), ("drawer", 2)])
def test_it_follows_the_host_through_whole_episodes(task: str, num_arms: int):
    worlds = 4
    env = TeamVectorEnv(task, worlds, num_arms=num_arms, autoreset_mode="Disabled", num_threads=1)
    env.reset(seed=3)
    host = env.simulator
    device = DeviceSimulator(host.scene, host.body_names, worlds, "cpu", host.joint_names)
    device.apply_fields(np.arange(worlds), env.model_fields())
    device.state = host.state
    device.joint_target, device.gripper_target = (
        device.to_device(host.joint_target),
        device.to_device(host.gripper_target),
    )
    running, most_force = np.ones(worlds, bool), 0.0
    while running.any():
        _, _, terminated, truncated, _ = env.step(env.expert_actions())
        device.advance(
            device.to_device(host.joint_target), device.to_device(host.gripper_target), device.to_device(running)
        )
        running = ~(terminated | truncated)
        expected, found = host.world(), device.world()
        for name in ("joint_pos", "tool_pos", "body_pos", "prop_joint_pos"):
            assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3, err_msg=name)
        assert_allclose(found.gripper_opening, expected.gripper_opening, atol=5e-3)  # fingers tremble as they press
        assert_allclose(found.body_rot, expected.body_rot, atol=1e-2)
        most_force = max(most_force, float(expected.contact_force.max()))
    assert most_force > 1  # something was held
    assert (env._episodes.success).all()
    env.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_contact_readings_are_those_of_the_host():
    env = TeamVectorEnv("handoff", 3, autoreset_mode="Disabled", num_threads=1)
    env.reset(seed=3)
    host = env.simulator
    device = DeviceSimulator(host.scene, host.body_names, 3, "cpu", host.joint_names)
    device.apply_fields(np.arange(3), env.model_fields())
    device.state = host.state
    device.joint_target, device.gripper_target = (
        device.to_device(host.joint_target),
        device.to_device(host.gripper_target),
    )
    for _ in range(50):
        env.step(env.expert_actions())
        device.advance(device.to_device(host.joint_target), device.to_device(host.gripper_target))
    expected, found = host.world(), device.world()
    assert (expected.contact_force.max(axis=1) > 1).all()  # every stick is held
    assert_array_equal(found.contact_count, expected.contact_count)
    assert_allclose(found.contact_force, expected.contact_force, atol=0.05)
    env.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_models_of_the_worlds_differ_and_are_those_of_the_host():
    host = TeamVectorEnv("lift", 3, randomization="hard", num_threads=1)
    device = TeamVectorEnv("lift", 3, randomization="hard", solver="warp")
    host.reset(seed=5)
    device.reset(seed=5)
    simulators: tuple[Any, Any] = (host.simulator, device.simulator)
    models, varied = simulators[0].models, simulators[1]._varied
    for name in VARIED:
        for world, model in enumerate(models):
            expected = getattr(model, name)
            assert_allclose(varied[name][world].reshape(expected.shape), expected, rtol=1e-6, atol=1e-7, err_msg=name)
    for name in ("body_pos", "body_mass", "body_invweight0", "geom_size", "geom_friction", "actuator_gainprm"):
        assert not torch.equal(varied[name][0], varied[name][1]), name
    stand = models[0].body("stand_back")
    for world in range(3):
        geom = int(stand.geomadr[0])
        assert_allclose(varied["geom_xpos"][world, geom, :2], models[world].body("stand_back").pos[:2], atol=1e-6)
    host.close()
    device.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_reset_touches_only_its_worlds(make: Callable[..., DeviceSimulator]):
    disturbed, alone = make(3), make(3)
    for simulator in (disturbed, alone):
        begin(simulator)
        wander(simulator, 3)
    before = {name: values.clone() for name, values in disturbed._varied.items()}
    begin(disturbed, np.array([1]))
    assert_array_equal(disturbed.state[[0, 2]], alone.state[[0, 2]])
    assert_array_equal(disturbed.contacts[[0, 2]], alone.contacts[[0, 2]])
    for name, values in disturbed._varied.items():
        if name != "geom_xpos":  # moves on its own
            assert_array_equal(values[[0, 2]], before[name][[0, 2]], err_msg=name)
    wander(disturbed, 5)
    wander(alone, 5)
    assert_array_equal(disturbed.state[[0, 2]], alone.state[[0, 2]])
    assert not torch.equal(disturbed.state[1], alone.state[1])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_world_has_no_past_beyond_its_state(make: Callable[..., DeviceSimulator]):
    straight, detour = make(2), make(2)
    begin(straight)
    begin(detour)
    wander(detour, 5)
    begin(detour)
    wander(straight, 10)
    wander(detour, 10)
    assert_array_equal(detour.state, straight.state)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_physics_does_not_depend_on_the_number_of_worlds_nor_on_which_are_active(
    make: Callable[..., DeviceSimulator],
):
    together, fewer, some = make(4), make(2), make(4)
    active = np.array([True, False, True, False])
    for simulator in (together, fewer, some):
        begin(simulator)
    at_rest = some.state
    wander(together, 10)
    wander(fewer, 10)
    wander(some, 10, active)
    assert_allclose(fewer.state, together.state[:2], atol=1e-6)
    assert_allclose(some.state[active], together.state[active], atol=1e-6)
    assert_array_equal(some.state[~active], at_rest[~active])
    assert_array_equal(some.joint_target[~active], at_rest[:, some.addresses.joint_pos][~active])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_world_state_is_not_changed_by_later_steps(make: Callable[..., DeviceSimulator]):
    simulator = make(2)
    begin(simulator)
    wander(simulator, 2)
    world = simulator.world()
    tensors = {name: value.clone() for name, value in vars(world).items() if name != "contact_layout"}
    wander(simulator, 2, np.array([True, False]))
    begin(simulator)
    for name, value in tensors.items():
        assert_array_equal(getattr(world, name), value, err_msg=name)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
@pytest.mark.parametrize("entry", ["arm", "body", "velocity"])
def test_an_unstable_world_is_named_and_stays_as_it_was(make: Callable[..., DeviceSimulator], value: float, entry: str):
    simulator, undisturbed = make(3), make(3)
    for each in (simulator, undisturbed):
        begin(each)
        wander(each, 2)
    addresses = simulator.addresses
    column = {"arm": addresses.joint_pos[0, 0], "body": addresses.body_pose[0, 0], "velocity": -1}[entry]
    state = simulator.state
    state[1, column] = value
    simulator.state = state
    names = "state", "joint_target", "gripper_target", "contacts"
    before = {name: getattr(simulator, name).clone() for name in names}
    target, opening = simulator.joint_target + 0.03, simulator.gripper_target - 0.004
    unstable = simulator.advance(target, opening)
    assert unstable is not None
    assert unstable.tolist() == [False, True, False]
    assert undisturbed.advance(target, opening) is None
    for name in names:
        assert_array_equal(getattr(simulator, name)[1], before[name][1], err_msg=name)
        assert_array_equal(getattr(simulator, name)[[0, 2]], getattr(undisturbed, name)[[0, 2]], err_msg=name)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_world_without_room_for_its_constraints_is_unstable(
    make: Callable[..., DeviceSimulator], caplog: pytest.LogCaptureFixture
):
    simulator = make(3, max_constraints=12)
    begin(simulator)
    state = simulator.state
    state[[0, 2], simulator.addresses.body_pose[0, 2]] = 0.8  # in the air nothing touches
    simulator.state = state
    unstable = simulator.advance(simulator.joint_target, simulator.gripper_target)
    assert unstable is not None
    assert unstable.tolist() == [False, True, False]
    assert "worlds [1] ran out of room" in caplog.text
    assert "12 constraints" in caplog.text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_worlds_that_share_too_little_room_for_contacts_are_unstable_all_of_them(
    make: Callable[..., DeviceSimulator], caplog: pytest.LogCaptureFixture
):
    simulator = make(2, max_contacts=2)
    begin(simulator)
    unstable = simulator.advance(simulator.joint_target, simulator.gripper_target)
    assert unstable is not None
    assert unstable.all()
    assert "there is some for 2 contacts" in caplog.text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_field_that_cannot_vary_is_refused(make: Callable[..., DeviceSimulator]):
    with pytest.raises(ValueError, match="fields: 'geom_pos' cannot vary on a device, allowed are body_pos"):
        make(1).apply_fields(np.array([0]), {("geom_pos", "bar_rod"): np.zeros((1, 3))})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_blow_moves_a_body_as_its_mass_allows(make: Callable[..., DeviceSimulator]):
    simulator = make(2)
    begin(simulator)
    simulator.push(1, "bar", np.array([0.0, 0.3, 0.0]))
    mass = draw_starts(2).fields["body_mass", "bar"][1]
    velocity = simulator.world().body_vel
    assert_allclose(velocity[1, 0, :3], [0.0, 0.3 / mass, 0.0], rtol=1e-5)
    assert_array_equal(velocity[0], np.zeros((1, 6)))
