"""The saved state of N worlds: everything that determines their future, as numeric arrays with first axis N.

Keys are ``physics``, ``joint_target``, ``gripper_target`` and ``contacts`` of the simulator, and those of
:meth:`Episodes.state`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.env.episodes import FACTS, Episodes
from teamvla_envs.env.state_checks import Range, check_state
from teamvla_envs.sim.simulator import Simulator

# Key of the saved state to the simulator's attribute.
_PHYSICS = {
    "physics": "state",
    "joint_target": "joint_target",
    "gripper_target": "gripper_target",
    "contacts": "contacts",
}


def read_state(simulator: Simulator, episodes: Episodes) -> dict[str, np.ndarray]:
    """Copy the present state of all worlds to the host: name to an array with first axis N."""
    present = _physics(simulator) | episodes.state()
    return {key: np.array(values) for key, values in present.items()}


def write_state(
    simulator: Simulator,
    episodes: Episodes,
    state: Mapping[str, np.ndarray],
    worlds: np.ndarray,
    target_ranges: Mapping[str, Range],
) -> None:
    """Put some worlds into a saved state.

    Args:
        simulator: Holds the physics of the worlds.
        episodes: The running episodes.
        state: Arrays as of :func:`read_state`.
        worlds: Indices of the worlds to set, shape ``(n,)``.
        target_ranges: Least and largest commanded positions, by name of the array.

    Raises:
        UserError: If the state is not valid; nothing is changed then. See :func:`check_state`.
    """
    physics = _physics(simulator)
    quaternions = simulator.addresses.body_pose[:, 3:]
    ranges = {**episodes.ranges, **target_ranges}
    state = check_state(state, physics | episodes.state(), worlds, ranges, quaternions)
    for key, name in _PHYSICS.items():
        values = physics[key].copy()
        values[worlds] = state[key][worlds]
        setattr(simulator, name, simulator.to_device(values))
    episodes.restore(worlds, state)
    simulator.apply_fields(worlds, {key: values[worlds] for key, values in episodes.fields.items()})


def facts_of(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The task's facts of the episodes in a saved or recorded state: name to an array with the same first axis."""
    return {key.removeprefix(FACTS): values for key, values in state.items() if key.startswith(FACTS)}


def with_facts(state: Mapping[str, np.ndarray], facts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A saved state, arrays with first axis N, with other facts of its episodes, such as another goal."""
    return {**state, **{FACTS + key: values for key, values in facts.items()}}


def _physics(simulator: Simulator) -> dict[str, Any]:
    return {key: simulator.to_host(getattr(simulator, name)) for key, name in _PHYSICS.items()}
