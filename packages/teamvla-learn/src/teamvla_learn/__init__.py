"""Imitation learning of small vision-language-action policies for teams of robot arms.

``data`` turns demonstrations into batches; ``encoders`` encode images, instructions and proprioception; ``policies``
contains the architectures and their checkpoints; ``train`` runs trainings, ``dagger`` improves a policy interactively,
and ``baselines`` are the shipped policies. Importing this package loads neither torch nor a physics engine;
public names are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teamvla_learn.baselines.registry import get_baseline
    from teamvla_learn.data.collate import BatchAssembler
    from teamvla_learn.data.dataset import load_demos
    from teamvla_learn.data.loader import make_dataloader
    from teamvla_learn.policies.arm_process import arm_processes
    from teamvla_learn.policies.checkpoint import load_checkpoint, save_checkpoint
    from teamvla_learn.policies.checkpoint_policy import policy_from_folder as load_policy
    from teamvla_learn.policies.decentralized import ArmController, team_actions
    from teamvla_learn.train.config import TrainConfig
    from teamvla_learn.train.run import TrainingJob, run_training

__all__ = [
    "ArmController",
    "BatchAssembler",
    "TrainConfig",
    "TrainingJob",
    "arm_processes",
    "get_baseline",
    "load_checkpoint",
    "load_demos",
    "load_policy",
    "make_dataloader",
    "run_training",
    "save_checkpoint",
    "team_actions",
]

# Public name to "module:attribute"; a module is imported when one of its names is first used.
_EXPORTS = {
    "get_baseline": "baselines.registry:get_baseline",
    "BatchAssembler": "data.collate:BatchAssembler",
    "load_demos": "data.dataset:load_demos",
    "make_dataloader": "data.loader:make_dataloader",
    "arm_processes": "policies.arm_process:arm_processes",
    "load_checkpoint": "policies.checkpoint:load_checkpoint",
    "load_policy": "policies.checkpoint_policy:policy_from_folder",
    "save_checkpoint": "policies.checkpoint:save_checkpoint",
    "ArmController": "policies.decentralized:ArmController",
    "team_actions": "policies.decentralized:team_actions",
    "TrainConfig": "train.config:TrainConfig",
    "TrainingJob": "train.run:TrainingJob",
    "run_training": "train.run:run_training",
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
