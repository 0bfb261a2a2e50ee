"""All that a training depends on besides its demonstrations, and the layers that it is put together from.

Later layers win: the shipped files ``common`` and ``train_bc``, then a preset, then the files of ``--config``, then
what stands on the command line.
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

from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.train.begun import checkpoint_folder, kind_of
from teamvla_learn.train.build import PolicyKind
from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.config_layers import apply_layer, leaves, read_layer, to_plain
from teamvla_learn.train.schedule import Budget

SETTINGS_FILE = "train.yaml"
DEFAULT_MINUTES: dict[str, float] = {"vla": 5.0, "msg": 5.0, "state": 1.0}
BASE_LAYERS = ("common", "train_bc")
KINDS_OF = {  # settings that not every kind of policy has
    "model.messages": ("msg",),
    "model.fusion": ("vla",),
    "model.vision": ("vla", "msg"),
    "model.language": ("vla", "msg"),
    "auxiliary": ("vla", "msg"),
}
_LENGTHS = {name: (f"--{name}", f"--train.budget.{name}") for name in ("steps", "minutes")}


@dataclass(frozen=True)
class Settings:
    """All that a training depends on besides its demonstrations.

    Attributes:
        policy: ``vla`` is one network for all arms, ``msg`` one network per arm that sends messages; both see pictures,
            proprioception and the sentence. ``state`` sees the privileged state.
        chunk_length: Actions predicted at once; the first is executed.
        auxiliary: Parts of ``environment_state`` that a policy also learns to tell, in training only. By default
            tool_to_grasp, object_pos, object_rot6d, goal_pos and goal, as far as the files have them; ``phase`` is
            another.
        model: The network.
        train: The training.
    """

    policy: PolicyKind = "vla"
    chunk_length: int = 1
    auxiliary: tuple[str, ...] | None = None
    model: PolicyOptions = field(default_factory=PolicyOptions)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(Budget(minutes=DEFAULT_MINUTES["vla"])))

    def __post_init__(self) -> None:
        """Refuse what no network can be made with."""
        if self.chunk_length < 1:
            raise UserError(f"chunk_length is {self.chunk_length}, expected at least 1")

    def to_yaml(self) -> str:
        """Return the settings as a file that ``--config`` takes."""
        return yaml.safe_dump(to_plain(self), sort_keys=False, width=120)


SettingsArgument = Annotated[Settings, tyro.conf.arg(name="")]


def layered_settings(preset: str | None = None, configs: Sequence[Path] = (), policy: str | None = None) -> Settings:
    """Put settings together from their layers, without a command line.

    Args:
        preset: Name of a shipped preset.
        configs: YAML files, or names of shipped ones such as ``lift``; later ones win.
        policy: Kind of network, which decides the default length of the training.

    Raises:
        UserError: For a file that is missing or has a name or value that is not allowed.
    """
    layers = [(name, read_layer(_shipped(name))) for name in BASE_LAYERS] + named_layers(preset, configs)
    kinds = [policy, *(layer.get("policy") for _, layer in reversed(layers))]
    kind: Any = next((kind for kind in kinds if kind in DEFAULT_MINUTES), "vla")
    settings = Settings(policy=kind, train=TrainConfig(Budget(minutes=DEFAULT_MINUTES[kind])))
    for name, layer in layers:
        settings = apply_layer(settings, layer, f"config {name}")
    return settings if policy is None else replace(settings, policy=kind)


def settings_below(arguments: Sequence[str], begun: bool = False) -> Settings:
    """Return the settings that a command line changes: what its ``--preset`` and ``--config`` make of the defaults.

    Args:
        arguments: The command line.
        begun: Whether settings are, unless it names others, those of the run whose folder ``--init-from`` names.
            The kind of policy always is.
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
    except argparse.ArgumentError:  # the full parser says it better
        return Settings()
    configs, kind = found.config, found.policy
    if found.init_from is not None:
        kind = kind or kind_of(found.init_from)
        configs = configs_or_own(found.init_from, found.preset, configs) if begun else configs
    settings = layered_settings(found.preset, configs, kind)
    if found.steps and not found.minutes:  # the command line's steps replace minutes, and the other way around
        return replace(settings, train=replace(settings.train, budget=Budget(steps=1)))
    if found.minutes and not found.steps:
        return replace(settings, train=replace(settings.train, budget=Budget(minutes=1.0)))
    return settings


def configs_or_own(run: Path, preset: str | None, configs: Sequence[Path]) -> Sequence[Path]:
    """Return the YAML files that are named; when nothing is, that of the run's folder, if there is one."""
    own = run / SETTINGS_FILE
    return [own] if not preset and not configs and own.is_file() else configs


def named_layers(preset: str | None, configs: Sequence[Path]) -> list[tuple[str, dict[str, Any]]]:
    """Return what a preset and files of settings say, by their names."""
    named = [] if preset is None else [(preset, _preset(preset))]
    named += [(str(config), _find(config)) for config in configs]
    return [(name, read_layer(path)) for name, path in named]


def check_counts(settings: Settings, below: Settings) -> None:
    """Refuse options that the kind of policy does not have, and which would change nothing.

    Args:
        settings: What was asked for.
        below: What would be used if no option were named: presets and files are shared by all kinds.

    Raises:
        UserError: Naming the first of them.
    """
    unasked = leaves(to_plain(below))
    for name, value in leaves(to_plain(settings)).items():
        kinds = next((kinds for place, kinds in KINDS_OF.items() if f"{name}.".startswith(f"{place}.")), None)
        if kinds and value != unasked[name] and settings.policy not in kinds:
            raise UserError(f"{name} is {value}, which is for policy {' or '.join(kinds)}; policy is {settings.policy}")
    ensembling = settings.model.head.ensembling
    if ensembling is not None and settings.chunk_length == 1:
        raise UserError(f"ensembling is {ensembling}, but chunk_length is 1, expected at least 2")


def shipped_configs() -> list[str]:
    """Return the names of the shipped files that ``--config`` takes."""
    return _names(_configs())


def presets() -> list[str]:
    """Return the names of the shipped presets."""
    return _names(_configs() / "presets")


def _preset(name: str) -> Path:
    if name not in presets():
        raise UserError(f"preset is {name!r}, allowed are {', '.join(presets())}")
    return _configs() / "presets" / f"{name}.yaml"


def _find(config: Path) -> Path:
    """Return a file that exists, or the shipped one of that name."""
    if config.exists() or config.suffix or len(config.parts) > 1:
        return config
    return _shipped(str(config))


def _shipped(name: str) -> Path:
    if name not in shipped_configs():
        raise UserError(f"config is {name!r}, which is no file; shipped are {', '.join(shipped_configs())}")
    return _configs() / f"{name}.yaml"


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _configs() -> Path:
    return Path(str(files("teamvla_learn"))) / "configs"
