"""Tool path: the distance that each arm's tool travels during an episode."""

import numpy as np
from teamvla_eval.metrics.metric import Metric, decimals, mean_per_arm
from teamvla_eval.metrics.trace import EpisodeTrace
from teamvla_eval.metrics.value_checks import amounts


def tool_path(trace: EpisodeTrace) -> tuple[float, ...]:
    """Length of each arm's tool path, A numbers [m]."""
    steps = np.diff(trace.tool_pos, axis=0)  # (T - 1, A, 3) [m]
    return tuple(np.linalg.norm(steps, axis=-1).sum(axis=0).tolist())


TOOL_PATH = Metric(
    "tool_path_m",
    "tool path per arm",
    tool_path,
    unit="m",
    format=decimals(2),
    aggregate=mean_per_arm,
    check=amounts,
    check_aggregate=amounts,
    default=(),
)
