"""What acts in an environment: the policy protocol, policies by name, and the three that need no training.

A policy serves N worlds at once. It is made from a name (``make_policy("expert")``), bound to an environment,
told which worlds begin a new episode, and asked for actions::

    policy = make_policy("random")
    env = TeamVectorEnv("lift", num_envs=4, **policy.env_kwargs)
    policy.bind(env)
    obs, info = env.reset(seed=0)
    policy.reset(np.ones(4, dtype=bool))
    env.step(policy.act(obs))
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

POLICY_GROUP = "teamvla.policies"
CHECKPOINT = "checkpoint"
_DISTRIBUTIONS = {"baseline": "teamvla-learn", CHECKPOINT: "teamvla-learn", "sb3": "teamvla-eval[sb3]"}
_RANDOM_STREAM = 0x5EED  # keeps these draws apart from those that the environment makes with the same seed


@runtime_checkable
class Policy(Protocol):
    """Acts for every arm of N worlds."""

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """What the environment must be made with, such as ``{"obs_mode": "vision", "image_size": 64}``."""

    def bind(self, env: "TeamVectorEnv") -> None:
        """Take the environment to act in; raises ValueError saying what does not fit."""

    def reset(self, mask: np.ndarray) -> None:
        """Forget the past of the worlds in ``mask`` (N,) bool, which begin a new episode."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions (N, A*D) float32 in [-1, 1] for the environment's observation."""


def make_policy(spec: str) -> Policy:
    """Make a policy from what a user types.

    Args:
        spec: ``expert``, ``random``, ``zero`` or any other ``NAME`` or ``NAME:ARGUMENT`` of the entry-point
            group ``teamvla.policies``; the path of a checkpoint folder; or ``module:attribute``, a callable
            without arguments that returns a policy.

    Raises:
        UserError: When ``spec`` names nothing; the message lists the names that exist.
    """
    if not spec:
        raise UserError(f"policy is empty, {_allowed()}")
    factories = policy_factories()
    name, _, argument = spec.partition(":")
    if name in factories:
        return _make(factories[name], argument, spec)
    if Path(spec).is_dir():
        if CHECKPOINT not in factories:
            needed = f"{_DISTRIBUTIONS[CHECKPOINT]}: {_install(CHECKPOINT)}"
            raise UserError(f"policy {spec!r} is a folder; reading checkpoints needs {needed}")
        return _make(factories[CHECKPOINT], spec, spec)
    if name in _DISTRIBUTIONS:
        raise UserError(f"policy {spec!r} needs {_DISTRIBUTIONS[name]}: {_install(name)}")
    if os.sep in spec or spec.startswith("."):
        kind = "a file, expected a checkpoint folder" if Path(spec).exists() else "not an existing folder"
        raise UserError(f"policy {spec!r} is {kind}; {_allowed()}")
    if argument:
        return _from_module(name, argument)
    raise UserError(f"policy is {spec!r}, {_allowed()}")


def policy_factories() -> dict[str, EntryPoint]:
    """Return every installed policy factory by name, without importing any of them."""
    found = importlib.metadata.entry_points(group=POLICY_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def expert(argument: str = "") -> Policy:
    """Make the scripted expert of the environment's task, which sees the full state."""
    _refuse_argument("expert", argument)
    return ExpertPolicy()


def random(argument: str = "") -> Policy:
    """Make uniformly random actions; the argument is an optional seed, as in ``random:7``."""
    if argument and not argument.isdecimal():
        raise UserError(f"policy random:{argument} has seed {argument!r}, expected a number that is not negative")
    return RandomPolicy(int(argument or 0))


def zero(argument: str = "") -> Policy:
    """Make the policy whose arms hold still, grippers half open."""
    _refuse_argument("zero", argument)
    return ZeroPolicy()


class _BoundPolicy:
    """Keeps the environment it is bound to."""

    def __init__(self) -> None:
        self._env: TeamVectorEnv | None = None

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """None of these policies reads observations, so the cheapest will do."""
        return {"obs_mode": "state"}

    @property
    def env(self) -> "TeamVectorEnv":
        """The environment this policy is bound to."""
        if self._env is None:
            raise RuntimeError(f"{type(self).__name__} is not bound: call bind(env) before reset and act")
        return self._env

    def bind(self, env: "TeamVectorEnv") -> None:
        """Take the environment to act in."""
        self._env = env

    def reset(self, mask: np.ndarray) -> None:
        """Forget nothing: these policies have no past."""

    @property
    def _action_shape(self) -> tuple[int, int]:
        return self.env.num_envs, self.env.num_arms * self.env.action_size


class ExpertPolicy(_BoundPolicy):
    """The task's own expert: stateless, and privileged because it reads the world state."""

    def act(self, obs: Any) -> np.ndarray:
        """Return the expert's actions (N, A*D) float32 in the environment's present state."""
        return self.env.expert_actions()


class ZeroPolicy(_BoundPolicy):
    """Holds still, grippers half open."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions (N, A*D) float32: zeros, in ``joint_pos`` the commanded positions."""
        return self.env.hold_actions(gripper=0.0)


class RandomPolicy(_BoundPolicy):
    """Uniform actions, drawn from each episode's seed: what a world does is independent of its neighbors."""

    def __init__(self, seed: int = 0) -> None:
        """Remember the seed that tells several random policies apart."""
        super().__init__()
        self._seed = seed
        self._generators: list[np.random.Generator] = []

    def bind(self, env: "TeamVectorEnv") -> None:
        """Take the environment and one generator for each of its worlds."""
        super().bind(env)
        self._generators = [np.random.default_rng((_RANDOM_STREAM, self._seed)) for _ in range(env.num_envs)]

    def reset(self, mask: np.ndarray) -> None:
        """Seed the generators of the worlds in ``mask`` (N,) bool by the seeds of their new episodes."""
        for world in np.flatnonzero(mask):
            episode = max(int(self.env.seeds[world]), 0)
            self._generators[world] = np.random.default_rng((_RANDOM_STREAM, self._seed, episode))

    def act(self, obs: Any) -> np.ndarray:
        """Return uniform actions (N, A*D) float32 in [-1, 1]."""
        size = self._action_shape[1]
        return np.stack([rng.uniform(-1.0, 1.0, size) for rng in self._generators]).astype(np.float32)


def _make(factory: EntryPoint, argument: str, spec: str) -> Policy:
    """Call a factory; a module that it cannot import is an error that names its distribution."""
    try:
        policy: Policy = factory.load()(argument)
    except ModuleNotFoundError as error:
        distribution = factory.dist.name if factory.dist is not None else factory.module
        raise UserError(
            f"policy {spec!r} needs the module {error.name!r}, which is not installed; "
            f"reinstall {distribution} with its dependencies: pip install --upgrade {distribution}"
        ) from error
    return policy


def _install(name: str) -> str:
    return f"pip install '{_DISTRIBUTIONS[name]}'"


def _from_module(module: str, attribute: str) -> Policy:
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module in the present folder, as `python -m` would find it
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UserError(f"policy is {module}:{attribute}, there is no module {module!r}; {_allowed()}") from None
    if not hasattr(found, attribute):
        raise UserError(f"policy is {module}:{attribute}, module {module!r} has no {attribute!r}")
    factory: Callable[[], Policy] = getattr(found, attribute)
    try:
        policy = factory()
    except Exception as error:
        raise UserError(f"policy is {module}:{attribute}, which raised {type(error).__name__}: {error}") from error
    if not isinstance(policy, Policy):
        raise UserError(f"policy is {module}:{attribute}, which returned {type(policy).__name__}, not a policy")
    return policy


def _refuse_argument(name: str, argument: str) -> None:
    if argument:
        raise UserError(f"policy {name} takes no argument, got {argument!r}")


def _allowed() -> str:
    return f"allowed are {', '.join(policy_factories())}, a checkpoint folder, or module:attribute"
