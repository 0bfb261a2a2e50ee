"""Header of a demonstration file: its attributes, checked against its arrays."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from teamvla_envs.demos import schema
from teamvla_envs.demos.structure import DemoFileError
from teamvla_envs.demos.validation import read_attributes
from teamvla_envs.outside import parse_json, plain, shown

if TYPE_CHECKING:
    import h5py

_log = logging.getLogger(__name__)

_DEFAULT_ARMS: Final = 2  # of an environment whose arguments name none
_HASH: Final = re.compile("[0-9a-f]{64}")
_HASH_FIELD: Final = schema.FILE_ATTRIBUTES[-1]


class Header:
    """Parsed attributes of the group ``data``.

    Attributes:
        version: Version of the layout.
        total: Recorded number of samples of all demonstrations.
        env_args: The entry of the same name.
        versions: Versions of the packages that wrote the file.
        collection: How the episodes were collected.
        parts: Name and length of each part of ``action``, ``agent_pos`` and ``environment_state``.
    """

    def __init__(self, data: "h5py.Group") -> None:
        """Read the attributes; raises ``DemoFileError`` when one is missing or invalid."""
        first = schema.FILE_ATTRIBUTES[0]
        self.version: int = read_attributes(data, (first,), "file")[first.name]
        if self.version not in schema.READ_VERSIONS:
            raise DemoFileError(
                f"schema_version is {self.version}, this program reads {schema.READ_VERSIONS[0]} to "
                f"{schema.READ_VERSIONS[-1]}"
            )
        hashed = self.version > 1
        fields = schema.FILE_ATTRIBUTES if hashed else schema.FILE_ATTRIBUTES[:-1]
        self._attributes = read_attributes(data, fields, "file")
        self.total: int = self._attributes["total"]
        self.env_args = self._json("env_args", dict)
        self.versions: dict[str, str] = {
            plain(str(name)): plain(str(version)) for name, version in self._json("versions", dict).items()
        }
        self.collection = self._json("collection", dict)
        self.parts = {name: self._parts(f"{name}_parts") for name in ("action", "agent_pos", "environment_state")}
        if not isinstance(self.env_args.get("env_kwargs"), dict):
            raise DemoFileError("env_args has no env_kwargs")

    def check_hash(self, path: Path, masks: Mapping[str, list[str]], content_hashes: Mapping[str, str]) -> None:
        """Compare the header with its hash, if the version has one.

        Args:
            path: The file, for the log.
            masks: Names of the demonstrations of each split.
            content_hashes: Content hash of each demonstration by its name.

        Raises:
            DemoFileError: When it differs.
        """
        for name, value in content_hashes.items():
            if not _HASH.fullmatch(value):
                raise DemoFileError(f"{name}: attribute content_hash is {shown(value)}, expected 64 hexadecimal digits")
        if _HASH_FIELD.name not in self._attributes:
            _log.info("%s has schema version %d, whose header has no hash", path, self.version)
        elif schema.header_hash(self._attributes, masks, content_hashes) != self._attributes[_HASH_FIELD.name]:
            raise DemoFileError("the header differs from its header_hash: the file was damaged or changed")

    def check_arrays(self, specs: Mapping[str, schema.ArraySpec]) -> None:
        """Compare the arrays of a demonstration with the parts and with the environment's arguments.

        Args:
            specs: Shape and dtype of each array by path.

        Raises:
            DemoFileError: Naming the array, its width and the expected one.
        """
        kwargs = self.env_args["env_kwargs"]
        arms = kwargs.get("num_arms", _DEFAULT_ARMS)
        if type(arms) is not int or not 1 <= arms <= schema.MAX_ARMS:
            raise DemoFileError(f"env_kwargs: num_arms is {shown(arms)}, expected 1 to {schema.MAX_ARMS}")
        if not isinstance(kwargs.get("task"), str):
            raise DemoFileError(f"env_kwargs: task is {shown(kwargs.get('task'))}, expected a name")
        robots = kwargs.get("robot", "")
        if not isinstance(robots, str) and not (_names(robots) and len(robots) == arms):
            raise DemoFileError(
                f"env_kwargs: robot is {shown(robots)}, expected one name or one for each of {arms} arms"
            )
        widths = {
            schema.ACTIONS: arms * _width(self.parts["action"]),
            schema.AGENT_POS: arms * _width(self.parts["agent_pos"]),
            schema.ENVIRONMENT_STATE: _width(self.parts["environment_state"]),
        }
        for path, width in widths.items():
            if path in specs and specs[path][0][1] != width:
                raise DemoFileError(
                    f"{path} has width {specs[path][0][1]}, but its parts add up to {width} for {arms} arms"
                )
        self._check_images(specs)

    def _check_images(self, specs: Mapping[str, schema.ArraySpec]) -> None:
        kwargs = self.env_args["env_kwargs"]
        cameras, size = kwargs.get("cameras"), kwargs.get("image_size")
        if cameras is not None and not _names(cameras):
            raise DemoFileError(f"env_kwargs: cameras is {shown(cameras)}, expected a list of names")
        expected = [size, size] if type(size) is int else size
        for path, (shape, _) in specs.items():
            if not path.startswith(schema.PIXELS):
                continue
            camera = path.removeprefix(schema.PIXELS)
            if cameras is not None and camera not in cameras:
                raise DemoFileError(f"{plain(path)} is of a camera that env_kwargs does not name")
            if expected is not None and list(shape[1:3]) != expected:
                raise DemoFileError(
                    f"{plain(path)} has images of {shape[1:3]}, but env_kwargs: image_size is {shown(size)}"
                )

    def _parts(self, name: str) -> list[tuple[str, int]]:
        parts = self._json(name, list)
        for part in parts:
            if not (isinstance(part, list) and len(part) == 2 and type(part[0]) is str and type(part[1]) is int):
                raise DemoFileError(f"attribute {name} has {shown(part)}, expected a name and a length")
            if not 1 <= part[1] <= schema.MAX_WIDTH:
                raise DemoFileError(f"attribute {name} has {shown(part)}, expected a length of 1 to {schema.MAX_WIDTH}")
        if len({part for part, _ in parts}) < len(parts):
            raise DemoFileError(f"attribute {name} has a part twice")
        return [(part, length) for part, length in parts]

    def _json(self, name: str, kind: type) -> Any:
        value = parse_json(self._attributes[name], f"attribute {name}")
        if not isinstance(value, kind):
            raise DemoFileError(f"attribute {name} holds a {type(value).__name__}, expected a {kind.__name__}")
        return value


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _width(parts: list[tuple[str, int]]) -> int:
    return sum(length for _, length in parts)
