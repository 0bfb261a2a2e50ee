"""Episodes of the expert, recorded in N worlds at once."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.control.actions import JOINT_STEP
from teamvla_envs.demos import schema
from teamvla_envs.demos.detours import Detours
from teamvla_envs.demos.noise import joint_noise, slips
from teamvla_envs.demos.recorder import EpisodeRecorder, observed_arrays
from teamvla_envs.demos.seed_queue import SeedSchedule
from teamvla_envs.demos.settings import CollectionSettings
from teamvla_envs.demos.writer import Episode
from teamvla_envs.interrupts import check_interrupt

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


def record_expert(env: "TeamVectorEnv", schedule: SeedSchedule, settings: CollectionSettings) -> Iterator[Episode]:
    """Run the expert on the schedule's seeds and yield every finished episode, successful or not.

    A world whose episode ended begins the schedule's next seed at once, while the others go on.

    Args:
        env: Environment with ``obs_mode="vision+state"``, joint-delta actions and autoreset disabled.
        schedule: Seeds to run; it receives the outcome of each episode before the episode is yielded.
        settings: Noise, slips and detours of the episodes; see ``joint_noise``, ``slips`` and :class:`Detours`.
    """
    with closing(Detours(env, settings.detours)) as detours:
        yield from _record(env, schedule, settings, detours)


def _record(
    env: "TeamVectorEnv", schedule: SeedSchedule, settings: CollectionSettings, detours: Detours
) -> Iterator[Episode]:
    recordings: list[EpisodeRecorder | None] = [None] * env.num_envs
    seeds = [0] * env.num_envs
    noise_shape = env.max_episode_steps, env.num_arms, env.action_size - 1
    disturbance = np.zeros((noise_shape[0], env.num_envs, *noise_shape[1:]))
    drift, closes = np.zeros_like(disturbance), np.zeros(disturbance.shape[:-1], dtype=bool)
    phase = np.zeros(env.num_envs, dtype=np.int64)
    obs: Any = None
    state: dict[str, np.ndarray] = {}
    while True:
        check_interrupt()
        begins = np.zeros(env.num_envs, dtype=bool)
        for world in _idle(recordings):
            seed = schedule.take()
            if seed is None:
                break
            begins[world], seeds[world] = True, seed
        if begins.any():
            obs, info = env.reset(seed=seeds, options={"reset_mask": begins})
            phase = np.where(begins, info["phase"], phase)
            state = env.get_state()
            for world in np.flatnonzero(begins).tolist():
                goal, instruction = str(info["goal"][world]), str(info["task_description"][world])
                recordings[world] = recorder = EpisodeRecorder(seeds[world], goal, instruction, world)
                recorder.begin(state)
                disturbance[:, world] = joint_noise(seeds[world], *noise_shape, settings.noise)
                drift[:, world], closes[:, world] = slips(seeds[world], *noise_shape, settings.slips)
            detours.begin(begins, seeds)
        if len(_idle(recordings)) == env.num_envs:
            return
        label = np.clip(env.expert_actions(), -1.0, 1.0)
        steps = np.array([0 if recording is None else len(recording) for recording in recordings])
        led = detours.lead(label, state, steps)
        action = disturbed(led, recordings, disturbance, drift, closes)
        before = observed_arrays(obs) | {
            schema.ACTIONS: action,
            schema.EXPERT_ACTIONS: label,
            schema.PHASE: phase,
        }
        obs, rewards, terminated, truncated, info = env.step(action)
        phase = np.asarray(info["phase"], dtype=np.int64)
        done = terminated | truncated
        after = {schema.REWARDS: rewards.astype(np.float32), schema.DONES: done.astype(np.uint8)}
        state = env.get_state()
        for world, recording in enumerate(recordings):
            if recording is None:
                continue
            recording.add(before | after, state)
            if done[world]:
                recordings[world] = None
                episode = recording.episode(success=bool(info["is_success"][world]))
                schedule.finish(episode.seed, episode.success)
                yield episode


def _idle(recordings: list[EpisodeRecorder | None]) -> list[int]:
    return [world for world, recording in enumerate(recordings) if recording is None]


def disturbed(
    label: np.ndarray,
    recordings: list[EpisodeRecorder | None],
    disturbance: np.ndarray,
    drift: np.ndarray,
    closes: np.ndarray,
) -> np.ndarray:
    """Return actions (N, A*D) with each running world's noise and slips of its present step.

    An arm's joint motion that grows beyond the limit of a step is scaled as a whole, as the environment does.

    Args:
        label: (N, A*D) float32, the undisturbed actions.
        recordings: The running episodes, whose lengths are their step numbers.
        disturbance: (steps, N, A, J) noise [rad] of each world's episode.
        drift: (steps, N, A, J) drift [rad] of slipping arms; only an arm that keeps its gripper open slips.
        closes: (steps, N, A) bool, true in the steps in which a slipping arm closes its gripper.
    """
    num_arms, num_joints = disturbance.shape[2:]
    action = label.reshape(len(label), num_arms, -1).copy()
    for world, recording in enumerate(recordings):
        if recording is not None:
            step = len(recording)
            is_open = action[world, :, -1] > 0
            action[world, :, :num_joints] += disturbance[step, world] / JOINT_STEP
            action[world, :, :num_joints] += is_open[:, None] * drift[step, world] / JOINT_STEP
            action[world, is_open & closes[step, world], -1] = -1.0
    joints = action[..., :num_joints]
    joints /= np.maximum(np.abs(joints).max(axis=-1, keepdims=True), 1.0)
    return np.clip(action, -1.0, 1.0).reshape(label.shape).astype(np.float32)
