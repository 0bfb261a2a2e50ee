"""The policy protocol and the registry of policies by name.

A policy serves N worlds at once. It is made from a specification (``make_policy("expert")``), bound to an environment,
reset in the worlds that begin a new episode, and asked for actions::

    policy = make_policy("random")
    env = TeamVectorEnv("lift", num_envs=4, **policy.env_kwargs)
    policy.bind(env)
    obs, info = env.reset(seed=0)
    policy.reset(np.ones(4, dtype=bool))
    env.step(policy.act(obs))

Packages register policies in the entry-point group ``teamvla.policies``: a name, and a factory that takes the argument
of the specification as text.
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np

from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

POLICY_GROUP: Final = "teamvla.policies"
BASELINE, CHECKPOINT, SB3, MODULE = "baseline", "checkpoint", "sb3", "module:attribute"
_DISTRIBUTIONS: Final = {BASELINE: "teamvla-learn", CHECKPOINT: "teamvla-learn", SB3: "teamvla-eval[sb3]"}
_FROM_FILES: Final = (CHECKPOINT, SB3)


@runtime_checkable
class Policy(Protocol):
    """A policy that acts for every arm of N worlds."""

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments that the environment must be made with, such as ``{"obs_mode": "vision", "image_size": 64}``."""

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to the environment to act in.

        Raises:
            ValueError: If the policy does not fit the environment.
        """

    def reset(self, mask: np.ndarray) -> None:
        """Forget the past of the worlds in ``mask``, shape ``(N,)`` bool, which begin a new episode."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions in [-1, 1], shape ``(N, A * D)`` float32, for the environment's observation."""


@dataclass(frozen=True)
class PolicySpec:
    """A policy specification: the text that names a policy on the command line and in results.

    Attributes:
        text: The specification, such as ``random:7``, ``runs/x`` or ``my_module:make``.
        kind: Registered name, ``MODULE`` for ``module:attribute``, or empty for a text that names nothing.
        argument: Text after the colon; for ``CHECKPOINT`` the folder, for ``MODULE`` the whole text.
    """

    text: str
    kind: str
    argument: str

    @classmethod
    def parse(cls, text: str) -> "PolicySpec":
        """Parse a specification; :meth:`check` raises if it names nothing."""
        name, colon, argument = text.partition(":")
        if name in policy_factories() or name in _DISTRIBUTIONS:
            return cls(text, name, argument)
        if text and Path(text).is_dir():
            return cls(text, CHECKPOINT, text)
        is_module = colon and argument and os.sep not in text and not text.startswith(".")
        return cls(text, MODULE if is_module else "", text)

    @property
    def path(self) -> Path | None:
        """File or folder that the policy is read from; None for one that is not read from files."""
        return Path(self.argument) if self.kind in _FROM_FILES and self.argument else None

    @property
    def runs_foreign_code(self) -> bool:
        """Whether making the policy runs code chosen by the author of the specification: a module or a pickle."""
        return self.kind in (MODULE, SB3)

    def absolute(self) -> "PolicySpec":
        """The same policy with an absolute path, for a process in another working directory."""
        if self.path is None:
            return self
        path = str(self.path.resolve())
        return PolicySpec(path if self.text == self.argument else f"{self.kind}:{path}", self.kind, path)

    def check(self) -> None:
        """Check that the specification names a policy whose distribution is installed.

        Raises:
            UserError: If it does not; lists the valid names.
        """
        factories = policy_factories()
        if not self.text:
            raise UserError(f"policy is empty, {_allowed()}")
        if self.kind in factories or self.kind == MODULE:
            return
        if self.kind == CHECKPOINT and self.text == self.argument:
            needed = f"{_DISTRIBUTIONS[CHECKPOINT]}: {_install(CHECKPOINT)}"
            raise UserError(f"policy {self.text!r} is a folder; reading checkpoints needs {needed}")
        if self.kind:
            raise UserError(f"policy {self.text!r} needs {_DISTRIBUTIONS[self.kind]}: {_install(self.kind)}")
        if os.sep in self.text or self.text.startswith("."):
            kind = "a file, expected a checkpoint folder" if Path(self.text).exists() else "not an existing folder"
            raise UserError(f"policy {self.text!r} is {kind}; {_allowed()}")
        raise UserError(f"policy is {self.text!r}, {_allowed()}")


def make_policy(spec: str, trust: bool = False) -> Policy:
    """Make a policy from its specification.

    Args:
        spec: ``expert``, ``random``, ``zero`` or any other ``NAME`` or ``NAME:ARGUMENT`` of the entry-point
            group ``teamvla.policies``; the path of a checkpoint folder; or ``module:attribute``, a callable
            without arguments that returns a policy.
        trust: Whether to read files that can run code, such as the pickles of ``sb3:FILE``.

    Raises:
        UserError: If ``spec`` names no policy, or needs trust.
    """
    parsed = PolicySpec.parse(spec)
    parsed.check()
    if parsed.kind == MODULE:
        return _from_module(*spec.split(":", 1))
    if parsed.runs_foreign_code and not trust:
        raise UserError(f"policy {spec} is a pickle, which can run any code; pass --trust if you trust its author")
    return _make(policy_factories()[parsed.kind], parsed.argument, spec)


def policy_factories() -> dict[str, EntryPoint]:
    """Return every installed policy factory by name, without importing any of them."""
    found = importlib.metadata.entry_points(group=POLICY_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def _make(factory: EntryPoint, argument: str, spec: str) -> Policy:
    """Call a factory; the error for a missing module names the distribution to reinstall."""
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
        sys.path.insert(0, "")  # modules of the working directory, as for `python -m`
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


def _allowed() -> str:
    return f"allowed are {', '.join(policy_factories())}, a checkpoint folder, or module:attribute"
