r"""Formulas of the metrics of one episode: pure functions from arrays over its control steps to numbers.

An episode of T control steps of :math:`\Delta t` seconds with A arms of J joints, W watched contact pairs and B free
bodies.
"""

import numpy as np

STILL = 0.05  # [rad/s] joint speed below which an arm does not move
FALL = 0.02  # [m] height difference above which a released body was dropped


def time_to_success(success: np.ndarray, dt: float) -> float | None:
    r"""Simulated time to success [s]: :math:`\Delta t \cdot \min \{t : s_t\}`, steps counted from 1.

    Args:
        success: Whether the goal was reached and held at the end of each step, shape ``(T,)`` bool.
        dt: Length of a control step [s].

    Returns:
        None without success.
    """
    return float((np.argmax(success) + 1) * dt) if np.any(success) else None


def coordination_score(roles: np.ndarray, joint: np.ndarray) -> float | None:
    r"""Share of the cooperative steps in which every arm satisfies its role.

    .. math:: \frac{\sum_t j_t \prod_k r_{tk}}{\sum_t j_t}

    The task defines the roles :math:`r_{tk}` and the cooperative steps :math:`j_t`; see ``Task.roles``.

    Args:
        roles: Whether each arm satisfies the constraints of its role, shape ``(T, A)`` bool.
        joint: Whether the arms depend on one another, shape ``(T,)`` bool.

    Returns:
        In [0, 1]; None for an episode without cooperative steps.
    """
    steps = int(np.sum(joint))
    return float(np.sum(np.all(roles, axis=-1) & joint) / steps) if steps else None


def collision_cost(force: np.ndarray, dt: float) -> float:
    r"""Impulse of undesired contacts, :math:`\sum_t \sum_w F_{tw} \Delta t` [N·s].

    Args:
        force: Contact force of each pair that should not touch, averaged over the step, shape ``(T, W)`` [N].
        dt: Length of a control step [s].
    """
    return float(np.sum(force) * dt)


def dropped_objects(touched: np.ndarray, height: np.ndarray, fall: float = FALL) -> int:
    r"""Number of times that a body fell after a hand had released it.

    Let u be the last step before t in which a hand touched body b. It was dropped after u if it sinks by more than
    ``fall`` below :math:`h_{ub}` before a hand touches it again. Each release counts once.

    Args:
        touched: Whether any hand touched each body during the step, shape ``(T, B)`` bool.
        height: Height of each body's center at the end of the step, shape ``(T, B)`` [m].
        fall: Height difference above which a released body was dropped [m].
    """
    steps = np.arange(len(touched))[:, None]
    last = np.maximum.accumulate(np.where(touched, steps, -1), axis=0)
    let_go = np.take_along_axis(height, np.maximum(last, 0), axis=0)
    fell = ~touched & (last >= 0) & (height < let_go - fall)
    return sum(len(np.unique(last[fell[:, body], body])) for body in range(touched.shape[1]))


def idle_time(joint_vel: np.ndarray, touching: np.ndarray, dt: float, still: float = STILL) -> np.ndarray:
    r"""Time during which each arm neither moved nor touched anything with its hand [s].

    .. math:: \Delta t \cdot \# \{t : \max_j |\dot q_{tkj}| < \mathrm{still} \wedge \neg c_{tk}\}

    An arm that holds a drawer open does not move, but is not idle.

    Args:
        joint_vel: Shape ``(T, A, J)`` [rad/s].
        touching: Whether the hand touches an object, shape ``(T, A)`` bool.
        dt: Length of a control step [s].
        still: Joint speed below which an arm does not move [rad/s].

    Returns:
        Shape ``(A,)``.
    """
    idle = (np.max(np.abs(joint_vel), axis=-1) < still) & ~touching
    return np.sum(idle, axis=0) * dt


def action_change(actions: np.ndarray) -> float:
    r"""Roughness of control: root mean square change of an action entry between steps; 0 is smoothest.

    .. math:: \sqrt{\frac{1}{(T-1) A D} \sum_{t=2}^{T} \lVert a_t - a_{t-1} \rVert^2}

    Args:
        actions: In [-1, 1], shape ``(T, A, D)``.
    """
    if len(actions) < 2:
        return 0.0
    return float(np.sqrt(np.mean(np.diff(actions, axis=0) ** 2)))


def energy(torque: np.ndarray, joint_vel: np.ndarray, dt: float) -> float:
    r"""Absolute mechanical work of the arms' actuators, :math:`\sum_{tkj} |\tau \dot q| \Delta t` [J].

    Args:
        torque: Actuator torques at the end of the step, shape ``(T, A, J)`` [N·m].
        joint_vel: Joint velocities at the same instant, shape ``(T, A, J)`` [rad/s].
        dt: Length of a control step [s].
    """
    return float(np.sum(np.abs(torque * joint_vel)) * dt)


def position_actuator_torque(
    joint_target: np.ndarray,
    joint_pos: np.ndarray,
    joint_vel: np.ndarray,
    stiffness: np.ndarray,
    damping: np.ndarray,
    limit: np.ndarray,
) -> np.ndarray:
    r"""Torque of position actuators, :math:`\tau = \mathrm{clip}(k_p (q^* - q) - k_v \dot q, \pm \tau_{\max})` [N·m].

    Args:
        joint_target: Commanded positions, shape ``(T, A, J)`` [rad].
        joint_pos: Shape ``(T, A, J)`` [rad].
        joint_vel: Shape ``(T, A, J)`` [rad/s].
        stiffness: Shape ``(A, J)`` [N·m/rad].
        damping: Shape ``(A, J)`` [N·m·s/rad].
        limit: Largest torque, shape ``(A, J)`` [N·m].

    Returns:
        Shape ``(T, A, J)``.
    """
    return np.clip(stiffness * (joint_target - joint_pos) - damping * joint_vel, -limit, limit)
