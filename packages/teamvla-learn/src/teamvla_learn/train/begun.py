"""What ``--init-from`` names: the folder of a trained network, or a policy that comes with the package."""

from pathlib import Path

from teamvla_envs.outside import read_json
from teamvla_envs.policies import BASELINE, PolicySpec

from teamvla_learn.baselines.registry import get_baseline
from teamvla_learn.policies.checkpoint import CONFIG_FILE

KIND_CLASSES = {"vla": "SingleBrainVLA", "msg": "MsgPassingVLA", "state": "StatePolicy"}


def checkpoint_folder(name: str | Path) -> Path:
    """Return the checkpoint folder that a path or ``baseline:NAME`` stands for.

    Raises:
        UserError: When there is no such baseline.
    """
    spec = PolicySpec.parse(str(name))
    return get_baseline(spec.argument).folder if spec.kind == BASELINE else Path(name)


def kind_of(folder: Path) -> str | None:
    """Return the kind of policy that a checkpoint folder holds; None when it tells none, which loading it will say."""
    try:
        found = read_json(folder / CONFIG_FILE)["policy"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return next((kind for kind, name in KIND_CLASSES.items() if name == found), None)
