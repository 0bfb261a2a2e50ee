"""A toy team that follows the environment's contract: every joint has a target that the expert walks to."""

import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings

NUM_JOINTS = 2
BAD_SEEDS = {3, 10}  # the expert does nothing there


class ToyEnv:
    """Joint positions move by the action; success is being near the target for the first time."""

    instances = 0
    threads: int | None = None  # of the last instance

    def __init__(
        self,
        task: str = "lift",
        num_envs: int = 1,
        num_arms: int = 2,
        obs_mode: str = "state",
        cameras: tuple[str, ...] | None = None,
        image_size: int = 64,
        max_episode_steps: int = 30,
        autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        looks: str = "primitives",
        num_threads: int | None = None,
    ) -> None:
        if task != "lift":
            raise ValueError(f"task is {task!r}, allowed are lift")
        unknown = set(cameras or ()) - {"front", "wrist_0", "wrist_1"}
        if unknown:
            raise ValueError(f"cameras has {unknown.pop()!r}, allowed are front, wrist_0, wrist_1")
        assert autoreset_mode is AutoresetMode.DISABLED
        self.task_name = task
        type(self).instances += 1
        type(self).threads = num_threads
        self.num_envs, self.num_arms, self.obs_mode = num_envs, num_arms, obs_mode
        self.cameras = ("front", "wrist_0", "wrist_1") if cameras is None else tuple(cameras)
        self.image_size, self.max_episode_steps = image_size, max_episode_steps
        self.action_size = NUM_JOINTS + 1
        self.env_kwargs = {
            "task": task,
            "num_arms": num_arms,
            "obs_mode": obs_mode,
            "cameras": list(self.cameras),
            "image_size": image_size,
            "max_episode_steps": max_episode_steps,
        }
        self.action_parts = [("joint_delta", NUM_JOINTS), ("gripper", 1)]
        self.agent_pos_parts = [("joint_pos", NUM_JOINTS)]
        self.environment_state_parts = [("target", num_arms * NUM_JOINTS)]
        self.seeds = np.full(num_envs, -1, dtype=np.int64)
        self._joint_pos = np.zeros((num_envs, num_arms, NUM_JOINTS))
        self._target = np.zeros_like(self._joint_pos)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=bool)
        self._success = np.zeros(num_envs, dtype=bool)

    def reset(self, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = np.ones(self.num_envs, bool) if options is None else options["reset_mask"]
        seeds = [seed + world for world in range(self.num_envs)] if isinstance(seed, int) else seed
        for world in np.flatnonzero(mask):
            self.seeds[world] = seeds[world]
            self._joint_pos[world] = 0.0
            self._target[world] = np.random.default_rng(seeds[world]).uniform(0.2, 0.9, self._target[world].shape)
        self._steps[mask] = 0
        self._ended[mask] = self._success[mask] = False
        return self._observation(), self._info()

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        runs = ~self._ended
        motion = actions.reshape(self.num_envs, self.num_arms, -1)[..., :NUM_JOINTS] * 0.05
        self._joint_pos[runs] += motion[runs]
        self._steps[runs] += 1
        error = np.abs(self._joint_pos - self._target).max(axis=(1, 2))
        terminated = (error < 0.02) & runs
        truncated = (self._steps >= self.max_episode_steps) & runs & ~terminated
        self._ended |= terminated | truncated
        self._success = np.where(runs, terminated, self._success)
        return self._observation(), np.where(runs, -error, 0.0), terminated, truncated, self._info()

    def expert_actions(self) -> np.ndarray:
        actions = np.zeros((self.num_envs, self.num_arms, NUM_JOINTS + 1), dtype=np.float32)
        actions[..., :NUM_JOINTS] = np.clip((self._target - self._joint_pos) / 0.05, -1, 1)
        actions[np.isin(self.seeds, list(BAD_SEEDS))] = 0.0
        return actions.reshape(self.num_envs, -1)

    def get_state(self) -> dict[str, np.ndarray]:
        return {
            "joint_pos": self._joint_pos.copy(),
            "target": self._target.copy(),
            "steps": self._steps.copy(),
        }

    def set_state(self, state: Mapping[str, np.ndarray], mask: np.ndarray | None = None) -> None:
        self._joint_pos, self._target = state["joint_pos"].copy(), state["target"].copy()
        self._steps = state["steps"].copy()
        self._ended = np.zeros(self.num_envs, dtype=bool)

    def render_frames(self, camera: str = "front", size: int = 480, worlds: Any = slice(None)) -> np.ndarray:
        frames = np.full((self.num_envs, size, size, 3), 40 if camera == "front" else 200, dtype=np.uint8)
        filled = (size * self._joint_pos[:, 0, 0]).astype(int)
        for world, width in enumerate(filled):
            frames[world, :, :width] = (250, 120, 0)
        return frames[worlds]

    def close(self) -> None:
        pass

    def _observation(self) -> Any:
        target = self._target.reshape(self.num_envs, -1).astype(np.float32)
        if self.obs_mode == "state":
            return target
        return {
            "pixels": {camera: self.render_frames(camera, self.image_size) for camera in self.cameras},
            "agent_pos": self._joint_pos.reshape(self.num_envs, -1).astype(np.float32),
            "environment_state": target,
        }

    def _info(self) -> dict[str, Any]:
        goals = np.array([f"stand_{seed % 2}" for seed in self.seeds.tolist()], dtype=object)
        return {
            "is_success": self._success.copy(),
            "phase": np.minimum(self._steps // 5, 3),
            "goal": goals,
            "task_description": np.array([f"lift it onto {goal}" for goal in goals], dtype=object),
        }


@pytest.fixture
def toy_env(monkeypatch: pytest.MonkeyPatch) -> type[ToyEnv]:
    """Stands in for the real environment, so that hundreds of episodes take no time."""
    module = types.ModuleType("teamvla_envs.env.vector")
    vars(module)["TeamVectorEnv"] = ToyEnv
    monkeypatch.setitem(sys.modules, "teamvla_envs.env.vector", module)
    monkeypatch.setattr(ToyEnv, "instances", 0)
    return ToyEnv


@pytest.fixture
def demo_file(toy_env: type[ToyEnv], tmp_path: Path) -> Path:
    """A demonstration file of four toy episodes without images."""
    path = tmp_path / "toy.hdf5"
    collect(CollectConfig(CollectionSettings("lift", cameras=()), episodes=4, out=path, num_envs=4))
    return path


@pytest.fixture
def change(demo_file: Path) -> Callable[[Callable[[Any], None]], Path]:
    """Damages the demonstration file and returns its path."""
    import h5py

    def apply(damage: Callable[[Any], None]) -> Path:
        with h5py.File(demo_file, "r+") as file:
            damage(file)
        return demo_file

    return apply
