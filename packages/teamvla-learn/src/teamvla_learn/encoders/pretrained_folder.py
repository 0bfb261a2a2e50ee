"""Folder of a pretrained model on this machine, checked for code, pickles and references to other models.

An untrusted checkpoint names the model of its encoder, so the folder is untrusted too. Nothing in it is executed: no
code, no pickled weights, no other model that it refers to.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from teamvla_envs.errors import UserError
from teamvla_envs.outside import plain, read_json

CONFIG_FILE: Final = "config.json"
_INDEX: Final = ".safetensors.index.json"
_PICKLES: Final = (".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")
# Entries that make transformers run code, or load another model or library.
_FORBIDDEN: Final = (
    "auto_map",
    "custom_pipelines",
    "quantization_config",
    "use_timm_backbone",
    "use_pretrained_backbone",
)


def find_folder(name: str) -> Path:
    """Return the folder of a model such as ``facebook/dinov2-small``, which may be a folder or in the library's cache.

    Raises:
        UserError: When it is not on the machine, or could run code.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _cached(name)
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> None:
    """Check that loading the model of a folder runs no code and loads nothing else.

    Raises:
        UserError: Naming the file or the entry.
    """
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES):
        raise UserError(f"{folder} has {plain(pickles[0])}, expected weights in safetensors files only")
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{folder} has adapter_config.json, expected a complete model")
    try:
        config = read_json(folder / CONFIG_FILE)
        indexes = {path: read_json(path) for path in folder.glob(f"*{_INDEX}")}
    except OSError as error:
        raise UserError(f"{folder} holds no model: {CONFIG_FILE} cannot be read ({error.strerror})") from error
    for entry, value in _entries(config):
        if entry in _FORBIDDEN and value:
            raise UserError(f"{folder / CONFIG_FILE} has {entry}: external code and models are never loaded")
    for path, index in indexes.items():
        weights = index.get("weight_map") if isinstance(index, dict) else None
        names = set(weights.values()) if isinstance(weights, dict) else {None}
        if not all(
            isinstance(each, str) and Path(each).name == each and each.endswith(".safetensors") for each in names
        ):
            raise UserError(f"{path} names weights that are no safetensors files of the folder")


def _cached(name: str) -> Path:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, CONFIG_FILE)
    except HFValidationError:
        found = None
    if not isinstance(found, str):
        raise UserError(
            f"the model {plain(name)} is not on this machine and nothing is downloaded; "
            "give the folder of a model, or fetch it first"
        )
    return Path(found).parent


def _entries(config: Any) -> Iterator[tuple[str, Any]]:
    """Yield all entries of nested JSON objects."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield name, value
            yield from _entries(value)
    elif isinstance(config, list):
        for value in config:
            yield from _entries(value)
