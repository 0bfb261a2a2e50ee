"""The host simulator: what it promises about randomized models, about repeatability and about broken physics."""

from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.compose import Scene, compose
from teamvla_envs.scene.loads import CrateBar
from teamvla_envs.scene.props import Stand, Table
from teamvla_envs.sim.host import SUBSTEPS, HostSimulator
from teamvla_envs.tasks.base import InitialState
from teamvla_envs.tasks.lift import Lift

from tests.conftest import FinishEpisodes


@pytest.fixture
def make_simulator(lift_scene: Scene) -> Iterator[Callable[..., HostSimulator]]:
    """Makes simulators of Lift's scene and closes them after the test."""
    made: list[HostSimulator] = []

    def make(num_worlds: int, num_threads: int = 1) -> HostSimulator:
        made.append(HostSimulator(lift_scene, ("bar",), num_worlds, num_threads))
        return made[-1]

    yield make
    for simulator in made:
        simulator.close()


def draw_starts(num_worlds: int) -> InitialState:
    """Random starts of Lift; world i begins alike for any number of worlds."""
    draws = [np.random.default_rng(i).random(Lift.draws.count) for i in range(num_worlds)]
    return Lift().initial_state(np.stack(draws))


def begin(simulator: HostSimulator) -> None:
    """Put every world into its own random start."""
    n, rest = simulator.num_worlds, simulator.chains.rest
    start = draw_starts(n)
    simulator.reset(np.arange(n), np.broadcast_to(rest, (n, *rest.shape)), start.body_pose, start.fields)


def wander(simulator: HostSimulator, steps: int, active: np.ndarray | None = None) -> None:
    """Advance towards random targets; those of world i are alike for any number of worlds."""
    generators = [np.random.default_rng(1000 + i) for i in range(simulator.num_worlds)]
    for _ in range(steps):
        motion = np.stack([rng.uniform(-0.05, 0.05, simulator.joint_target.shape[1:]) for rng in generators])
        gripper = np.stack([rng.uniform(0, 0.08, simulator.gripper_target.shape[1:]) for rng in generators])
        simulator.advance(simulator.joint_target + motion, gripper, active)


def freshly_compiled(start: InitialState, world: int) -> mujoco.MjModel:
    """MuJoCo's own model of one world of ``start``, its sizes and masses written into the MJCF."""
    front, back = start.facts["stand_pos"][world]
    bar = CrateBar(length=float(start.facts["length"][world]), mass=float(start.fields["body_mass", "bar"][world]))
    props = (Table(), Stand("stand_front", tuple(front)), Stand("stand_back", tuple(back)), bar)
    return mujoco.MjModel.from_xml_string(compose(["panda", "panda"], props).xml)


BODY_FIELDS = (
    "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "body_pos", "body_quat", "body_ipos",
)  # fmt: skip
GEOM_FIELDS = ("geom_size", "geom_rbound", "geom_pos", "geom_aabb")


@pytest.mark.parametrize("kind", ["body", "geom"])
def test_a_model_changed_by_reset_equals_one_compiled_with_these_sizes_and_masses(
    make_simulator: Callable[..., HostSimulator], kind: str
):
    simulator = make_simulator(4)
    begin(simulator)
    fields = {"body": BODY_FIELDS, "geom": GEOM_FIELDS}[kind]
    for world, changed in enumerate(simulator.models):
        fresh = freshly_compiled(draw_starts(4), world)
        names = [getattr(changed, kind)(i).name for i in range(changed.nbody if kind == "body" else changed.ngeom)]
        rows = [getattr(fresh, kind)(name).id for name in names]
        for field in fields:
            assert_allclose(getattr(changed, field), getattr(fresh, field)[rows], rtol=1e-5, atol=3e-6, err_msg=field)


def test_inertia_seen_by_each_joint_is_brought_up_to_date(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(4)
    begin(simulator)
    for world, changed in enumerate(simulator.models):
        fresh = freshly_compiled(draw_starts(4), world)
        for i in range(changed.njnt):
            name = changed.joint(i).name
            rows, fresh_rows = np.atleast_1d(changed.joint(name).dofadr), np.atleast_1d(fresh.joint(name).dofadr)
            for field in ("dof_M0", "dof_invweight0"):
                expected = getattr(fresh, field)[fresh_rows[0] : fresh_rows[0] + (6 if name == "bar_joint" else 1)]
                found = getattr(changed, field)[rows[0] : rows[0] + (6 if name == "bar_joint" else 1)]
                assert_allclose(found, expected, rtol=1e-5, err_msg=f"{field} of {name}")


def test_models_of_other_worlds_and_the_template_stay_as_they_were(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(2)
    before = simulator.template.body("bar").mass.copy(), simulator.models[1].body("bar").mass.copy()
    start = draw_starts(1)
    simulator.reset(np.array([0]), simulator.chains.rest[None], start.body_pose, start.fields)
    assert_array_equal((simulator.template.body("bar").mass, simulator.models[1].body("bar").mass), before)
    assert simulator.models[0].body("bar").mass != before[0]


def test_a_randomized_world_moves_like_one_compiled_with_these_sizes_and_masses(
    make_lift: Callable[..., TeamVectorEnv],
):
    env = make_lift(1, autoreset_mode="Disabled")
    env.reset(seed=3)
    state = env.get_state()
    start = InitialState({}, {("body_mass", "bar"): state["field.body_mass.bar"]},
                  {key: state[f"episode.{key}"] for key in ("stand_pos", "length")})  # fmt: skip
    model = freshly_compiled(start, 0)
    model.geom_friction[:, 0] *= state["field.friction."][0]
    data = mujoco.MjData(model)
    for k in range(2):
        for j in range(7):
            data.joint(f"arm_{k}/joint{j + 1}").qpos = env.world.joint_pos[0, k, j]
        for finger in (1, 2):
            data.joint(f"arm_{k}/finger_joint{finger}").qpos = env.world.gripper_opening[0, k] / 2
    data.joint("bar_joint").qpos = [*env.world.body_pos[0, 0], *env.world.body_quat[0, 0]]

    finished, highest = False, 0.0
    while not finished:
        before = env.get_state()["joint_target"][0]
        _, _, terminated, truncated, _ = env.step(env.expert_actions())
        finished = bool(terminated[0] or truncated[0])
        after, gripper = env.get_state()["joint_target"][0], env.get_state()["gripper_target"][0]
        data.qacc_warmstart[:] = 0
        for i in range(1, SUBSTEPS + 1):
            for k in range(2):
                for j in range(7):
                    data.actuator(f"arm_{k}/joint{j + 1}").ctrl = (
                        before[k, j] + (after[k, j] - before[k, j]) * i / SUBSTEPS
                    )
                data.actuator(f"arm_{k}/gripper").ctrl = gripper[k] / 2
            mujoco.mj_step(model, data)
        assert_allclose(data.joint("bar_joint").qpos[:3], env.world.body_pos[0, 0], atol=2e-5)
        highest = max(highest, float(env.world.body_pos[0, 0, 2]))
    assert highest > 0.1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_physics_does_not_depend_on_the_number_of_worlds_or_threads(
    make_simulator: Callable[..., HostSimulator], threads: int
):
    together = make_simulator(5, threads)
    begin(together)
    wander(together, 20)
    fewer = make_simulator(3)
    begin(fewer)
    wander(fewer, 20)
    assert_array_equal(fewer.state, together.state[:3])
    assert_array_equal(fewer.contacts, together.contacts[:3])


@pytest.mark.parametrize("threads", [1, 2])
def test_physics_does_not_depend_on_which_worlds_are_active(make_simulator: Callable[..., HostSimulator], threads: int):
    everyone, some = make_simulator(5, threads), make_simulator(5, threads)
    active = np.array([True, False, True, False, True])
    begin(everyone)
    begin(some)
    at_rest = some.state.copy()
    wander(everyone, 20)
    wander(some, 20, active)
    assert_array_equal(some.state[active], everyone.state[active])
    assert_array_equal(some.state[~active], at_rest[~active])


def test_a_world_has_no_past_beyond_its_state(make_simulator: Callable[..., HostSimulator]):
    straight, detour = make_simulator(1), make_simulator(1)
    begin(straight)
    begin(detour)
    wander(detour, 5)
    begin(detour)
    wander(straight, 20)
    wander(detour, 20)
    assert_array_equal(detour.state, straight.state)


def test_a_control_step_takes_its_time(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(2)
    begin(simulator)
    wander(simulator, 25)
    assert_allclose(simulator.state[:, 0], 1.0, atol=1e-12)


def test_arms_follow_their_commands(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(2)
    begin(simulator)
    target = simulator.joint_target + 0.05
    for _ in range(15):
        simulator.advance(target, np.full((2, 2), 0.03))
    world = simulator.world()
    assert_allclose(world.joint_pos, target, atol=3e-3)
    assert_allclose(world.gripper_opening, 0.03, atol=1e-3)


def test_a_resting_bar_weighs_on_the_table(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(3)
    begin(simulator)
    before = simulator.world().body_pos.copy()
    for _ in range(25):
        simulator.advance(simulator.joint_target, simulator.gripper_target)
    assert_allclose(simulator.world().body_pos, before, atol=1e-3)
    assert np.abs(simulator.world().body_vel).max() < 1e-3


def test_a_world_state_is_not_changed_by_later_steps(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(2)
    begin(simulator)
    wander(simulator, 2)
    world = simulator.world()
    arrays = {name: np.array(value) for name, value in vars(world).items() if name != "contact_layout"}
    wander(simulator, 2, np.array([True, False]))
    begin(simulator)
    for name, value in arrays.items():
        assert_array_equal(getattr(world, name), value, err_msg=name)


def test_body_transforms_are_those_of_the_world_state(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(2)
    begin(simulator)
    wander(simulator, 3)
    pos, quat = (poses[0] for poses in simulator.body_transforms(np.array([1])))
    bar = simulator.template.body("bar").id
    assert_allclose(pos[bar], simulator.world().body_pos[1, 0], atol=1e-12)
    assert_allclose(quat[bar], simulator.world().body_quat[1, 0], atol=1e-6)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
@pytest.mark.parametrize("entry", ["position", "velocity"])
def test_an_unstable_world_is_named_and_stays_as_it_was(
    make_simulator: Callable[..., HostSimulator], value: float, entry: str, threads: int
):
    simulator, undisturbed = make_simulator(3, threads), make_simulator(3)
    for each in (simulator, undisturbed):
        begin(each)
        wander(each, 2)
    column = 1 if entry == "position" else 1 + simulator.template.nq
    simulator.state[1, column] = value
    names = "state", "joint_target", "gripper_target", "contacts"
    before = {name: getattr(simulator, name).copy() for name in names}
    target, opening = simulator.joint_target + 0.03, simulator.gripper_target - 0.004
    unstable = simulator.advance(target, opening)
    assert unstable is not None
    assert unstable.tolist() == [False, True, False]
    assert undisturbed.advance(target, opening) is None
    for name in names:
        assert_array_equal(getattr(simulator, name)[1], before[name][1], err_msg=name)
        assert_array_equal(getattr(simulator, name)[[0, 2]], getattr(undisturbed, name)[[0, 2]], err_msg=name)


def test_a_world_that_rests_is_not_called_unstable(make_simulator: Callable[..., HostSimulator]):
    simulator = make_simulator(3)
    begin(simulator)
    simulator.state[1, 1] = np.nan
    active = np.array([True, False, True])
    assert simulator.advance(simulator.joint_target, simulator.gripper_target, active) is None


@pytest.mark.parametrize("substep", [1, SUBSTEPS - 1, SUBSTEPS])
def test_a_world_that_mujoco_resets_by_itself_is_unstable(make_simulator: Callable[..., HostSimulator], substep: int):
    simulator = make_simulator(2)
    begin(simulator)
    hidden, rollout = simulator._threads(), simulator._threads().rollout

    def reset_on_the_way(*args: object, state: np.ndarray, **kwargs: object) -> None:
        rollout(*args, state=state, **kwargs)
        state[1, substep - 1 :, 0] = np.arange(1, SUBSTEPS - substep + 2) * simulator.template.opt.timestep
        state[1, substep - 1 :, 1:] = 0.0  # a sound state, but not of this world

    hidden.rollout = reset_on_the_way
    for _ in range(2):
        unstable = simulator.advance(simulator.joint_target, simulator.gripper_target)
    assert unstable is not None
    assert unstable.tolist() == [False, True]


def test_no_mujoco_warning_is_printed_or_logged_during_whole_episodes(
    make_lift: Callable[..., TeamVectorEnv],
    finish_episodes: FinishEpisodes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    env = make_lift(6, autoreset_mode="Disabled")
    env.reset(seed=0)
    assert finish_episodes(env).rate() == 1.0
    assert not list(tmp_path.iterdir())
    out, err = capfd.readouterr()
    assert "WARNING" not in out + err
