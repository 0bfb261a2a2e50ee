"""Settings of a training, assembled from layers.

Later layers override earlier ones: the shipped files ``common`` and ``train_bc``, a preset, the files of ``--config``,
and the command line.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml
from teamvla_envs.errors import UserError

from teamvla_learn.baselines.registry import checkpoint_folder
from teamvla_learn.config_io import apply_layer, check_at_least, leaves, read_layer, to_plain
from teamvla_learn.policies.checkpoint import architecture_of
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.registry import (
    architecture_names,
    architectures,
    check_architecture,
    combined_options,
    get_architecture,
)
from teamvla_learn.train.config import Budget, TrainConfig

SETTINGS_FILE = "train.yaml"
DEFAULT_POLICY = "vla"
BASE_LAYERS = ("common", "train_bc")
_CONFIGS = Path(str(files("teamvla_learn"))) / "configs"
_LENGTHS = {name: (f"--{name}", f"--train.budget.{name}") for name in ("steps", "minutes")}


@dataclass(frozen=True)
class Settings:
    """Everything that determines the result of a training besides its demonstrations.

    Attributes:
        policy: Architecture. ``vla`` is one network for all arms, ``msg`` one network per arm with messages between
            them; both read images, proprioception and the instruction. ``state`` reads the privileged state.
            ``teamvla policies list`` shows all that are installed.
        chunk_length: Actions predicted at once; the first is executed.
        auxiliary: Parts of ``environment_state`` that a ``vla`` or ``msg`` policy also learns to predict, in training
            only. By default those of tool_to_grasp, object_pos, object_rot6d, goal_pos and goal that the files hold;
            ``phase`` is another.
        model: Options of the network.
        train: Training.
    """

    policy: Annotated[str, tyro.conf.arg(metavar="NAME")] = DEFAULT_POLICY
    chunk_length: int = 1
    auxiliary: tuple[str, ...] | None = None
    model: PolicyOptions = field(default_factory=lambda: combined_options()())
    train: TrainConfig = field(default_factory=lambda: default_training(DEFAULT_POLICY))

    def __post_init__(self) -> None:
        """Check what the groups do not check themselves."""
        check_architecture(self.policy)
        check_at_least(self, 1, "chunk_length")

    def to_yaml(self) -> str:
        """Return the settings as a file that ``--config`` takes."""
        return yaml.safe_dump(to_plain(self), sort_keys=False, width=120)


SettingsArgument = Annotated[Settings, tyro.conf.arg(name="")]


def default_training(policy: str) -> TrainConfig:
    """Return the default training of an architecture."""
    return TrainConfig(Budget(minutes=get_architecture(policy).default_minutes))


def layered_settings(preset: str | None = None, configs: Sequence[Path] = (), policy: str | None = None) -> Settings:
    """Assemble settings from their layers, without a command line.

    Args:
        preset: Name of a shipped preset.
        configs: YAML files, or names of shipped ones such as ``lift``; later ones override earlier ones.
        policy: Architecture; overrides the layers and determines the default length of the training.

    Raises:
        UserError: For a missing file, or an unknown name or value.
    """
    layers = [(name, read_layer(_CONFIGS / f"{name}.yaml")) for name in BASE_LAYERS] + named_layers(preset, configs)
    wanted = [policy, *(layer.get("policy") for _, layer in reversed(layers))]
    name: Any = next((name for name in wanted if name in architecture_names()), DEFAULT_POLICY)
    settings = Settings(policy=name, train=default_training(name))
    for layer_name, layer in layers:
        settings = apply_layer(settings, layer, f"config {layer_name}")
    return settings if policy is None else replace(settings, policy=name)


def settings_below(arguments: Sequence[str], own_settings: bool = False) -> Settings:
    """Return the settings that a command line modifies: the defaults with its ``--preset`` and ``--config``.

    Args:
        arguments: The command line.
        own_settings: Whether the settings default to those in the folder that ``--init-from`` names. The architecture
            always does.
    """
    scan = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    scan.add_argument("--preset")
    scan.add_argument("--policy")
    scan.add_argument("--init-from", type=checkpoint_folder)
    scan.add_argument("--config", nargs="*", action="extend", type=Path, default=[])
    for name, flags in _LENGTHS.items():
        scan.add_argument(*flags, dest=name)
    try:
        found: Any = scan.parse_known_args(list(arguments))[0]
    except argparse.ArgumentError:  # the full parser has the better message
        return Settings()
    configs, policy = found.config, found.policy
    if policy is not None:
        check_architecture(policy)
    if found.init_from is not None:
        policy = policy or architecture_of(found.init_from)
        configs = configs_or_own(found.init_from, found.preset, configs) if own_settings else configs
    settings = layered_settings(found.preset, configs, policy)
    if found.steps and not found.minutes:  # steps on the command line replace minutes, and vice versa
        return replace(settings, train=replace(settings.train, budget=Budget(steps=1)))
    if found.minutes and not found.steps:
        return replace(settings, train=replace(settings.train, budget=Budget(minutes=1.0)))
    return settings


def configs_or_own(run: Path, preset: str | None, configs: Sequence[Path]) -> Sequence[Path]:
    """Return the named YAML files; if there is neither one nor a preset, the settings file of a run's folder."""
    own = run / SETTINGS_FILE
    return [own] if not preset and not configs and own.is_file() else configs


def named_layers(preset: str | None, configs: Sequence[Path]) -> list[tuple[str, dict[str, Any]]]:
    """Return the layers of a preset and of YAML files, with their names."""
    named = [] if preset is None else [(preset, _preset(preset))]
    named += [(str(config), _find(config)) for config in configs]
    return [(name, read_layer(path)) for name, path in named]


def check_options(settings: Settings, below: Settings) -> None:
    """Check that the architecture has every option that was set for it.

    Args:
        settings: The settings.
        below: The settings without the command line: presets and files are shared by all architectures.

    Raises:
        UserError: Naming the first option that would have no effect.
    """
    defaults = leaves(to_plain(below))
    for name, value in leaves(to_plain(settings)).items():
        owners = _owners(name)
        if owners is not None and value != defaults[name] and settings.policy not in owners:
            raise UserError(
                f"{name} is {value}, which is for policy {' or '.join(owners)}; policy is {settings.policy}"
            )
    ensembling = settings.model.head.ensembling
    if ensembling is not None and settings.chunk_length == 1:
        raise UserError(f"ensembling is {ensembling}, but chunk_length is 1, expected at least 2")


def _owners(name: str) -> list[str] | None:
    """Return the architectures that have a setting, by its dotted name; None when all have it."""
    group, _, rest = name.partition(".")
    if group == "auxiliary":
        return [name for name, policy in architectures().items() if policy.learns_auxiliary]
    if group == "model":
        return [name for name, policy in architectures().items() if policy.has_option(rest.partition(".")[0])]
    return None


def shipped_configs() -> list[str]:
    """Return the names of the shipped files that ``--config`` takes."""
    return sorted(path.stem for path in _CONFIGS.glob("*.yaml"))


def presets() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.stem for path in _CONFIGS.glob("presets/*.yaml"))


def _preset(name: str) -> Path:
    if name not in presets():
        raise UserError(f"preset is {name!r}, allowed are {', '.join(presets())}")
    return _CONFIGS / "presets" / f"{name}.yaml"


def _find(config: Path) -> Path:
    """Return an existing file, or the shipped one of that name."""
    if config.exists() or config.suffix or len(config.parts) > 1:
        return config
    if config.name not in shipped_configs():
        raise UserError(f"config is {config.name!r}, which is not a file; shipped are {', '.join(shipped_configs())}")
    return _CONFIGS / f"{config.name}.yaml"
