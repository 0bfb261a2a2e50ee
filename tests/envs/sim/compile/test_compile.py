"""The model that Newton compiles is the model that MuJoCo compiles."""

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.compile import scene_name

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


def test_newton_labels_are_translated_to_the_longest_name_that_ends_them():
    names = ["base", "arm_1/base", "arm_1/link1", "link1"]
    assert scene_name("teamvla/worldbody/arm_1/base/arm_1/link1", names) == "arm_1/link1"
    assert scene_name("teamvla_worldbody_arm_1_base", names) == "arm_1/base"


def test_a_label_without_a_name_in_the_scene_is_an_error():
    with pytest.raises(RuntimeError, match="'teamvla/lamp' is not in the scene"):
        scene_name("teamvla/lamp", ["base"])
