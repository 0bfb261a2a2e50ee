"""Changes of a checkpoint folder that a hostile program could make: each of them must be rejected.

The hash of the configuration is recomputed after each, so that the checks behind the hash are tested.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Change = Callable[[Path], None]


def apply(name: str, folder: Path) -> None:
    """Change a folder in place."""
    MUTATIONS[name](folder)


def _config(*keys: str, value: Any) -> Change:
    """Set an entry at a path of keys."""

    def change(folder: Path) -> None:
        from teamvla_learn.policies.checkpoint import CONFIG_HASH, config_hash

        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        entry = config
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = value
        config[CONFIG_HASH] = config_hash(config)
        path.write_text(json.dumps(config), encoding="utf-8")

    return change


def _text(text: str) -> Change:
    def change(folder: Path) -> None:
        (folder / "config.json").write_text(text, encoding="utf-8")

    return change


def _header(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change the header of the weights."""

    def apply_to(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        text = json.dumps(change(header) or header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return apply_to


def _length(value: int) -> Change:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(struct.pack("<Q", value) + path.read_bytes()[8:])

    return change


def _first(header: dict[str, Any]) -> dict[str, Any]:
    return header[next(name for name in header if name != "__metadata__")]


def _model(folder: str) -> Change:
    """Make the encoder a pretrained model whose folder requests custom code."""

    def change(path: Path) -> None:
        model = path / folder
        model.mkdir()
        (model / "config.json").write_text('{"model_type": "vit", "auto_map": {"AutoConfig": "code.Config"}}')
        (model / "code.py").write_text("raise SystemExit('this code ran')")
        _config("model", "vision", "encoder", value=f"pretrained:{model}")(path)

    return change


MUTATIONS: Final[dict[str, Change]] = {
    "JSON 9,000 levels deep": _text("[" * 9000 + "]" * 9000),
    "JSON 900 levels deep": _config("data", value=json.loads('{"a":' * 900 + "1" + "}" * 900)),
    "JSON with a huge number": _text('{"schema_version": ' + "9" * 5000 + "}"),
    "JSON of another type": _text("[]"),
    "version of another type": _config("schema_version", value=[2]),
    "policy of another type": _config("policy", value={"a": 1}),
    "policy name of control codes": _config("policy", value="\x1b[2J\n" * 100),
    "a billion layers": _config("model", "language", "layers", value=10**9),
    "no attention heads": _config("model", "language", "heads", value=0),
    "negative size": _config("model", "language", "size", value=-64),
    "huge layers": _config("model", "hidden_sizes", value=[10**9, 10**9]),
    "a million layers": _config("model", "hidden_sizes", value=[1] * 10**6),
    "many convolutions": _config(
        "model", "vision", value={"channels": [1] * 10**5, "kernels": [1] * 10**5, "strides": [1] * 10**5}
    ),
    "huge picture": _config("model", "image_size", value=[10**9, 10**9]),
    "many actions": _config("model", "space", "action_size", value=10**9),
    "many arms": _config("model", "space", "num_arms", value=10**9),
    "gripper out of range": _config("model", "space", "gripper_entries", value=[10**6]),
    "a name as a number": _config("model", "cameras", value=[1, 2]),
    "vocabulary twice": _config("vocabulary", value=["<pad>", "<unk>", "a", "a"]),
    "tasks of another type": _config("tasks", value=7),
    "files of another type": _config("data", "files", value=7),
    "argument of the machine": _config("env_kwargs", "num_envs", value=10**9),
    "other observations": _config("env_kwargs", "obs_mode", value="state"),
    "mean that is no number": _config("normalization", "actions", "mean", value=[float("nan")] * 16),
    "mean of nested lists": _config("normalization", "actions", "mean", value=[[[1.0]]]),
    "code in a model's folder": _model("model"),
    "model that is not here": _config("model", "vision", "encoder", value="pretrained:nobody/nothing"),
    "model outside": _config("model", "vision", "encoder", value="pretrained:/etc"),
    "header of 2^63 bytes": _length(1 << 63),
    "header of 99 MB": _length(99_000_000),
    "tensor beyond the end": _header(lambda header: _first(header).update(data_offsets=[0, 1 << 40])),
    "tensor that overlaps": _header(lambda header: _first(header).update(data_offsets=[0, 4])),
    "tensor of another type": _header(lambda header: _first(header).update(dtype="I64")),
    "tensor of a new type": _header(lambda header: _first(header).update(dtype="F8_E4M3")),
    "tensor of another shape": _header(lambda header: _first(header).update(shape=[1 << 40, 1 << 40])),
    "tensor missing": _header(lambda header: header.pop(next(n for n in header if n != "__metadata__")) and None),
    "other format": _header(lambda header: header["__metadata__"].update(format="pt")),
    "metadata of another type": _header(lambda header: header.update(__metadata__=3)),
}
