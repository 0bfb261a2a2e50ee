"""Changes of a demonstration file that a hostile program could make: each of them must be rejected.

The hash of the header is recomputed after each, so that the checks behind the hash are tested.
"""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

Change = Callable[[Any], None]


def apply(name: str, path: Path) -> None:
    """Change a file in place."""
    with h5py.File(path, "r+") as file:
        MUTATIONS[name](file)
        _seal(file)


def _seal(file: Any) -> None:
    from teamvla_envs.demos import schema

    try:
        data = file["data"]
        masks = {split: [name.decode() for name in file[f"mask/{split}"][()]] for split in schema.SPLITS}
        hashes = {name: data[name].attrs["content_hash"] for name in data if name.startswith("demo_")}
        data.attrs["header_hash"] = schema.header_hash(data.attrs, masks, hashes)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return  # what was changed cannot have a hash


def _replaced(path: str, make: Callable[[Any], Any]) -> Change:
    def change(file: Any) -> None:
        values = file[path][()]
        del file[path]
        file[path] = make(values)

    return change


def _dataset(path: str, **options: Any) -> Change:
    def change(file: Any) -> None:
        if path in file:
            del file[path]
        file.create_dataset(path, **options)

    return change


def _env_args(**changes: Any) -> Change:
    def change(file: Any) -> None:
        attributes = file["data"].attrs
        args = json.loads(attributes["env_args"])
        args["env_kwargs"] |= changes
        attributes["env_args"] = json.dumps(args)

    return change


def _attribute(group: str, name: str, value: Any) -> Change:
    def change(file: Any) -> None:
        file[group].attrs[name] = value

    return change


def _virtual(file: Any) -> None:
    source = file["data/demo_0/actions"]
    layout = h5py.VirtualLayout(source.shape, source.dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", source.shape, source.dtype)
    del file["data/demo_0/actions"]
    file.create_virtual_dataset("data/demo_0/actions", layout)


def _external(file: Any) -> None:
    shape = file["data/demo_0/rewards"].shape
    del file["data/demo_0/rewards"]
    file.create_dataset("data/demo_0/rewards", shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def _aliases(file: Any) -> None:
    for number in range(4, 10_000):
        file[f"data/demo_{number}"] = file["data/demo_0"]


def _cycle(file: Any) -> None:
    file["data/demo_0/obs/again"] = file["data/demo_0"]


def _deep(file: Any) -> None:
    group = file["data/demo_0"]
    for _ in range(2000):
        group = group.create_group("g")


def _bomb(file: Any) -> None:
    del file["data/demo_0/rewards"]
    made = file.create_dataset("data/demo_0/rewards", (64,), "f4", chunks=(64,), compression="gzip")
    made.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 30)))


def _mask_link(file: Any) -> None:
    del file["mask/train"]
    file["mask/train"] = h5py.SoftLink("/data/demo_0/obs/agent_pos")


def _mask_outside(file: Any) -> None:
    del file["mask/train"]
    file["mask/train"] = h5py.ExternalLink("/etc/passwd", "/")


def _link(file: Any) -> None:
    del file["data/demo_1/actions"]
    file["data/demo_1/actions"] = h5py.SoftLink("/data/demo_0/actions")


def _names(*names: str) -> Callable[[Any], Any]:
    return lambda values: np.array([*values.tolist(), *(name.encode() for name in names)], "S")


MUTATIONS: Final[dict[str, Change]] = {
    "wide array, no storage": _dataset("data/demo_0/obs/agent_pos", shape=(80, 10**7), dtype="f4", chunks=(1, 10**5)),
    "long array, no storage": _dataset("data/demo_0/states/physics", shape=(10**12, 50), dtype="f8", chunks=(1, 50)),
    "many pictures, no storage": _dataset(
        "data/demo_0/obs/pixels/front", shape=(10**6, 4096, 4096, 3), dtype="u1", chunks=(1, 64, 64, 3)
    ),
    "wide array, compressed": _dataset(
        "data/demo_0/obs/agent_pos", data=np.zeros((80, 10**5), "f4"), compression="gzip"
    ),
    "chunk that expands": _bomb,
    "strings of any length": _dataset("data/demo_0/actions", shape=(80, 16), dtype=h5py.string_dtype()),
    "compound type": _dataset("data/demo_0/rewards", shape=(80,), dtype=[("a", "f4"), ("b", "i8")]),
    "empty dataset": _dataset("data/demo_0/rewards", data=h5py.Empty("f4")),
    "scalar": _dataset("data/demo_0/rewards", data=1.0),
    "other filter": _dataset("data/demo_0/rewards", data=np.zeros(80, "f4"), chunks=(80,), compression="lzf"),
    "soft link": _link,
    "soft link as mask": _mask_link,
    "external link as mask": _mask_outside,
    "external storage": _external,
    "virtual dataset": _virtual,
    "10,000 names of a demo": _aliases,
    "group inside itself": _cycle,
    "2,000 groups deep": _deep,
    "demo in both masks": lambda file: _replaced("mask/valid", _names(file["mask/train"][0].decode()))(file),
    "demo twice in a mask": lambda file: _replaced("mask/train", lambda v: np.array([v[0], v[0]], "S"))(file),
    "mask names another demo": _replaced("mask/train", _names("demo_99")),
    "mask of long names": _replaced("mask/train", _names("x" * 10**6)),
    "not a number": _replaced("data/demo_0/actions", lambda values: values * np.nan),
    "JSON 9,000 levels deep": _attribute("data", "env_args", "[" * 9000 + "]" * 9000),
    "JSON of another type": _attribute("data", "env_args", "[1, 2]"),
    "JSON with a huge number": _attribute("data", "collection", "{" + f'"a": {"9" * 5000}' + "}"),
    "broken JSON": _attribute("data", "versions", '{"a": '),
    "attribute of many values": _attribute("data/demo_0", "seed", np.arange(4000)),
    "attribute that is no text": _attribute("data/demo_0", "instruction", b"\xff\xfe"),
    "attribute of control codes": _attribute("data/demo_0", "content_hash", "\x1b[2J\n" * 50),
    "huge number of samples": _attribute("data/demo_0", "num_samples", 2**62),
    "parts that do not add up": _attribute("data", "action_parts", '[["joint_delta", 6], ["gripper", 1]]'),
    "parts of negative length": _attribute("data", "action_parts", '[["a", -8], ["b", 16]]'),
    "unknown argument": _env_args(num_envz=3),
    "unknown robot": _env_args(robot="r" * 1000),
    "number of arms": _env_args(num_arms=3),
    "image size": _env_args(image_size=[10**9, 10**9]),
    "cameras": _env_args(cameras=["front"]),
    "other names of demos": lambda file: file.move("data/demo_1", "data/demo_1\n\x1b[31m"),
}
