"""The model that Newton compiles is the model that MuJoCo compiles; and it is compiled once."""

import errno
import logging
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim import compile as compiling
from teamvla_envs.sim.compile import cache_folder, cache_key, compile_scene, is_compiled, scene_name
from teamvla_envs.tasks.lift import Lift

# Compared are the parameters that make physics: neither addresses and colors, nor a length that only sleeping bodies
# use, nor the name of an actuator's input signal, which MuJoCo's writer of MJCF adds to the scene.
ADDRESSES = ("adr", "id", "num", "color")
ELEMENTS = {"body": "nbody", "jnt": "njnt", "geom": "ngeom", "tendon": "ntendon"}
KINDS = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "jnt": mujoco.mjtObj.mjOBJ_JOINT,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "tendon": mujoco.mjtObj.mjOBJ_TENDON,
}
NOT_PHYSICS = {
    "geom_rgba", "geom_matid", "geom_group", "geom_user", "body_user", "jnt_user", "tendon_user", "tendon_rgba",
    "tendon_matid", "tendon_group", "jnt_group", "body_bvhadr", "body_bvhnum", "body_simple", "geom_plugin",
    "body_plugin", "body_geomnum", "tendon_width", "dof_length", "actuator_ctrlspec",
}  # fmt: skip


@pytest.fixture(scope="module", params=(("panda", "panda"), ("panda", "xarm7")), ids="-".join)
def lift_scene(request: pytest.FixtureRequest) -> Scene:
    """The scene of Lift with a team of one kind of robot, and with a mixed one."""
    return Lift().scene(request.param)


@pytest.fixture(scope="module")
def direct_model(lift_scene: Scene) -> mujoco.MjModel:
    """That scene compiled by MuJoCo alone; read only."""
    return mujoco.MjModel.from_xml_string(lift_scene.xml)


@pytest.fixture(scope="module")
def fresh_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own, so that a model is really compiled, once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("TEAMVLA_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def compiled(lift_scene: Scene, fresh_cache: Path) -> mujoco.MjModel:
    """Lift's scene, compiled through Newton in this process."""
    return compile_scene(lift_scene)


def indices(model: mujoco.MjModel, kind: str) -> dict[str, int]:
    """Name to index of all named elements of a kind."""
    names = [mujoco.mj_id2name(model, int(KINDS[kind]), i) for i in range(getattr(model, ELEMENTS[kind]))]
    return {name: i for i, name in enumerate(names) if name}


def actuator_targets(model: mujoco.MjModel) -> dict[str, int]:
    """Joint or tendon of each actuator to the actuator's index."""
    result = {}
    for i in range(model.nu):
        kind = "jnt" if model.actuator_trntype[i] == int(mujoco.mjtTrn.mjTRN_JOINT) else "tendon"
        result[mujoco.mj_id2name(model, int(KINDS[kind]), int(model.actuator_trnid[i, 0]))] = i
    return result


def equality_joints(model: mujoco.MjModel) -> dict[tuple[str, str], int]:
    """The pair of joints that each equality couples to its index."""
    pairs = zip(model.eq_obj1id, model.eq_obj2id, strict=True)
    return {(model.joint(int(a)).name, model.joint(int(b)).name): i for i, (a, b) in enumerate(pairs)}


def physical_fields(model: mujoco.MjModel, prefix: str) -> list[str]:
    """Names of the numeric arrays of one kind of element that hold parameters."""
    names = (name for name in dir(model) if name.startswith(f"{prefix}_") and not name.endswith(ADDRESSES))
    return [name for name in names if name not in NOT_PHYSICS and isinstance(getattr(model, name), np.ndarray)]


def assert_equal_fields(
    direct: mujoco.MjModel, other: mujoco.MjModel, prefix: str, rows: list[int], other_rows: list[int]
) -> None:
    """Every parameter of the elements is equal, up to the digits of an XML of float32 numbers."""
    fields = physical_fields(direct, prefix)
    assert fields
    for field in fields:
        expected, found = getattr(direct, field)[rows], getattr(other, field)[other_rows]
        assert_allclose(found, expected, rtol=1e-5, atol=3e-6, err_msg=field)


@pytest.mark.parametrize("kind", sorted(ELEMENTS))
def test_parameters_of_named_elements_equal_those_of_the_mjcf(
    direct_model: mujoco.MjModel, compiled: mujoco.MjModel, kind: str
):
    direct, other = indices(direct_model, kind), indices(compiled, kind)
    if kind == "geom":  # visual geoms have no part in physics
        touchable = direct_model.geom_contype | direct_model.geom_conaffinity
        assert set(other) == {name for name, i in direct.items() if touchable[i]}
    else:
        assert set(other) == set(direct)
    assert_equal_fields(direct_model, compiled, kind, [direct[name] for name in other], list(other.values()))


def test_parameters_of_degrees_of_freedom_equal_those_of_the_mjcf(
    direct_model: mujoco.MjModel, compiled: mujoco.MjModel
):
    def degrees(model: mujoco.MjModel) -> list[int]:
        return [d for name in sorted(indices(model, "jnt")) for d in np.atleast_1d(model.joint(name).dofadr).tolist()]

    assert_equal_fields(direct_model, compiled, "dof", degrees(direct_model), degrees(compiled))


def test_parameters_of_actuators_equal_those_of_the_mjcf(direct_model: mujoco.MjModel, compiled: mujoco.MjModel):
    direct, other = actuator_targets(direct_model), actuator_targets(compiled)
    assert set(other) == set(direct)
    assert len(direct) == 16
    assert_equal_fields(direct_model, compiled, "actuator", [direct[name] for name in other], list(other.values()))


def test_parameters_of_equalities_equal_those_of_the_mjcf(direct_model: mujoco.MjModel, compiled: mujoco.MjModel):
    direct, other = equality_joints(direct_model), equality_joints(compiled)
    assert set(other) == set(direct)
    assert len(direct) == 2
    assert_equal_fields(direct_model, compiled, "eq", [direct[name] for name in other], list(other.values()))


def test_tendons_join_the_same_joints(direct_model: mujoco.MjModel, compiled: mujoco.MjModel):
    def wraps(model: mujoco.MjModel) -> dict[str, dict[str, float]]:
        result = {}
        for name, i in indices(model, "tendon").items():
            rows = range(model.tendon_adr[i], model.tendon_adr[i] + model.tendon_num[i])
            result[name] = {model.joint(int(model.wrap_objid[row])).name: float(model.wrap_prm[row]) for row in rows}
        return result

    assert wraps(compiled) == wraps(direct_model)


def test_all_options_equal_those_of_the_mjcf(direct_model: mujoco.MjModel, compiled: mujoco.MjModel):
    names = [name for name in dir(direct_model.opt) if not name.startswith("_")]
    assert {"timestep", "impratio", "cone", "ls_iterations", "disableflags"} <= set(names)
    for name in names:
        assert_allclose(getattr(compiled.opt, name), getattr(direct_model.opt, name), rtol=1e-6, err_msg=name)


def test_the_contact_softness_of_the_mjcf_arrives(compiled: mujoco.MjModel):
    # Newton's importer reads a missing component as zero, which MuJoCo silently replaces at every contact.
    pads = [compiled.geom(f"arm_{k}/{side}_pad") for k in (0, 1) for side in ("left", "right")]
    for geom in (*pads, compiled.geom("bar_rod")):
        assert_allclose(geom.solref, (0.008, 1.0), rtol=1e-6)
        assert_allclose(geom.solimp, (0.95, 0.99, 0.001, 0.5, 2.0), rtol=1e-6)


def test_the_same_state_and_controls_give_the_same_accelerations(
    direct_model: mujoco.MjModel, compiled: mujoco.MjModel
):
    rng = np.random.default_rng(0)
    names = sorted(indices(direct_model, "jnt"))
    positions = {name: rng.uniform(*direct_model.joint(name).range) for name in names if name != "bar_joint"}
    controls = {name: rng.uniform(0, 0.04) for name in actuator_targets(direct_model)}
    accelerations = []
    for model in (direct_model, compiled):
        data = mujoco.MjData(model)
        for name, value in positions.items():
            data.joint(name).qpos = value
        for name, i in actuator_targets(model).items():
            data.ctrl[i] = controls[name]
        mujoco.mj_forward(model, data)
        accelerations.append(np.concatenate([data.joint(name).qacc for name in names]))
    assert np.abs(accelerations[0]).max() > 10
    assert_allclose(accelerations[1], accelerations[0], rtol=1e-4, atol=1e-3)


def touching_pairs(model: mujoco.MjModel) -> set[frozenset[str]]:
    """Names of the geoms that MuJoCo may let collide: by bits, exclusions and the parent filter."""
    excluded = {int(signature) for signature in model.exclude_signature}
    weld, parent = model.body_weldid, model.body_parentid
    pairs = set()
    for i in range(model.ngeom):
        for j in range(i):
            low, high = sorted((int(model.geom_bodyid[i]), int(model.geom_bodyid[j])))
            first, second = int(weld[low]), int(weld[high])
            family = first and second and (weld[parent[first]] == second or weld[parent[second]] == first)
            bits = (model.geom_contype[i] & model.geom_conaffinity[j]) | (
                model.geom_contype[j] & model.geom_conaffinity[i]
            )
            if bits and not family and first != second and (low << 16) + high not in excluded:
                pairs.add(frozenset((model.geom(i).name, model.geom(j).name)))
    return pairs


def test_the_same_geoms_may_collide(direct_model: mujoco.MjModel, compiled: mujoco.MjModel):
    assert touching_pairs(compiled) == touching_pairs(direct_model)


def test_there_is_a_sensor_for_every_watched_pair(lift_scene: Scene, compiled: mujoco.MjModel):
    assert compiled.nsensor == len(lift_scene.contact_pairs)
    assert compiled.nsensordata == 4 * compiled.nsensor
    watched = [
        (compiled.body(int(first)).name, compiled.body(int(second)).name)
        for first, second in zip(compiled.sensor_objid, compiled.sensor_refid, strict=True)
    ]
    assert watched == [(pair.first, pair.second) for pair in lift_scene.contact_pairs]


def model_bytes(model: mujoco.MjModel) -> bytes:
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


@pytest.fixture
def no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if anything is compiled."""
    monkeypatch.setattr(compiling, "_compile", lambda scene: pytest.fail("the scene was compiled again"))


@pytest.mark.usefixtures("no_compilation")
def test_a_compiled_model_is_read_back_from_the_cache_unchanged(lift_scene: Scene, compiled: mujoco.MjModel):
    assert model_bytes(compile_scene(lift_scene)) == model_bytes(compiled)


@pytest.fixture
def another_cache(
    tmp_path: Path, compiled: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], list[Scene]]:
    """Makes a folder the cache and records what is compiled, in no time, from then on."""
    scenes: list[Scene] = []

    def compile_at_once(scene: Scene) -> mujoco.MjModel:
        scenes.append(scene)
        return compiled

    def use(folder: Path) -> list[Scene]:
        monkeypatch.setenv("TEAMVLA_CACHE", str(folder))
        monkeypatch.setattr(compiling, "_compile", compile_at_once)
        return scenes

    return use


@pytest.mark.parametrize("damage", ["flip", "flip checksum", "truncate", "empty", "another scene's", "not ours"])
def test_a_damaged_or_foreign_cache_entry_is_rebuilt(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
    damage: str,
):
    made = another_cache(tmp_path)
    other = replace(lift_scene, contact_pairs=lift_scene.contact_pairs[1:])
    for scene in (lift_scene, other):
        compile_scene(scene)
    entry, foreign = (cache_folder() / f"{cache_key(scene)}.mjb" for scene in (lift_scene, other))
    whole = entry.read_bytes()
    entry.write_bytes(
        {
            "flip": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
            "flip checksum": bytes([whole[0] ^ 1]) + whole[1:],
            "truncate": whole[:-100],
            "empty": b"",
            "another scene's": foreign.read_bytes(),
            "not ours": model_bytes(compiled),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        assert not is_compiled(lift_scene)
        rebuilt = compile_scene(lift_scene)
    assert made == [lift_scene, other, lift_scene]
    assert model_bytes(rebuilt) == model_bytes(compiled)
    assert entry.read_bytes() == whole
    assert "damaged" in caplog.text


def test_what_no_reader_understands_is_rebuilt_even_with_a_right_checksum(
    lift_scene: Scene, tmp_path: Path, another_cache: Callable[[Path], list[Scene]]
):
    made = another_cache(tmp_path)
    key = cache_key(lift_scene)
    cache_folder().mkdir()
    nonsense = b"nonsense" * 100
    (cache_folder() / f"{key}.mjb").write_bytes(compiling._checksum(key, nonsense) + nonsense)
    compile_scene(lift_scene)
    assert made == [lift_scene]
    assert is_compiled(lift_scene)


def test_a_cache_that_cannot_be_written_is_a_warning_and_not_an_error(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
):
    (tmp_path / "file").write_text("in the way")
    another_cache(tmp_path / "file")
    assert compile_scene(lift_scene) is compiled
    assert "cannot keep" in caplog.text


def test_a_full_disk_is_a_warning_and_leaves_nothing_behind(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    another_cache(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert compile_scene(lift_scene) is compiled
    assert "No space left" in caplog.text
    assert list(cache_folder().iterdir()) == []


def test_those_who_read_and_write_an_entry_at_once_see_it_whole_or_not_at_all(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
):
    another_cache(tmp_path)
    key = cache_key(lift_scene)
    path = cache_folder() / f"{key}.mjb"

    def use(writes: bool) -> None:
        for _ in range(20):
            if writes:
                compiling._store(compiled, path, key)
            elif (model := compiling._load(path, key)) is not None:
                assert model_bytes(model) == model_bytes(compiled)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, [True, False, True, False]))
    assert not caplog.records
    assert [entry.name for entry in cache_folder().iterdir()] == [path.name]


@pytest.mark.parametrize("package", ["newton", "mujoco", "mujoco-warp", "warp-lang"])
def test_another_version_has_another_key(lift_scene: Scene, monkeypatch: pytest.MonkeyPatch, package: str):
    key = cache_key(lift_scene)
    monkeypatch.setattr(compiling, "version", lambda name: "0.0" if name == package else version(name))
    assert cache_key(lift_scene) != key


def test_other_code_and_another_processor_have_other_keys(
    lift_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = {cache_key(lift_scene)}
    edited = tmp_path / "compile.py"
    edited.write_text(Path(compiling.__file__).read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "__file__", str(edited))
        keys.add(cache_key(lift_scene))
    monkeypatch.setattr(platform, "machine", lambda: "another")
    assert len(keys | {cache_key(lift_scene)}) == 3


def test_another_scene_has_another_key(lift_scene: Scene):
    other = replace(lift_scene, contact_pairs=lift_scene.contact_pairs[1:])
    assert cache_key(other) != cache_key(lift_scene)


@pytest.mark.usefixtures("compiled")
def test_a_warm_start_imports_neither_newton_nor_warp(
    lift_scene: Scene, fresh_cache: Path, run_python: Callable[..., str]
):
    program = (
        "import sys, numpy as np\n"
        "from teamvla_envs.env.vector import TeamVectorEnv\n"
        f"env = TeamVectorEnv('lift', 2, robot={[robot.name for robot in lift_scene.robots]})\n"
        "env.reset(seed=0); env.step(env.expert_actions())\n"
        "print([name for name in ('newton', 'warp', 'torch', 'h5py') if name in sys.modules])"
    )
    assert run_python(program, TEAMVLA_CACHE=str(fresh_cache)) == "[]"


def test_newton_labels_are_translated_to_the_longest_name_that_ends_them():
    names = ["base", "arm_1/base", "arm_1/link1", "link1"]
    assert scene_name("teamvla/worldbody/arm_1/base/arm_1/link1", names) == "arm_1/link1"
    assert scene_name("teamvla_worldbody_arm_1_base", names) == "arm_1/base"


def test_a_label_without_a_name_in_the_scene_is_an_error():
    with pytest.raises(RuntimeError, match="'teamvla/lamp' is not in the scene"):
        scene_name("teamvla/lamp", ["base"])
