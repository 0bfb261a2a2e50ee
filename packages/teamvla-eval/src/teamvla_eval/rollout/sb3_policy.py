"""Policies trained with Stable-Baselines3: ``teamvla bench --policy sb3:FILE --trust``."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


def load(file: str) -> "Sb3Policy":
    """Read a model file of Stable-Baselines3, a pickle: only for trusted authors (the entry point ``sb3``).

    Raises:
        UserError: If the file is no such model or of an unknown algorithm.
    """
    path = Path(file)
    try:
        import stable_baselines3
    except ModuleNotFoundError:
        raise UserError(f'policy sb3:{path} needs Stable-Baselines3: pip install "teamvla-eval[sb3]"') from None
    algorithm = getattr(stable_baselines3, _algorithm(path))
    return Sb3Policy(algorithm.load(path, device="cpu"))


class Sb3Policy:
    """Deterministic policy on the privileged state; implements ``teamvla_envs.policies.Policy``.

    Args:
        model: A loaded model, trained on the state observations of a team with ``MlpPolicy``.
    """

    def __init__(self, model: Any):
        self._model = model

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Observations of the privileged state."""
        return {"obs_mode": "state"}

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if its shapes differ from those of the training."""
        for name, space in (("observation", env.single_observation_space), ("action", env.single_action_space)):
            trained = getattr(self._model, f"{name}_space").shape
            if trained != space.shape:
                raise UserError(
                    f"the environment's {name} has shape {space.shape}, the model was trained with {trained}"
                )

    def reset(self, mask: np.ndarray) -> None:
        """Do nothing in the worlds in ``mask``, shape ``(N,)`` bool, because the model has no memory."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions in [-1, 1], shape ``(N, A * D)`` float32."""
        actions, _ = self._model.predict(obs, deterministic=True)
        return np.asarray(actions, np.float32)


def _algorithm(path: Path) -> str:
    """Name of the algorithm that saved a file, from the JSON part of the file."""
    try:
        with zipfile.ZipFile(path) as file:
            description = json.loads(file.read("data"))
        module = str(description["policy_class"].get("__module__", "")) if "policy_class" in description else ""
    except FileNotFoundError:
        raise UserError(f"policy sb3:{path}: there is no such file") from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"policy sb3:{path} is not a model of Stable-Baselines3: {error}") from None
    for name in ("sac", "td3"):
        if f".{name}." in module:
            return name.upper()
    if ".common." in module:
        return "PPO" if "n_epochs" in description else "A2C"
    raise UserError(f"policy sb3:{path} was trained with {module or 'an unknown algorithm'}, known: PPO, A2C, SAC, TD3")
