"""Dense reward in each phase of the expert, and returns of policies that do not finish.

``uv run python benchmarks/rewards.py --out docs/images`` draws ``rewards.png``.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import matplotlib
import numpy as np
import tyro
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import BUILT_IN
from teamvla_envs.seeds import episode_seeds

matplotlib.use("agg")
import matplotlib.pyplot as plt

Behavior = Callable[[TeamVectorEnv, np.random.Generator], np.ndarray]


def expert(env: TeamVectorEnv, rng: np.random.Generator) -> np.ndarray:
    """The task's expert."""
    return env.expert_actions()


def never_release(env: TeamVectorEnv, rng: np.random.Generator) -> np.ndarray:
    """The expert with hands that never release an object."""
    actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
    closed = env.world.gripper_opening < 0.06
    actions[..., -1] = np.where(closed, -1.0, actions[..., -1])
    return actions.reshape(env.num_envs, -1)


def freeze(env: TeamVectorEnv, rng: np.random.Generator) -> np.ndarray:
    """No motion, grippers open."""
    actions = np.zeros((env.num_envs, env.num_arms, env.action_size))
    actions[..., -1] = 1.0
    return actions.reshape(env.num_envs, -1)


def tremble(env: TeamVectorEnv, rng: np.random.Generator) -> np.ndarray:
    """Uniformly random actions."""
    return rng.uniform(-1, 1, env.action_space.shape)


BEHAVIORS: dict[str, Behavior] = {
    "expert": expert, "never releases": never_release, "keeps still": freeze, "random": tremble,
}  # fmt: skip


def play(task: str, behavior: Behavior, episodes: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns of some episodes, and the rewards in each phase.

    Returns:
        Shape ``(episodes,)``, and for each phase the rewards of all steps in it.
    """
    rng = np.random.default_rng(0)
    with closing(TeamVectorEnv(task, episodes, autoreset_mode="Disabled")) as env:
        _, info = env.reset(seed=episode_seeds("test", episodes).tolist())
        total, running = np.zeros(episodes), np.ones(episodes, bool)
        by_phase: list[list[float]] = [[] for _ in env.phases]
        while running.any():
            _, reward, terminated, truncated, info = env.step(behavior(env, rng))
            for phase, value, counts in zip(info["phase"], reward, running & ~terminated, strict=True):
                if counts:
                    by_phase[int(phase)].append(float(value))
            total += np.where(running, reward, 0.0)
            running &= ~(terminated | truncated)
    return total, [np.array(rewards) for rewards in by_phase]


def main(out: Path, episodes: int = 50) -> None:
    """Plot the figure and print its numbers.

    Args:
        out: Folder for ``rewards.png``.
        episodes: Number of episodes of each policy and task.
    """
    figure, axes = plt.subplots(2, len(BUILT_IN), figsize=(12, 6), layout="constrained")
    for column, task in enumerate(BUILT_IN):
        returns: dict[str, np.ndarray] = {}
        for name, behavior in BEHAVIORS.items():
            returns[name], by_phase = play(task, behavior, episodes)
            print(f"{task}, {name}: return {returns[name].mean():.1f} (highest {returns[name].max():.1f})")
            if name == "expert":
                with closing(TeamVectorEnv(task)) as env:
                    phases = env.phases
                shown = [(phase, values) for phase, values in zip(phases, by_phase, strict=True) if len(values)]
                upper = axes[0, column]
                upper.boxplot([values for _, values in shown], tick_labels=[phase for phase, _ in shown], sym="")
                upper.tick_params(axis="x", rotation=35)
                upper.set_title(task)
                upper.set_ylabel("reward of a step")
        lower = axes[1, column]
        lower.boxplot(list(returns.values()), tick_labels=list(returns), sym=".")
        lower.tick_params(axis="x", rotation=20)
        lower.set_ylabel("return of an episode")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "rewards.png", dpi=80)


if __name__ == "__main__":
    tyro.cli(main)
