"""The layers between MuJoCo and a user, each doing the work of one recording: ``mj_step`` up to the parallel view.

All advance the same Newton-compiled models from the same states with the same controls, contacts included, and make
sure that they ended in the recorded state. ``mj_step`` and ``mujoco.rollout`` only step; the simulator also ramps the
commands, reads the contact sensors and builds ``WorldState`` (forward kinematics of all arms); the environment also
decodes actions, judges reward and success and builds observation and info.

``mj_step`` is called from Python, once per physics step. With several threads these calls contend for the interpreter:
compare with ``mujoco.rollout`` there. With one thread the loop costs a few percent of a step.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium
import mujoco
import numpy as np
import teamvla_envs
from gymnasium.vector import AutoresetMode
from measure import Candidate
from mujoco import rollout
from recording import Recording
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.sim.host import SUBSTEPS, HostSimulator

RAW, ROLLOUT, SIMULATOR, ENVIRONMENT = "mj_step", "mujoco.rollout", "host simulator", "environment"
FULL = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
CONTROL = int(mujoco.mjtState.mjSTATE_CTRL)


def make_env(task: str, num_envs: int, num_threads: int | None = None, **kwargs: Any) -> TeamVectorEnv:
    """A vector environment whose worlds rest when their episodes end."""
    return TeamVectorEnv(task, num_envs, num_threads=num_threads, autoreset_mode=AutoresetMode.DISABLED, **kwargs)


def make_simulator(env: TeamVectorEnv, start: Mapping[str, np.ndarray], num_threads: int) -> HostSimulator:
    """A simulator of its own with the worlds of the environment."""
    scene = env.scene  # with the robots of the environment
    sim = HostSimulator(scene, env.task.bodies, env.num_envs, num_threads, env.task.joints)
    fields = {}
    for key, values in start.items():
        kind, _, rest = key.partition(".")
        if kind == "field":
            field, _, name = rest.partition(".")
            fields[field, name] = values
    sim.apply_fields(np.arange(env.num_envs), fields)
    return sim


def bare_steps(sim: HostSimulator, recording: Recording) -> Candidate:
    """``mj_step`` in a Python loop over physics steps, on as many Python threads (it releases the GIL)."""
    models, num_threads = sim.models, sim.num_threads
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

    return Candidate(prepare, run, recording.control_steps)


def bare_rollout(sim: HostSimulator, recording: Recording) -> Candidate:
    """``mujoco.rollout``, one call per control step, nothing read but the state."""
    models, num_threads = list(sim.models), sim.num_threads
    pool = rollout.Rollout(nthread=num_threads if num_threads > 1 else 0)
    datas = [mujoco.MjData(models[0]) for _ in range(num_threads)]
    start = recording.start["physics"]
    trajectory = np.zeros((len(models), SUBSTEPS, start.shape[1]))
    sensors = np.zeros((len(models), SUBSTEPS, models[0].nsensordata))

    def run() -> None:
        state = start
        for control in recording.controls:
            pool.rollout(
                models, datas, nstep=SUBSTEPS, control_spec=CONTROL, skip_checks=True,
                initial_state=state, control=control, state=trajectory, sensordata=sensors,
            )  # fmt: skip
            state = trajectory[:, -1].copy()
        recording.check_end(ROLLOUT, state)

    return Candidate(lambda: None, run, recording.control_steps)


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
        recording.check_end(SIMULATOR, sim.state)

    return Candidate(prepare, run, recording.control_steps)


def environment_steps(env: TeamVectorEnv, recording: Recording) -> Candidate:
    """``TeamVectorEnv.step``."""

    def run() -> None:
        for action in recording.actions:
            env.step(action)
        recording.check_end(ENVIRONMENT, env.get_state()["physics"])

    return Candidate(lambda: env.set_state(recording.start), run, recording.control_steps)


def single_steps(env: gymnasium.Env[Any, np.ndarray], recording: Recording) -> Candidate:
    """``step`` of the single view, wrapped by ``gymnasium.make`` or not; the recording is of one world."""
    bare: Any = env.unwrapped
    env.reset()  # gymnasium's wrappers insist

    def run() -> None:
        for action in recording.actions[:, 0]:
            env.step(action)
        recording.check_end("the single view", bare.get_state()["physics"])

    return Candidate(lambda: bare.set_state(recording.start), run, recording.control_steps)


def parallel_steps(task: str, recording: Recording) -> Candidate:
    """``step`` of the PettingZoo view; the recording is of one world."""
    env = teamvla_envs.parallel_env(task)
    steps, count = len(recording.actions), len(env.possible_agents)
    split = recording.actions[:, 0].reshape(steps, count, -1)
    actions = [dict(zip(env.possible_agents, rows, strict=True)) for rows in split]

    def run() -> None:
        for action in actions:
            env.step(action)
        recording.check_end("the parallel view", env.get_state()["physics"])

    return Candidate(lambda: env.set_state(dict(recording.start)), run, recording.control_steps)


def random_steps(env: Any, steps: int) -> Candidate:
    """Steps with uniformly random actions, of a single or a vector environment, from a fresh start.

    Args:
        env: The environment.
        steps: Control steps of a run; no episode may end within them.
    """
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, *env.action_space.shape)).astype(np.float32)

    def run() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if np.any(terminated) or np.any(truncated):
                raise RuntimeError(f"an episode ended within {steps} random steps: take fewer")

    return Candidate(lambda: env.reset(seed=0), run, steps * getattr(env, "num_envs", 1))


def masked_resets(env: TeamVectorEnv, count: int) -> Candidate:
    """Resets of ``count`` of the N worlds by ``reset_mask``, with observations; the work is the number of resets."""
    generator = np.random.default_rng(0)
    masks = [np.isin(np.arange(env.num_envs), generator.permutation(env.num_envs)[:count]) for _ in range(16)]

    def run() -> None:
        for mask in masks:
            env.reset(options={"reset_mask": mask})

    return Candidate(lambda: env.reset(seed=0), run, len(masks) * count)
