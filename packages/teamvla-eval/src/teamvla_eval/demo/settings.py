"""Settings of the demo's operator: limits and available policies."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from teamvla_envs.errors import UserError
from teamvla_envs.policies import BASELINE

MAX_INSTRUCTION = 200  # [characters] of a typed instruction that are read
MAX_SEED = 2**31 - 1
MAX_IMPULSE = 1.0  # [N·s] of one push
MAX_PUSHES = 20  # per episode: each begins a new demonstration
AT_REST_S = 1.0  # [s] during which the first scene is shown at rest
ALWAYS_OFFERED = ("expert", "random", "zero")


@dataclass(frozen=True)
class DemoSettings:
    """Limits and available policies of the demo.

    Attributes:
        policies: Specifications that visitors may choose from; the first is chosen at the start.
        checkpoint_folders: Checkpoint folders inside these may be typed, too.
        max_visitors: Visitors that are served at the same time.
        idle_s: Time without a click after which a visitor's place becomes free [s].
        max_run_s: Time after which an episode is stopped [s].
        height: Height of the moving image [px].
    """

    policies: tuple[str, ...] = ALWAYS_OFFERED
    checkpoint_folders: tuple[Path, ...] = ()
    max_visitors: int = 8
    idle_s: float = 300.0
    max_run_s: float = 120.0
    height: int = 236

    def __post_init__(self) -> None:
        if not self.policies:
            raise UserError("policy is empty, expected at least one specification")
        if not 1 <= self.max_visitors <= 64:
            raise UserError(f"max-visitors is {self.max_visitors}, expected 1 to 64")
        for name in ("idle_s", "max_run_s"):
            if not 5 <= getattr(self, name) <= 86_400:
                raise UserError(f"{name.replace('_', '-')} is {getattr(self, name)}, expected 5 to 86400 seconds")
        if not 64 <= self.height <= 720:
            raise UserError(f"height is {self.height}, expected 64 to 720 pixels")
        for folder in self.checkpoint_folders:
            if not folder.is_dir():
                raise UserError(f"checkpoint folder {folder} is not an existing folder")

    def allowed_policy(self, spec: str) -> str:
        """The specification that a visitor chose or typed, if visitors may use it.

        Raises:
            UserError: If it is neither offered, nor a checkpoint folder inside one of ``checkpoint_folders``.
        """
        spec = spec.strip()
        if spec in self.policies:
            return spec
        if "\0" not in spec and len(spec) < 1000:
            for folder in self.checkpoint_folders:
                inside = (folder / spec).resolve()
                if spec and inside.is_relative_to(folder.resolve()) and (inside / "config.json").is_file():
                    return str(inside)
        raise UserError(f"policy {spec[:60]!r} is not offered here; choose one of {', '.join(self.policies)}")


def offered() -> tuple[str, ...]:
    """Default policies: the expert, the baselines of teamvla-learn, random and zero."""
    if importlib.util.find_spec("teamvla_learn") is None:
        return ALWAYS_OFFERED
    from teamvla_learn.baselines.registry import baselines

    expert, *rest = ALWAYS_OFFERED
    return expert, *(f"{BASELINE}:{name}" for name in baselines()), *rest
