"""Second looks: cameras see the meshes of a menagerie folder, physics does not."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import teamvla_envs
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.scene.compose import ARM_COLORS, Scene
from teamvla_envs.scene.visual_meshes import FOLDER_VARIABLE, load_skins
from teamvla_envs.sim.compile import cache_key
from teamvla_envs.sim.render_scene import segment_names

LINKS = (*(f"link{i}" for i in range(8)), "hand", "left_finger", "right_finger")
CORNERS = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def write_obj(path: Path) -> None:
    """A cube of 2 m."""
    lines = [f"v {x} {y} {z}" for x, y, z in CORNERS]
    lines += ["f " + " ".join(str(1 + i) for i in quad) for quad in QUADS]
    path.write_text("\n".join(lines) + "\n")


def write_stl(path: Path) -> None:
    """The same cube, binary."""
    triangles = [(a, b, c) for a, b, c, d in QUADS] + [(a, c, d) for a, b, c, d in QUADS]
    body = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(x for i in triangle for x in CORNERS[i]), 0) for triangle in triangles
    )
    path.write_bytes(bytes(80) + struct.pack("<I", len(triangles)) + body)


def model_xml(**replaced: str) -> str:
    """A menagerie model with a white cube of 8 cm on every link; ``replaced`` swaps texts."""
    bodies = "".join(f'<body name="{link}"><geom class="visual" mesh="cube" material="white"/>' for link in LINKS)
    text = (
        '<mujoco><compiler meshdir="assets"/><default><default class="visual"><geom type="mesh" group="2"/></default>'
        '</default><asset><material name="white" rgba="1 1 1 1"/>'
        '<mesh file="cube.obj" scale="0.04 0.04 0.04"/></asset>'
        f"<worldbody>{bodies}{'</body>' * len(LINKS)}</worldbody></mujoco>"
    )
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A menagerie folder's Panda, found through the environment variable."""
    panda = tmp_path / "franka_emika_panda"
    (panda / "assets").mkdir(parents=True)
    write_obj(panda / "assets" / "cube.obj")
    (panda / "panda.xml").write_text(model_xml())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return panda


@pytest.fixture
def make_looks(folder: Path, make_lift: Callable[..., TeamVectorEnv]) -> Callable[[str], TeamVectorEnv]:
    """Makes environments at the beginning of the same episode."""

    def make(looks: str) -> TeamVectorEnv:
        env = make_lift(looks=looks, num_threads=1)
        env.reset(seed=0)
        return env

    return make


def test_cameras_see_the_meshes_in_place_of_the_primitives_and_the_rest_as_it_was(
    make_looks: Callable[[str], TeamVectorEnv],
):
    plain, dressed = make_looks("primitives"), make_looks("menagerie")
    views = [
        [e.render_cameras(("front",), 96, channel=c)[0, 0] for c in ("segmentation", "depth")] for e in (plain, dressed)
    ]
    (old, old_depth), (new, new_depth) = views
    arms = [1 + i for i, name in enumerate(segment_names(plain.scene)) if name.startswith("arm_")]
    assert set(arms) <= set(new.ravel().tolist())
    assert np.isin(new, arms).sum() < 0.8 * np.isin(old, arms).sum()  # cubes leave gaps that primitives fill
    elsewhere = ~np.isin(old, arms) & ~np.isin(new, arms)
    assert_array_equal(new[elsewhere], old[elsewhere])
    assert_array_equal(new_depth[elsewhere], old_depth[elsewhere])


def test_white_meshes_take_the_tint_of_their_arm(make_looks: Callable[[str], TeamVectorEnv]):
    env = make_looks("menagerie")
    image = env.render_cameras(("front",), 96)[0, 0].astype(int)
    segments = env.render_cameras(("front",), 96, channel="segmentation")[0, 0]
    names = segment_names(env.scene)
    redder = image[..., 0] - image[..., 2]
    first, second = (redder[segments == 1 + names.index(f"arm_{k}")] for k in (0, 1))
    assert first.max() > 60 > second.max()
    assert second.min() < -60 < first.min()


def test_physics_is_the_same_bit_for_bit(make_looks: Callable[[str], TeamVectorEnv]):
    plain, dressed = make_looks("primitives"), make_looks("menagerie")
    assert cache_key(dressed.scene) == cache_key(plain.scene)
    for _ in range(30):
        action = plain.expert_actions()
        assert_array_equal(dressed.expert_actions(), action)
        results = [env.step(action) for env in (plain, dressed)]
        assert_array_equal(results[1][0], results[0][0])
        dressed.render_cameras(("front",), 16)
    before, after = plain.get_state(), dressed.get_state()
    for key, value in before.items():
        assert_array_equal(after[key], value, err_msg=key)


def test_an_environment_can_be_made_again_with_its_looks(make_looks: Callable[[str], TeamVectorEnv]):
    assert make_looks("menagerie").env_kwargs["looks"] == "menagerie"


def test_primitives_need_no_folder(lift_scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER_VARIABLE, "/nowhere")
    assert load_skins(lift_scene, "primitives") == ()


def test_a_surface_lies_where_scale_position_and_quaternion_put_it(folder: Path, lift_scene: Scene):
    pose = 'mesh="cube" pos="0.1 0.2 0.3" quat="1 0 0 1"'  # a quarter turn about z
    (folder / "panda.xml").write_text(model_xml(**{'mesh="cube"': pose, "0.04 0.04 0.04": "0.01 0.02 0.03"}))
    surface = load_skins(lift_scene, "menagerie")[0].surface
    assert surface.vertices.shape == surface.normals.shape == (36, 3)
    assert_allclose(surface.vertices.min(axis=0), (0.08, 0.19, 0.27), atol=1e-6)
    assert_allclose(surface.vertices.max(axis=0), (0.12, 0.21, 0.33), atol=1e-6)
    assert_allclose(np.linalg.norm(surface.normals, axis=1), 1.0, atol=1e-5)
    height = ((surface.vertices - (0.1, 0.2, 0.3)) * surface.normals).sum(axis=1)
    assert_allclose(np.unique(height.round(5)), (0.01, 0.02, 0.03))  # of the faces above the center


def test_obj_and_stl_give_the_same_surface(folder: Path, lift_scene: Scene):
    from_obj = load_skins(lift_scene, "menagerie")[0].surface.vertices
    write_stl(folder / "assets" / "cube.stl")
    (folder / "panda.xml").write_text(model_xml(**{"cube.obj": "cube.stl"}))
    from_stl = load_skins(lift_scene, "menagerie")[0].surface.vertices
    corners = [np.unique(vertices.round(6), axis=0) for vertices in (from_obj, from_stl)]
    assert_allclose(corners[1], corners[0], atol=1e-6)


def test_dark_parts_and_links_without_tint_keep_the_color_of_the_model(folder: Path, lift_scene: Scene):
    red = ARM_COLORS["red"][:3]
    colors = {skin.body: skin.color for skin in load_skins(lift_scene, "menagerie")}
    assert colors["arm_0/link2"] == red
    assert colors["arm_0/base"] == colors["arm_0/link1"] == (1, 1, 1)
    (folder / "panda.xml").write_text(model_xml(**{"1 1 1 1": "0.2 0.2 0.2 1"}))
    assert {skin.color for skin in load_skins(lift_scene, "menagerie")} == {(0.2, 0.2, 0.2)}


def refusal(scene: Scene) -> str:
    """The message of the error that loading raises."""
    with pytest.raises(UserError) as error:
        load_skins(scene, "menagerie")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(
        "looks: 'menagerie' needs the meshes of 'panda': pip install 'teamvla-envs[menagerie]' and a network, "
        "or set TEAMVLA_MENAGERIE to a folder that holds franka_emika_panda/ (reason: "
    )
    return message


def test_a_missing_folder_is_told_when_the_environment_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for make in (teamvla_envs.vector_env, teamvla_envs.parallel_env):
        with pytest.raises(UserError, match=r"looks: 'menagerie' needs .* has no folder franka_emika_panda/"):
            make("lift", looks="menagerie")


def test_a_missing_model_or_mesh_is_named(folder: Path, lift_scene: Scene):
    (folder / "assets" / "cube.obj").unlink()
    assert "the mesh file cube.obj is missing" in refusal(lift_scene)
    (folder / "panda.xml").unlink()
    assert "the file panda.xml is missing" in refusal(lift_scene)


@pytest.mark.parametrize(
    "content",
    [b"", b"v 0 0 0\nf 1 2 3\n", b"\x00\xff not a mesh", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n"],
)
def test_a_damaged_mesh_is_named(folder: Path, lift_scene: Scene, content: bytes):
    (folder / "assets" / "cube.obj").write_bytes(content)
    assert "the mesh file cube.obj is damaged" in refusal(lift_scene)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<mujoco>", "<mujoco", "panda.xml is damaged"),
        ("<mujoco>", "<!DOCTYPE mujoco []><mujoco>", "contains a DOCTYPE"),
        ("<worldbody>", '<include file="other.xml"/><worldbody>', "contains other files"),
        ('name="link3"', 'name="other"', "no visual meshes for the body 'link3'"),
        ('mesh="cube"', 'mesh="ball"', "names no file for the mesh 'ball'"),
        ("1 1 1 1", "1 nan 1 1", "contains nan or inf"),
        ("1 1 1 1", "1 x 1 1", "panda.xml is damaged"),
        ("cube.obj", "cube.py", "cube.py is none of .obj, .stl"),
    ],
)
def test_a_damaged_model_says_what_is_wrong(folder: Path, lift_scene: Scene, old: str, new: str, reason: str):
    (folder / "panda.xml").write_text(model_xml(**{old: new}))
    assert reason in refusal(lift_scene)


@pytest.mark.parametrize("file", ["../../cube.obj", "/cube.obj", "link.obj"])
def test_a_mesh_outside_the_folder_is_refused(folder: Path, lift_scene: Scene, file: str):
    write_obj(folder.parent / "cube.obj")
    (folder / "assets" / "link.obj").symlink_to(folder.parent / "cube.obj")
    (folder / "panda.xml").write_text(model_xml(**{'file="cube.obj"': f'name="cube" file="{file}"'}))
    assert f"the mesh file '{file}' lies outside franka_emika_panda/" in refusal(lift_scene)


def test_a_missing_package_is_told(lift_scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    assert "the package mujoco-menagerie is not installed" in refusal(lift_scene)


def fake_package(folder: Path | None) -> SimpleNamespace:
    """Stands in for ``mujoco_menagerie``: one robot, already in the cache or not to be had."""

    class MenagerieError(Exception):
        pass

    def path(cache: SimpleNamespace) -> Path:
        if folder is None:
            raise MenagerieError("https://example.org/panda.tar.xz:\n<urlopen error>")
        return folder

    cache = SimpleNamespace(root=None, is_cached=lambda robot: folder is not None)
    robots = {"franka_emika_panda": SimpleNamespace(path=path)}
    return SimpleNamespace(get=robots.__getitem__, Cache=lambda: cache, MenagerieError=MenagerieError)


def test_the_package_finds_the_folder(folder: Path, lift_scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", fake_package(folder))
    assert len(load_skins(lift_scene, "menagerie")) == 2 * len(LINKS)


def test_being_offline_is_told(lift_scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", fake_package(None))
    assert "(reason: https://example.org/panda.tar.xz: <urlopen error>)" in refusal(lift_scene)
    assert "downloading the meshes of franka_emika_panda" in capsys.readouterr().err


def test_the_real_package_takes_a_checkout_and_says_when_it_is_offline(
    folder: Path, lift_scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("MENAGERIE_ROOT", str(folder.parent))
    assert len(load_skins(lift_scene, "menagerie")) == 2 * len(LINKS)
    monkeypatch.delenv("MENAGERIE_ROOT")
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nothing").as_uri())
    assert "not found" in refusal(lift_scene)


def test_unknown_looks_list_those_there_are():
    with pytest.raises(ValueError, match="looks: got 'real', allowed are 'primitives', 'menagerie'"):
        TeamVectorEnv("lift", looks="real")
