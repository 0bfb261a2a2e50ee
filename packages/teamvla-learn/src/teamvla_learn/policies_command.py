"""``teamvla policies``: list policies, describe a checkpoint, or export one."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from teamvla_envs.errors import UserError
from teamvla_envs.files import new_folder
from teamvla_envs.outside import plain, read_json
from teamvla_envs.policies import BASELINE

from teamvla_learn.baselines.registry import baselines, checkpoint_folder

if TYPE_CHECKING:
    from rich.table import Table

    from teamvla_learn.policies.checkpoint import Checkpoint

CONFIG_FILE = "config.json"
# Entries of a checkpoint's configuration that the table of checkpoints shows, and their types.
SHOWN = {"schema_version": int, "policy": str, "tasks": list, "training": dict, "data": dict}
# Fields of a network's configuration that other rows of its description show, or that are too long.
DESCRIBED = ("space", "cameras", "image_size", "vocabulary_size", "auxiliary", "ignored", "parts", "proprioception")
RUNS = "runs"  # default folder of trainings
DEPTH = 4  # levels of subfolders that are searched


def policies(
    action: Annotated[Literal["list", "info", "export"], tyro.conf.Positional],
    folder: Annotated[str | None, tyro.conf.Positional] = None,
    out: Path | None = None,
) -> None:
    """List policies, describe a checkpoint, or export it for others to use.

    Args:
        action: list shows the policies that --policy takes, the architectures that can be trained, and the checkpoints
            below a folder; info describes one checkpoint; export copies the files needed to act, with weights in half
            precision.
        folder: For list, the folder to search for checkpoints, by default runs. For info and export, the checkpoint
            folder, or baseline:NAME.
        out: For export, the folder to write.
    """
    from teamvla_envs.console import print_table

    if action == "list":
        tables = [_names(), _architectures(), _baselines()]
        if folder is not None or Path(RUNS).is_dir():
            tables.append(_checkpoints(Path(folder or RUNS)))
        for table in tables:
            print_table(table)
        return
    if folder is None:
        raise UserError(f"folder is missing: teamvla policies {action} FOLDER")
    from teamvla_learn.policies.checkpoint import load_checkpoint

    path = checkpoint_folder(folder)
    if action == "info":
        print_table(_description(path, load_checkpoint(path)))
    else:
        _export(path, out)


def _export(folder: Path, out: Path | None) -> None:
    from teamvla_learn.policies.checkpoint import load_checkpoint, save_checkpoint

    if out is None:
        raise UserError(f"out is missing: teamvla policies export {folder} --out FOLDER")
    if out.exists():
        raise UserError(f"out is {out}, which exists already")
    checkpoint = load_checkpoint(folder)
    with new_folder(out) as folder:
        save_checkpoint(folder, checkpoint.policy, checkpoint.info, half=True)
    print(f"wrote {out}")


def find_checkpoints(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the checkpoint folders in and below a folder, in order, with the content of their ``config.json``."""
    for depth in range(DEPTH + 1):
        for path in sorted(folder.glob("/".join([*["*"] * depth, CONFIG_FILE]))):
            try:
                config = read_json(path)
            except (OSError, ValueError):
                continue
            if isinstance(config, dict) and all(isinstance(config.get(name), kind) for name, kind in SHOWN.items()):
                yield path.parent, config


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left")
    table.columns[0].no_wrap = True
    return table


def _names() -> "Table":
    from teamvla_envs.policies import policy_factories

    table = _table("policies by name", "name", "made by")
    for name, entry in policy_factories().items():
        table.add_row(name, entry.value)
    return table


def _architectures() -> "Table":
    from teamvla_learn.policies.registry import architecture_entries

    table = _table("architectures that teamvla train --policy takes", "name", "defined in")
    for name, entry in sorted(architecture_entries().items()):
        table.add_row(name, entry.value)
    return table


def _baselines() -> "Table":
    table = _table("policies that ship with TeamVLA", "name", "tasks", "training [min]")
    for name, entry in baselines().items():
        table.add_row(f"{BASELINE}:{name}", ", ".join(entry.tasks), f"{entry.minutes:g}")
    return table


def _checkpoints(folder: Path) -> "Table":
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "is missing"
        raise UserError(f"folder is {folder}, which {kind}; expected a folder with checkpoints in it")
    table = _table(f"checkpoints in {folder}", "folder", "policy", "tasks", "demos", "success")
    for path, config in find_checkpoints(folder):
        success = config["training"].get("success")
        table.add_row(
            str(path),
            plain(config["policy"]),
            plain(", ".join(map(str, config["tasks"]))),
            plain(str(config["data"].get("demos", ""))),
            f"{success:.0%}" if isinstance(success, float) else "",
        )
    return table


def _description(folder: Path, checkpoint: "Checkpoint") -> "Table":
    from rich.table import Table

    from teamvla_learn.policies.checkpoint import MODEL_FILE, SCHEMA_VERSION

    info, network = checkpoint.info, checkpoint.policy
    space = network.config.space
    weights = sum(parameter.numel() for parameter in network.parameters())
    table = Table("", "", box=None, show_header=False, title=str(folder), title_justify="left")
    table.columns[0].no_wrap = True
    rows: dict[str, object] = {
        "policy": type(network).__name__,
        "tasks": ", ".join(info.tasks),
        "weights": f"{weights:,} parameters, {(folder / MODEL_FILE).stat().st_size / 1e6:.1f} MB",
        "actions": f"{space.num_arms} arms of {space.action_size} entries, {space.chunk_length} at once",
        **_network(network.config),
        "vocabulary": f"{len(info.vocabulary)} words" if info.vocabulary else "reads no instruction",
        "auxiliary targets": ", ".join(network.normalization.auxiliary) or "nothing",
        "schema version": SCHEMA_VERSION,
        "data hash": info.data.get("content_hash", ""),
    }
    for file in info.data.get("files", ()):
        demos = f"{file.get('demos')} of {file.get('task')}, hash {str(file.get('content_hash'))[:12]}"
        rows[f"demonstrations {file.get('file')}"] = demos
    rows |= {f"environment {name}": value for name, value in info.env_kwargs.items()}
    rows |= {f"training {name}": value for name, value in info.training.items()}
    rows |= {f"version {name}": value for name, value in info.versions.items()}
    for name, value in rows.items():
        table.add_row(plain(name), plain(str(value)))
    return table


def _network(config: Any) -> dict[str, str]:
    """Return the main properties of a network; those of other architectures are their configuration's own fields."""
    from teamvla_learn.policies.losses import LossWeights

    rows = {}
    if hasattr(config, "head"):
        head = config.head
        rows["head"] = f"flow in {head.flow_steps} steps" if head.kind == "flow" else f"{head.kind}, {head.loss} loss"
        if head.ensembling is not None:
            rows["head"] += f", ensembling {head.ensembling:g}"
    if hasattr(config, "vision"):
        vision = config.vision
        channels = f", channels {', '.join(map(str, vision.channels))}" if vision.encoder == "film_cnn" else ""
        rows |= {"vision": f"{vision.encoder}{channels}", "language": config.language.encoder}
    if hasattr(config, "fusion"):
        rows["fusion"] = config.fusion
    if hasattr(config, "messages"):
        messages = config.messages
        size = f"{messages.rounds} of {messages.size} numbers per control step" if messages.communicates else "none"
        rows |= {"messages": size, "instruction for": messages.instruction_for}
    shown = {*rows, *DESCRIBED, *(entry.name for entry in fields(LossWeights))}
    return rows | {entry.name: str(getattr(config, entry.name)) for entry in fields(config) if entry.name not in shown}
