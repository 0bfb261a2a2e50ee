"""How much of MuJoCo's own speed is left at each layer: ``mj_step``, ``mujoco.rollout``, simulator, environment.

All four advance the same Newton-compiled models from the same states with the same controls, recorded from the
expert: approach, grasp and carry, contacts included. They take turns, and ratios are taken within a turn; those of
processor time hold on a busy machine too. ``mj_step`` and ``mujoco.rollout`` only step; the simulator also
ramps the commands, reads the contact sensors and builds ``WorldState`` (forward kinematics of all arms); the
environment also decodes actions, judges reward and success and builds the ``state`` observation.

``mj_step`` is called from Python, once per physics step. With several threads these calls contend for the interpreter:
compare with ``mujoco.rollout`` there. With one thread the loop costs a few percent of a step.

Run ``uv run python benchmarks/host_speed.py`` on an idle machine.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

import mujoco
import numpy as np
import tyro
from gymnasium.vector import AutoresetMode
from measure import Candidate, machine, print_table, ratios, spread, take_turns
from mujoco import rollout
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.sim.host import SUBSTEPS, HostSimulator

FIRST_SEED = 2_000_000
MOST_STEPS = 80  # control steps of the recording; it stops earlier when an episode ends
WORK_OF_A_TURN = 32_000  # physics steps of one candidate in one turn, at least
RAW, ROLLOUT, SIMULATOR, ENVIRONMENT = "mj_step", "mujoco.rollout", "host simulator", "environment"
FULL = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
CONTROL = int(mujoco.mjtState.mjSTATE_CTRL)


@dataclass(frozen=True)
class Recording:
    """What the expert did in N worlds during T control steps.

    Attributes:
        start: State of the environment before the first step.
        end: MuJoCo's physics state after the last step, shape ``(N, S)``.
        actions: Shape ``(T, N, A * D)``.
        joint_targets: Shape ``(T, N, A, J)`` [rad].
        gripper_targets: Shape ``(T, N, A)`` [m].
        controls: MuJoCo's control vector of every physics step, shape ``(T, N, SUBSTEPS, nu)``.
    """

    start: Mapping[str, np.ndarray]
    end: np.ndarray
    actions: np.ndarray
    joint_targets: np.ndarray
    gripper_targets: np.ndarray
    controls: np.ndarray

    @property
    def physics_steps(self) -> int:
        """Physics steps of all worlds together."""
        steps, worlds = self.actions.shape[:2]
        return steps * worlds * SUBSTEPS


def main(
    num_envs: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = (1, 16, 64),
    threads: Annotated[tuple[int, ...], tyro.conf.arg(metavar="THREADS ...")] = (1, 2),
    seconds: float = 20.0,
    task: str = "lift",
) -> None:
    """Print rates of physics steps and their ratios to the bare mj_step.

    Args:
        num_envs: Numbers of worlds.
        threads: Numbers of threads; more threads than worlds are left out.
        seconds: Time for each pair of these.
        task: Name of the task.
    """
    print(f"{task}, {SUBSTEPS} physics steps in a control step, median (lowest to highest); {machine()}\n")
    for worlds in num_envs:
        for thread_count in threads:
            if thread_count <= worlds:
                measure(task, worlds, thread_count, seconds)
    print(machine())


def measure(task: str, num_envs: int, num_threads: int, seconds: float) -> None:
    """Measure all four layers and print their table."""
    env = TeamVectorEnv(
        task, num_envs, obs_mode="state", num_threads=num_threads, autoreset_mode=AutoresetMode.DISABLED
    )
    recording = record(env)
    sim = make_simulator(env, recording.start, num_threads)
    candidates = {
        RAW: bare_steps(sim.models, recording, num_threads),
        ROLLOUT: bare_rollout(sim.models, recording, num_threads),
        SIMULATOR: simulator_steps(sim, recording),
        ENVIRONMENT: environment_steps(env, recording),
    }
    repeats = -(-WORK_OF_A_TURN // recording.physics_steps)
    rates = take_turns(candidates, seconds, repeats)
    rows = []
    for name, turns in rates.items():
        wall, cpu = [rate.wall for rate in turns], [rate.cpu for rate in turns]
        of_wall = ratios(wall, [rate.wall for rate in rates[RAW]])
        of_cpu = ratios(cpu, [rate.cpu for rate in rates[RAW]])
        rows.append(
            (
                name,
                f"{spread(wall):,.0f}",
                f"{spread(wall).median / SUBSTEPS:,.0f}",
                f"{spread(cpu).median / SUBSTEPS:,.0f}",
                f"{of_wall:.2f}",
                f"{of_cpu:.2f}",
            )
        )
    print(f"N = {num_envs}, threads = {num_threads}: {len(rates[RAW])} turns")
    print_table(("", "physics steps/s", "control steps/s", "per CPU second", f"ratio to {RAW}", "of CPU time"), rows)
    print(flush=True)
    sim.close()
    env.close()


def record(env: TeamVectorEnv) -> Recording:
    """Let the expert act, and keep what it did until the first episode ends."""
    env.reset(seed=FIRST_SEED)
    start = env.get_state()
    sim = env._sim  # the controls that it hands to MuJoCo are nobody else's business
    actions, joints, grippers, controls = [], [], [], []
    end = start["physics"]
    for _ in range(MOST_STEPS):
        action = env.expert_actions()
        _, _, terminated, truncated, _ = env.step(action)
        if (terminated | truncated).any():
            break
        actions.append(action)
        joints.append(sim.joint_target.copy())
        grippers.append(sim.gripper_target.copy())
        controls.append(sim._ctrl.copy())
        end = sim.state.copy()
    return Recording(start, end, *(np.stack(rows) for rows in (actions, joints, grippers, controls)))


def make_simulator(env: TeamVectorEnv, start: Mapping[str, np.ndarray], num_threads: int) -> HostSimulator:
    """A simulator of its own with the worlds of the environment."""
    robots = tuple(robot.name for robot in env._sim.scene.robots)
    sim = HostSimulator(env.task.scene(robots), env.task.bodies, env.num_envs, num_threads, env.task.joints)
    fields = {}
    for key, values in start.items():
        kind, _, rest = key.partition(".")
        if kind == "field":
            field, _, name = rest.partition(".")
            fields[field, name] = values
    sim.apply_fields(np.arange(env.num_envs), fields)
    return sim


def bare_steps(models: Sequence[Any], recording: Recording, num_threads: int) -> Candidate:
    """``mj_step`` in a Python loop over physics steps, on as many Python threads (it releases the GIL)."""
    datas = [mujoco.MjData(model) for model in models]
    controls = np.ascontiguousarray(recording.controls.swapaxes(0, 1)).reshape(len(models), -1, models[0].nu)
    pool = ThreadPoolExecutor(num_threads)

    def prepare() -> None:
        for model, data, state in zip(models, datas, recording.start["physics"], strict=True):
            mujoco.mj_resetData(model, data)
            mujoco.mj_setState(model, data, state, FULL)

    def step_some(thread: int) -> None:
        step = mujoco.mj_step
        for world in range(thread, len(models), num_threads):
            model, data = models[world], datas[world]
            command = data.ctrl
            for control in controls[world]:
                command[:] = control
                step(model, data)

    def run() -> None:
        if num_threads == 1:
            step_some(0)
        else:
            list(pool.map(step_some, range(num_threads)))

    return Candidate(prepare, run, recording.physics_steps)


def bare_rollout(models: Sequence[Any], recording: Recording, num_threads: int) -> Candidate:
    """``mujoco.rollout``, one call per control step, nothing read but the state."""
    pool = rollout.Rollout(nthread=num_threads if num_threads > 1 else 0)
    datas = [mujoco.MjData(models[0]) for _ in range(num_threads)]
    start = recording.start["physics"]
    trajectory = np.zeros((len(models), SUBSTEPS, start.shape[1]))
    sensors = np.zeros((len(models), SUBSTEPS, models[0].nsensordata))
    models = list(models)

    def run() -> None:
        state = start
        for control in recording.controls:
            pool.rollout(
                models, datas, nstep=SUBSTEPS, control_spec=CONTROL, skip_checks=True,
                initial_state=state, control=control, state=trajectory, sensordata=sensors,
            )  # fmt: skip
            state = trajectory[:, -1].copy()
        check_end(ROLLOUT, state, recording)

    return Candidate(lambda: None, run, recording.physics_steps)


def simulator_steps(sim: HostSimulator, recording: Recording) -> Candidate:
    """``HostSimulator.advance`` and ``world`` once per control step."""

    def prepare() -> None:
        sim.state = recording.start["physics"].copy()
        sim.joint_target = recording.start["joint_target"].copy()
        sim.gripper_target = recording.start["gripper_target"].copy()

    def run() -> None:
        for joints, gripper in zip(recording.joint_targets, recording.gripper_targets, strict=True):
            sim.advance(joints, gripper)
            sim.world()
        check_end(SIMULATOR, sim.state, recording)

    return Candidate(prepare, run, recording.physics_steps)


def environment_steps(env: TeamVectorEnv, recording: Recording) -> Candidate:
    """``TeamVectorEnv.step`` with state observations."""

    def run() -> None:
        for action in recording.actions:
            env.step(action)
        check_end(ENVIRONMENT, env.get_state()["physics"], recording)

    return Candidate(lambda: _discard(env.set_state(recording.start)), run, recording.physics_steps)


def check_end(name: str, state: np.ndarray, recording: Recording) -> None:
    """Make sure that a layer did the recorded work and no other."""
    if not np.array_equal(state, recording.end):
        raise RuntimeError(f"{name} ended in another state than the recording")


def _discard(result: object) -> None:
    """Turn a call with a result into one without."""


if __name__ == "__main__":
    tyro.cli(main)
