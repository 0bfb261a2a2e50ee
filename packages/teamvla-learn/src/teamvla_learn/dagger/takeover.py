"""Detection of learners that need help: no progress, or a sustained deviation from the expert."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from teamvla_envs.errors import UserError

from teamvla_learn.config_io import check_at_least

NO_REASON, STALLED, STRAYED, LATE = 0, 1, 2, 3
REASONS: Final = ("", "stalled", "strayed", "late")


@dataclass(frozen=True)
class TakeoverRule:
    """Conditions under which the expert takes over.

    Attributes:
        patience: Control steps without progress after which the learner has stalled.
        progress: Smallest gain of the dense reward that counts as progress; experts reach it at least every 24 steps.
        stray_steps: Consecutive control steps of deviation after which the learner has strayed.
        stray_distance: Smallest deviation of an arm's joint action from the expert's: root mean square over the joints,
            as a fraction of the largest joint step. Grippers are ignored: a learner that closes one earlier or later
            often succeeds, and one that closes it on nothing stalls.
    """

    patience: int = 50
    progress: float = 0.001
    stray_steps: int = 15
    stray_distance: float = 0.65

    def __post_init__(self) -> None:
        """Check the values."""
        check_at_least(self, 1, "patience", "stray_steps")
        for name in ("progress", "stray_distance"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}, expected more than 0")


class TakeoverMonitor:
    """Takeover conditions of N worlds.

    Args:
        rule: Conditions under which the expert takes over.
        num_envs: N.
        num_arms: A.
        horizon: Control steps of an episode that the learner may use.
    """

    def __init__(self, rule: TakeoverRule, num_envs: int, num_arms: int, horizon: int):
        self._rule, self._num_arms, self._horizon = rule, num_arms, horizon
        self._best = np.full(num_envs, -np.inf)
        self._steps = np.zeros(num_envs, np.int64)
        self._still = np.zeros(num_envs, np.int64)
        self._apart = np.zeros((num_envs, num_arms), np.int64)

    def reset(self, worlds: np.ndarray) -> None:
        """Reset the worlds in a mask (N,) bool."""
        self._best[worlds] = -np.inf
        for count in (self._steps, self._still, self._apart):
            count[worlds] = 0

    def observe(self, reward: np.ndarray, learner: np.ndarray, expert: np.ndarray) -> np.ndarray:
        """Process one control step.

        Args:
            reward: (N,) dense reward.
            learner: (N, A*D) action of the learner.
            expert: (N, A*D) action of the expert.

        Returns:
            (N,) index into ``REASONS``, the reason for a takeover; 0 for none.
        """
        rule = self._rule
        gained = reward > self._best + rule.progress
        self._best = np.where(gained, reward, self._best)
        self._still = np.where(gained, 0, self._still + 1)
        self._steps += 1
        apart = self._differ(learner, expert)
        self._apart = np.where(apart, self._apart + 1, 0)
        strayed = (self._apart >= rule.stray_steps).any(axis=1)
        reason = np.where(self._steps >= self._horizon, LATE, NO_REASON)
        reason = np.where(strayed, STRAYED, reason)
        return np.where(self._still >= rule.patience, STALLED, reason)

    def _differ(self, learner: np.ndarray, expert: np.ndarray) -> np.ndarray:
        """Return the arms that deviate from the expert, (N, A) bool; the last entry of an arm is its gripper."""
        ours, theirs = (actions.reshape(len(actions), self._num_arms, -1) for actions in (learner, expert))
        return np.sqrt(np.square(ours[..., :-1] - theirs[..., :-1]).mean(axis=-1)) > self._rule.stray_distance
