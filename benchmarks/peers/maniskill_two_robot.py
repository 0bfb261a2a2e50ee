# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["mani-skill==3.0.1"]
#
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""ManiSkill's TwoRobotPickCube with two Pandas on the CPU: joint and end-effector control, observations of states.

``uv run benchmarks/peers/maniskill_two_robot.py`` installs ManiSkill (with PyTorch: some gigabytes) into an environment
of its own, measures, and prints lines of JSON. 20 Hz control over 10 ms physics steps, uniformly random actions,
episodes of 100 steps.
"""

import time
from typing import Any

import rounds  # ty: ignore[import-not-found]  # beside this script

EPISODE = 100
MODES = {"joint": "pd_joint_delta_pos", "end_effector": "pd_ee_delta_pose"}


def start() -> tuple[dict[str, Any], dict[str, rounds.Round]]:
    began = time.perf_counter()
    import gymnasium
    import mani_skill  # ty: ignore[import-not-found]  # lives in this script's own environment
    import mani_skill.envs  # ty: ignore[import-not-found]  # registers the ids
    import numpy as np
    import sapien  # ty: ignore[import-not-found]
    import torch

    torch.set_num_threads(1)
    allow_no_renderer(sapien)
    start_s = 0.0
    variants: dict[str, rounds.Round] = {}
    for name, mode in MODES.items():
        env = gymnasium.make(
            "TwoRobotPickCube-v1", obs_mode="state", control_mode=mode, sim_backend="physx_cpu", render_backend="none",
            max_episode_steps=10**6,
        )  # fmt: skip
        env.reset(seed=0)
        variants[name] = measurement(env, np.random.default_rng(0))
        if not start_s:
            env.step(env.action_space.sample())
            start_s = time.perf_counter() - began
    bare: Any = env.unwrapped
    facts = {
        "name": "ManiSkill TwoRobotPickCube", "control_dt": 1 / bare.control_freq, "start_s": start_s,
        "physics_steps": bare.sim_freq // bare.control_freq,
        "versions": {"mani-skill": mani_skill.__version__, "sapien": sapien.__version__},
    }  # fmt: skip
    return facts, variants


def measurement(env: Any, generator: Any) -> rounds.Round:
    """A round of one environment."""
    spaces = env.action_space.spaces
    actions = [
        {agent: generator.uniform(space.low, space.high).astype(space.dtype) for agent, space in spaces.items()}
        for _ in range(EPISODE)
    ]
    return lambda seconds: rounds.rate(lambda i: env.step(actions[i]), env.reset, seconds, EPISODE)


def allow_no_renderer(sapien: Any) -> None:
    """Make scenes load on a machine without a Vulkan device that SAPIEN accepts.

    Even with rendering off, the loaders make a material for each visual shape, which needs such a device; the shapes
    themselves are then left out. A plain object in its place changes nothing that is simulated.
    """
    try:
        sapien.render.RenderMaterial()
        return
    except RuntimeError:
        pass
    from sapien.wrapper import urdf_loader  # ty: ignore[import-not-found]

    class Material:
        def __init__(self, **kwargs: Any):
            self.__dict__.update(kwargs)

    for module in (sapien.render, sapien.pysapien.render, urdf_loader):
        module.RenderMaterial = Material


if __name__ == "__main__":
    rounds.run(__doc__, start)
