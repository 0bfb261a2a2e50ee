"""Damaged and hostile demonstration files are refused with the demonstration and the fault."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.reader import DemoFileError, open_demos
from teamvla_envs.demos.schema import FILE_ATTRIBUTES
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings

from tests.envs.demos.sealing import seal

Damage = Callable[[h5py.File], object]
Change = Callable[[Damage], Path]


def _replace(path: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(file: h5py.File) -> None:
        array = file[path][()]
        del file[path]
        file[path] = change(array)

    return damage


def _set(array: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    array[index] = value
    return array


def _link(path: str) -> Damage:
    def damage(file: h5py.File) -> None:
        del file[path]
        file[path] = h5py.ExternalLink("other.hdf5", "/actions")

    return damage


def _soft_mask(file: h5py.File) -> None:
    del file["mask/train"]
    file["mask/train"] = h5py.SoftLink("/mask/valid")


def _virtual(file: h5py.File) -> None:
    source = file["data/demo_0/actions"]
    layout = h5py.VirtualLayout(source.shape, source.dtype)
    layout[:] = h5py.VirtualSource("other.hdf5", "actions", source.shape, source.dtype)
    del file["data/demo_0/actions"]
    file.create_virtual_dataset("data/demo_0/actions", layout)


def _external(file: h5py.File) -> None:
    shape = file["data/demo_0/rewards"].shape
    del file["data/demo_0/rewards"]
    file.create_dataset("data/demo_0/rewards", shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


DAMAGES: dict[str, tuple[Damage, str]] = {
    "schema version": (
        lambda file: file["data"].attrs.modify("schema_version", 99),
        "schema_version is 99, this program reads 1 to 2",
    ),
    "attribute missing": (
        lambda file: file["data/demo_1"].attrs.pop("seed"),
        "demo_1: attribute seed is missing",
    ),
    "attribute type": (
        lambda file: file["data/demo_1"].attrs.create("success", "yes"),
        "demo_1: attribute success is 'yes', expected bool",
    ),
    "no demos": (
        lambda file: [file["data"].pop(name) for name in list(file["data"])],
        "holds no demonstrations",
    ),
    "strange name": (lambda file: file.move("data/demo_1", "data/extra"), "data/extra is not named demo_0"),
    "array missing": (lambda file: file["data/demo_2"].pop("actions"), "demo_2: actions is missing"),
    "wrong dtype": (
        _replace("data/demo_1/actions", lambda array: array.astype(np.float64)),
        "demo_1: actions has dtype float64, expected float32",
    ),
    "wrong length": (
        _replace("data/demo_1/obs/agent_pos", lambda array: array[:-1]),
        r"demo_1: obs/agent_pos has shape \(\d+, 4\), expected \(\d+, A\*P\)",
    ),
    "states length": (
        _replace("data/demo_1/states/steps", lambda array: array[:-1]),
        r"demo_1: states/steps has shape \(\d+,\), expected",
    ),
    "labels unlike actions": (
        _replace("data/demo_1/expert_actions", lambda array: array[:, :5]),
        r"demo_1: expert_actions has shape \(\d+, 5\), expected \(\d+, 6\)",
    ),
    "demos unlike": (
        _replace("data/demo_1/states/joint_pos", lambda array: array[:, :1]),
        "demo_1: states/joint_pos has shape .* but in demo_0",
    ),
    "only in one": (
        lambda file: file.copy("data/demo_2/states/steps", "data/demo_2/states/x"),
        "demo_2: states/x is in only one of demo_0 and demo_2",
    ),
    "nan": (
        _replace("data/demo_3/actions", lambda array: _set(array, (2, 4), np.nan)),
        r"demo_3: actions\[2, 4\] is nan, expected numbers in \[-1, 1\]",
    ),
    "out of range": (
        _replace("data/demo_3/expert_actions", lambda array: _set(array, (0, 1), 1.5)),
        r"demo_3: expert_actions\[0, 1\] is 1.5",
    ),
    "infinite observation": (
        _replace("data/demo_3/obs/agent_pos", lambda array: _set(array, (5, 0), np.inf)),
        r"demo_3: obs/agent_pos\[5, 0\] is inf, expected finite numbers",
    ),
    "mask": (
        lambda file: (
            file.pop("mask/train"),
            file.create_dataset("mask/train", data=np.array(["demo_8"], "S")),
        ),
        "mask/train names 'demo_8', which is not in the file",
    ),
    "mask of numbers": (
        lambda file: (file.pop("mask/valid"), file.create_dataset("mask/valid", data=[10**9])),
        "mask/valid is not a list of demonstration names",
    ),
    "total": (lambda file: file["data"].attrs.modify("total", 3), "total is 3"),
    "env_args": (lambda file: file["data"].attrs.create("env_args", "{"), "attribute env_args is not JSON"),
    "link": (
        _link("data/demo_0/actions"),
        "data/demo_0/actions is a link, which is not followed",
    ),
    "num_samples": (
        lambda file: file["data/demo_0"].attrs.modify("num_samples", -4),
        "demo_0: num_samples is -4",
    ),
    "deep JSON": (
        lambda file: file["data"].attrs.create("env_args", "[" * 9000 + "]" * 9000),
        "env_args is nested deeper",
    ),
    "soft link as mask": (_soft_mask, "mask/train is a link, which is not followed"),
    "virtual dataset": (_virtual, "data/demo_0/actions is stored outside of the file"),
    "external storage": (_external, "data/demo_0/rewards is stored outside of the file"),
    "alias": (
        lambda file: file["data"].__setitem__("demo_4", file["data/demo_0"]),
        "data/demo_4 is another name of data/demo_0",
    ),
}


def _flip(text: str, index: int) -> str:
    """Flip one bit of a character."""
    return f"{text[:index]}{chr(ord(text[index]) ^ 2)}{text[index + 1 :]}"


ENV_ARGS = [field.name for field in FILE_ATTRIBUTES if field.type is str]


@pytest.mark.parametrize("name", ENV_ARGS)
def test_a_flipped_bit_in_the_header_is_refused(change: Change, name: str):
    def flip(file: h5py.File) -> None:
        attributes = file["data"].attrs
        text = attributes[name]
        letter = max(index for index, character in enumerate(text) if character.isalnum())
        attributes[name] = _flip(text, letter)

    with (
        pytest.raises(DemoFileError, match=r"header differs from its header_hash|expected a length"),
        open_demos(change(flip)),
    ):
        pass


def test_a_changed_mask_is_refused(change: Change):
    def swap(file: h5py.File) -> None:
        train, valid = file["mask/train"], file["mask/valid"]
        train[0], valid[0] = valid[0], train[0]

    with pytest.raises(DemoFileError, match="the header differs from its header_hash"), open_demos(change(swap)):
        pass


def test_a_link_shows_nothing_of_what_it_leads_to(change: Change, tmp_path: Path):
    with h5py.File(tmp_path / "secret.hdf5", "w") as other:
        other["names"] = np.array(["secret"], "S")

    def link(file: h5py.File) -> None:
        del file["mask/train"]
        file["mask/train"] = h5py.ExternalLink(str(tmp_path / "secret.hdf5"), "/names")

    with pytest.raises(DemoFileError, match="mask/train is a link") as error, open_demos(change(link)):
        pass
    assert "secret" not in str(error.value).partition(":")[2]


def test_parts_must_add_up_to_the_arrays(change: Change):
    def damage(file: h5py.File) -> None:
        file["data"].attrs["action_parts"] = '[["joint_delta", 3], ["gripper", 1]]'
        seal(file)

    with pytest.raises(DemoFileError, match="actions has width 6, but its parts add up to 8 for 2 arms"):
        open_demos(change(damage)).__enter__()


def test_images_must_be_those_of_the_environment(toy_env: object, tmp_path: Path):
    path = tmp_path / "toy.hdf5"
    collect(CollectConfig(CollectionSettings("lift", cameras=("front",), image_size=16), 1, path, num_envs=1))
    with h5py.File(path, "r+") as file:
        attributes = file["data"].attrs
        attributes["env_args"] = attributes["env_args"].replace('"image_size": 16', '"image_size": 32')
        seal(file)
    with pytest.raises(DemoFileError, match=r"obs/pixels/front has images of \(16, 16\), .* image_size is 32"):
        open_demos(path).__enter__()


def test_an_array_of_gigabytes_is_refused_before_it_is_read(change: Change):
    def widen(file: h5py.File) -> None:
        steps = len(file["data/demo_0/actions"])
        del file["data/demo_0/obs/agent_pos"]
        file.create_dataset("data/demo_0/obs/agent_pos", (steps, 10**7), "f4", chunks=(1, 10**5))

    path = change(widen)
    tracemalloc.start()
    try:
        with pytest.raises(DemoFileError, match=r"demo_0: obs/agent_pos has shape"), open_demos(path):
            pass
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_a_zeroed_block_is_one_line(change: Change):
    def place(file: h5py.File) -> None:
        low: Any = h5py
        places.append(low.h5o.get_info(file["data/demo_1"].id).addr)

    places: list[int] = []
    path = change(place)
    content = path.read_bytes()
    path.write_bytes(content[: places[0]] + bytes(512) + content[places[0] + 512 :])
    with pytest.raises(DemoFileError, match=r"toy.hdf5") as error, open_demos(path):
        pass
    assert str(error.value).isprintable()


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_refused_with_the_demonstration_and_the_damage(change: Change, kind: str):
    damage, message = DAMAGES[kind]
    path = change(damage)
    with pytest.raises(DemoFileError, match=rf"toy.hdf5: .*{message}"), open_demos(path):
        pass


def test_the_hash_tells_a_change_that_looks_plausible(change: Change):
    path = change(_replace("data/demo_1/rewards", lambda array: array + 1))
    with open_demos(path) as file:
        assert [demo.verify_hash() for demo in file] == [True, False, True, True]


def test_what_others_add_to_a_demo_is_theirs(change: Change):
    def add(file: h5py.File) -> None:
        for demo in file["data"].values():
            demo["next_obs/agent_pos"] = np.zeros(3)

    with open_demos(change(add)) as file:
        assert all(demo.verify_hash() for demo in file)
