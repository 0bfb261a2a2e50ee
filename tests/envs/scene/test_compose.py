"""Composed scenes: bodies, collision bits, and their MJCF."""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.scene.cameras import camera_quat
from teamvla_envs.scene.compose import ARM_COLORS, BASE_RADIUS, PHYSICS_DT, Scene, compose, spell_out
from teamvla_envs.scene.loads import CrateBar, crate_bar_inertia
from teamvla_envs.scene.props import Stand, Table


def may_touch(model: mujoco.MjModel, first: str, second: str) -> bool:
    """Whether the collision bits of two geoms let them touch."""
    a, b = model.geom(first), model.geom(second)
    return bool((a.contype & b.conaffinity) | (b.contype & a.conaffinity))


def colliders(model: mujoco.MjModel, arm: int) -> list[str]:
    """Names of an arm's geoms that can touch anything."""
    geoms = (model.geom(i) for i in range(model.ngeom))
    return [geom.name for geom in geoms if geom.name.startswith(f"arm_{arm}/") and geom.contype[0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('solref="0.008"', "0.008 1.0"),
        ('solimp="0.95 0.99"', "0.95 0.99 0.001 0.5 2.0"),
        ('solimplimit="0.95"', "0.95 0.95 0.001 0.5 2.0"),
        ('friction="0.7"', "0.7 0.005 0.0001"),
        ('solreffriction="0.01 0.9"', "0.01 0.9"),
    ],
)
def test_spell_out_writes_the_components_that_were_left_out(given, expected):
    key = given.split("=")[0]
    geom = ET.fromstring(spell_out(f"<mujoco><geom {given}/></mujoco>")).find("geom")
    assert geom is not None
    assert geom.get(key) == expected


def test_spell_out_changes_nothing_for_mujoco():
    short = '<mujoco><worldbody><geom size="1" solref="0.01" solimp="0.8" friction="0.3"/></worldbody></mujoco>'
    before = mujoco.MjModel.from_xml_string(short)
    after = mujoco.MjModel.from_xml_string(spell_out(short))
    for field in ("geom_solref", "geom_solimp", "geom_friction"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))


def test_no_contact_parameter_of_the_scene_is_shortened(lift_scene: Scene):
    lengths = {"solref": 2, "solimp": 5, "friction": 3, "solreflimit": 2, "solimplimit": 5}
    for element in ET.fromstring(lift_scene.xml).iter():
        for key, length in lengths.items():
            value = element.get(key)
            assert value is None or len(value.split()) == length, (element.tag, element.attrib)


def test_arms_stand_on_a_circle_and_face_its_center(lift_scene: Scene):
    assert_allclose(lift_scene.base_pos, [(-BASE_RADIUS, 0, 0), (BASE_RADIUS, 0, 0)], atol=1e-12)
    for pos, yaw in zip(lift_scene.base_pos, lift_scene.base_yaw, strict=True):
        heading = np.array([np.cos(yaw), np.sin(yaw)])
        assert_allclose(heading * BASE_RADIUS, -np.array(pos[:2]), atol=1e-12)


@pytest.mark.parametrize("num_arms", [1, 2, 3, 4])
def test_the_number_of_arms_is_an_argument(num_arms):
    scene = compose(["panda"] * num_arms, [Table()])
    model = mujoco.MjModel.from_xml_string(scene.xml)
    assert scene.num_arms == num_arms
    assert model.nu == 8 * num_arms
    assert [camera.name for camera in scene.cameras] == ["front", "overhead", *(f"wrist_{k}" for k in range(num_arms))]


def test_an_unknown_robot_lists_those_there_are():
    with pytest.raises(ValueError, match=r"'spot'.*panda"):
        compose(["panda", "spot"], [Table()])


def test_an_unknown_camera_lists_those_there_are(lift_scene: Scene):
    with pytest.raises(ValueError, match=r"'back'.*front.*overhead.*wrist_0.*wrist_1"):
        lift_scene.camera("back")


def test_arms_may_touch_one_another(direct_model: mujoco.MjModel):
    for first in colliders(direct_model, 0):
        for second in colliders(direct_model, 1):
            assert may_touch(direct_model, first, second), (first, second)


@pytest.mark.parametrize("arm", [0, 1])
def test_an_arm_does_not_touch_itself(direct_model: mujoco.MjModel, arm):
    names = colliders(direct_model, arm)
    assert not any(may_touch(direct_model, a, b) for a in names for b in names)


@pytest.mark.parametrize("arm", [0, 1])
def test_moving_links_may_touch_table_and_stands_and_mounted_ones_may_not(direct_model: mujoco.MjModel, arm):
    for name in colliders(direct_model, arm):
        mounted = name.split("/")[1].startswith(("base_", "link1_"))
        for furniture in ("table_top", "stand_front_block", "stand_back_block"):
            assert may_touch(direct_model, name, furniture) is not mounted, (name, furniture)


@pytest.mark.parametrize("arm", [0, 1])
def test_every_link_may_touch_the_object(direct_model: mujoco.MjModel, arm):
    for name in colliders(direct_model, arm):
        assert may_touch(direct_model, name, "bar_rod"), name


def test_objects_touch_the_world_and_the_world_does_not_touch_itself(direct_model: mujoco.MjModel):
    assert may_touch(direct_model, "bar_crate", "table_top")
    assert may_touch(direct_model, "bar_crate", "stand_front_block")
    assert not may_touch(direct_model, "table_top", "stand_front_block")


def test_each_of_four_arms_may_touch_each_other_one():
    model = mujoco.MjModel.from_xml_string(compose(["panda"] * 4, [Table()]).xml)
    hands = [next(name for name in colliders(model, k) if "hand" in name) for k in range(4)]
    assert all(may_touch(model, a, b) == (a != b) for a in hands for b in hands)


def test_every_arm_has_a_tint_of_its_own(direct_model: mujoco.MjModel):
    tints = [direct_model.material(f"arm_{k}/tint").rgba for k in range(2)]
    assert_allclose(tints, list(ARM_COLORS.values())[:2], atol=1e-6)


def test_physics_options_are_those_of_a_stable_pinch(direct_model: mujoco.MjModel):
    option = direct_model.opt
    assert option.timestep == PHYSICS_DT
    assert option.impratio == 10
    assert int(option.cone) == int(mujoco.mjtCone.mjCONE_ELLIPTIC)
    assert int(option.integrator) == int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)


def test_the_solver_may_iterate_as_long_as_a_pinch_needs(direct_model: mujoco.MjModel):
    # With 20 line-search iterations the elliptic solver threw held cubes at 1.8 m/s (measured).
    assert direct_model.opt.ls_iterations >= 30
    assert direct_model.opt.iterations >= 50


def test_gravity_is_compensated_on_every_moving_link(direct_model: mujoco.MjModel):
    names = [direct_model.body(i).name for i in range(direct_model.nbody)]
    compensated = {name for name, share in zip(names, direct_model.body_gravcomp, strict=True) if share == 1}
    assert compensated == {name for name in names if name.startswith("arm_") and not name.endswith("/base")}


def test_a_crate_bar_has_the_mass_and_inertia_of_its_two_boxes():
    bar = CrateBar(length=0.5, mass=1.2)
    body = mujoco.MjModel.from_xml_string(compose(["panda"], [Table(), bar]).xml).body("bar")
    mass, inertia = crate_bar_inertia(0.5, 1.2)
    assert_allclose(body.mass, mass)
    assert_allclose(body.inertia, inertia, rtol=1e-5)
    # About y: (length^2 + thickness^2) / 12 for the bar, (x^2 + z^2) / 12 for the crate.
    rod, crate = 0.4 * 1.2 * (0.5**2 + 0.03**2) / 12, 0.6 * 1.2 * (0.20**2 + 0.06**2) / 12
    assert_allclose(inertia[1], rod + crate, rtol=1e-12)


def test_inertia_of_many_bars_is_computed_at_once():
    length, mass = np.array([0.4, 0.6]), np.array([0.5, 1.5])
    _, together = crate_bar_inertia(length, mass)
    assert_allclose(together, [crate_bar_inertia(x, m)[1] for x, m in zip(length, mass, strict=True)])


def test_a_stand_is_placed_by_the_height_of_its_top():
    model = mujoco.MjModel.from_xml_string(compose(["panda"], [Table(), Stand("stand", (0.1, -0.3, 0.12))]).xml)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    block = data.geom("stand_block")
    x, y, z = block.xpos
    assert_allclose((x, y, z + model.geom("stand_block").size[2]), (0.1, -0.3, 0.12), atol=1e-12)


def test_a_camera_looks_along_minus_z_with_y_up():
    w, x, y, z = camera_quat((1, 0, 0), (0, 1, 0))
    assert_allclose((w, x, y, z), (1, 0, 0, 0), atol=1e-12)
