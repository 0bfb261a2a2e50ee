"""Interactive episode of one policy in one world: objects can be pushed, arms can be frozen."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from teamvla_envs.demos.video import tile
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.policies import make_policy
from teamvla_envs.rollout import Step

from teamvla_eval.demo.protocol import View
from teamvla_eval.demo.recording import Recorder
from teamvla_eval.metrics.episode_meter import Meter
from teamvla_eval.metrics.table import summarized_metrics

OVERVIEW = "front"
_ENV_DECIDED_HERE = ("task", "num_arms", "max_episode_steps", "render_mode", "device", "num_threads")
_JPEG_QUALITY = 85


class LiveEpisode:
    """Policy with its own world.

    Args:
        spec: Specification of the policy, already checked.
        task: Registered task.
        num_arms: Number of arms.

    Attributes:
        env: The environment, with one world.
        instruction: Instruction of the policy.
        ended: Whether the episode has ended.
        reads_instruction: Whether the policy reads the instruction; otherwise it observes the goal in the state.

    Raises:
        UserError: If the policy does not fit the task or the number of arms.
    """

    def __init__(self, spec: str, task: str, num_arms: int):
        self.spec, self._policy = spec, make_policy(spec)
        needed = self._policy.env_kwargs
        if needed.get("num_arms", num_arms) != num_arms:
            raise UserError(f"{spec} acts for {needed['num_arms']} arms, not for {num_arms}")
        if needed.get("task", task) != task:
            raise UserError(f"{spec} was trained on {needed['task']}, not on {task}")
        wanted = {key: value for key, value in needed.items() if key not in _ENV_DECIDED_HERE}
        self.env = TeamVectorEnv(
            task, num_arms=num_arms, num_threads=1, autoreset_mode=AutoresetMode.DISABLED, **wanted
        )
        try:
            self._policy.bind(self.env)
        except ValueError as error:
            self.env.close()
            raise UserError(f"{spec} does not fit {task}: {error}") from error
        self._wrists = tuple(camera.name for camera in self.env.scene.cameras if camera.arm is not None)
        self._meter = Meter(self.env)
        self._only = np.ones(1, dtype=bool)
        self.reads_instruction = self.env.obs_mode != "state"

    def begin(self, seed: int, goal: str | None, instruction: str) -> None:
        """Begin an episode; it is not judged if the instruction names no goal.

        Args:
            seed: Seed of the scene.
            goal: Goal; None for the one of the seed.
            instruction: Instruction; empty for the one of the environment.
        """
        self._judged = goal is not None or not instruction
        self._obs, info = self.env.reset(seed=seed, options={"goal": goal})
        self.instruction = instruction or self.env.instructions[0]
        self._policy.reset(self._only)
        self._meter.begin(self.env, self._only, info)
        self._recorder = Recorder(self.env, self.spec, self.instruction, self._judged)
        self._update(info)
        self._steps, self._return = 0, 0.0
        self._seen: list[int] = [self._phase]
        self._events: list[tuple[float, str]] = []
        self.ended = False

    def step(self, frozen: tuple[int, ...] = ()) -> None:
        """Run one control step; ``frozen`` arms hold still with open grippers."""
        if self.ended:
            return
        env, before = self.env, self._recorder.observed(self._obs, self._phase)
        action = np.array(self._policy.act(self._with_instruction(self._obs)), np.float32)
        rows = action.reshape(env.num_arms, -1)
        for arm in frozen:
            rows[arm] = np.asarray(env.hold_actions(gripper=1.0)).reshape(rows.shape)[arm]
        step = Step(self._only, self._obs, action, *env.step(action))
        self._obs = step.next_observation
        self._meter.capture(env, step)
        self.ended = bool(step.terminated[0] or step.truncated[0])
        self._update(step.info)
        self._recorder.add(before, np.clip(action, -1.0, 1.0), step.reward[0], self.ended, self._success)
        self._steps += 1
        self._return += float(step.reward[0])
        self._seen.append(self._phase)

    def push(self, body: str, impulse: tuple[float, float, float]) -> None:
        """Push an object, if it exists and the episode is running."""
        if not self.ended:
            self.env.push(0, body, impulse)
            self._recorder.cut()
            self.mark(f"{body} pushed")

    def mark(self, event: str) -> None:
        """Record an intervention."""
        self._events.append((self._steps * self.env.control_dt, event))

    def view(self, height: int) -> View:
        """View of the current state.

        Args:
            height: Height of the image [px].
        """
        env = self.env
        side = height // max(len(self._wrists), 1)
        overview = env.render_cameras((OVERVIEW,), height)[0, 0]
        image = tile([overview, *env.render_cameras(self._wrists, side)[0]])
        messages = getattr(self._policy, "messages", None)
        return View(
            policy=self.spec,
            image=_jpeg(image),
            aspect=image.shape[1] / image.shape[0],
            goal=env.goal_names[0],
            time_s=self._steps * env.control_dt,
            phase=self._phase,
            success=self._success and self._judged,
            end_reason=self._end_reason,
            measures=self._measures(),
            cameras=tuple(name.replace("_", " ") for name in self._wrists),
            judged=self._judged,
            phases_seen=tuple(self._seen),
            events=tuple(self._events),
            messages=None if messages is None else np.asarray(messages)[0],
        )

    def write(self, path: Path) -> bool:
        """Write the episode as a demonstration file; see :meth:`Recorder.write`."""
        return self._recorder.write(path)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _with_instruction(self, obs: Any) -> Any:
        return {**obs, "instruction": (self.instruction,)} if isinstance(obs, Mapping) and "instruction" in obs else obs

    def _update(self, info: Mapping[str, Any]) -> None:
        self._phase, self._success = int(info["phase"][0]), bool(info["is_success"][0])
        self._end_reason = str(info["end_reason"][0])

    def _measures(self) -> dict[str, str]:
        if not self._steps:
            return {}
        found = self._meter.measure(0)
        shown = {"return": f"{self._return:.1f}" if self._judged else "–"}
        for metric in summarized_metrics():
            shown[metric.title] = f"{metric.format(found[metric.name])} {metric.unit}".strip()
        return shown


def _jpeg(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
