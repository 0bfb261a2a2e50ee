"""Recorded expert episodes of N worlds, with MuJoCo's controls: the same work for every layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from teamvla_envs.env.vector import TeamVectorEnv

FIRST_SEED = 2_000_000  # worlds get consecutive ones
LONGEST = 80  # control steps: no episode of the expert ends earlier, and most bars are lifted
MOST_WORK = 1280  # control steps of all worlds together


@dataclass(frozen=True)
class Recording:
    """Expert episode of N worlds during T control steps.

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
    def control_steps(self) -> int:
        """Control steps of all worlds together."""
        return self.actions.shape[0] * self.actions.shape[1]

    def check_end(self, layer: str, state: np.ndarray) -> None:
        """Check that a layer ended in the recorded state."""
        if not np.array_equal(state, self.end):
            raise RuntimeError(f"{layer} ended in another state than the recording")


def record(env: TeamVectorEnv) -> Recording:
    """Record the expert: approach, grasp and lift; with many worlds only the middle of that.

    Args:
        env: An environment that does not reset worlds by itself.
    """
    steps = min(LONGEST, max(MOST_WORK // env.num_envs, 1))
    env.reset(seed=FIRST_SEED)
    for _ in range((LONGEST - steps) // 2):
        env.step(env.expert_actions())
    start = env.get_state()
    sim: Any = env.simulator  # for MuJoCo's controls, which only the simulator has
    actions, joints, grippers, controls = [], [], [], []
    for _ in range(steps):
        action = env.expert_actions()
        _, _, terminated, truncated, _ = env.step(action)
        if (terminated | truncated).any():
            raise RuntimeError(f"an episode ended within {LONGEST} steps of the expert: choose another FIRST_SEED")
        actions.append(action)
        joints.append(sim.joint_target.copy())
        grippers.append(sim.gripper_target.copy())
        controls.append(sim._ctrl.copy())
    rows = (np.stack(values) for values in (actions, joints, grippers, controls))
    return Recording(start, sim.state.copy(), *rows)
