"""Second looks: the shells that MuJoCo Menagerie has for our robots, for cameras alone. Physics never sees them.

Of a menagerie model only the visual geoms are read: mesh file, pose and color, link by link. Mesh files must lie in
the model's folder and are decoded from memory, so that nothing else in that folder is opened.
"""

import importlib
import os
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.geometry import matrix_from_quat
from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.props import Vec3

LOOKS = ("primitives", "menagerie")
FOLDER_VARIABLE = "TEAMVLA_MENAGERIE"
# Robot to menagerie's folder and file, and to the bodies that menagerie names differently. Link frames are equal.
_MODELS = {"panda": ("franka_emika_panda", "panda.xml", {"base": "link0"})}
_MESH_TYPES = (".obj", ".stl")
_WHITE = 0.7  # parts this bright, in all three channels, take the arm's tint on links that are tinted


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles without shared corners.

    Attributes:
        vertices: Three corners a triangle, in the frame of the link, shape ``(3F, 3)`` float32 [m].
        normals: Their unit normals, same shape.
    """

    vertices: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class Skin:
    """What a body shows instead of its primitives; a body can have several, one per color.

    Attributes:
        body: The scene's name of the body.
        color: Red, green and blue in [0, 1], as in MJCF.
        surface: Shared by all arms of one kind.
    """

    body: str
    color: Vec3
    surface: Surface


class _UnavailableError(Exception):
    """Why there are no meshes, in a few words."""


def load_skins(scene: Scene, looks: str) -> tuple[Skin, ...]:
    """The skins of a scene's arms; robots that menagerie has no looks for keep their primitives.

    Args:
        scene: The scene, which stays as it is.
        looks: ``"primitives"`` (no skins) or ``"menagerie"``: from the folder that ``TEAMVLA_MENAGERIE`` names, else
            through the package ``mujoco-menagerie``, which downloads a robot's meshes once.

    Raises:
        UserError: If the meshes are not to be had; names the reason, and the file if one is missing or damaged.
    """
    if looks == "primitives":
        return ()
    models: dict[str, dict[str, list[tuple[Vec3, Surface]]]] = {}
    skins = []
    root = ET.fromstring(scene.xml)
    for k, robot in enumerate(scene.robots):
        if robot.name not in _MODELS:
            continue
        folder, file, _ = _MODELS[robot.name]
        links = _links(root, f"arm_{k}/")
        if robot.name not in models:
            try:
                models[robot.name] = _read_model(_find_folder(folder) / file, robot.name, list(links))
            except _UnavailableError as reason:
                raise UserError(
                    f"looks: 'menagerie' needs the meshes of {robot.name!r}: pip install 'teamvla-envs[menagerie]' "
                    f"and a network, or set {FOLDER_VARIABLE} to a folder that holds {folder}/ (reason: {reason})"
                ) from None
        for link, tint in links.items():
            for color, surface in models[robot.name][link]:
                bright = min(color) > _WHITE
                skins.append(Skin(f"arm_{k}/{link}", tint if tint and bright else color, surface))
    return tuple(skins)


def _links(root: ET.Element, prefix: str) -> dict[str, Vec3 | None]:
    """The bodies of one arm that show something, and the tint of those that have one."""
    tint = next(_vector(m.get("rgba"), 4, "rgba") for m in root.iter("material") if m.get("name") == f"{prefix}tint")
    links: dict[str, Vec3 | None] = {}
    for body in root.iter("body"):
        name = body.get("name", "")
        if name.startswith(prefix):
            visuals = [geom for geom in body.findall("geom") if geom.get("class") == f"{prefix}visual"]
            tinted = any(geom.get("material") == f"{prefix}tint" for geom in visuals)
            if visuals:
                links[name.removeprefix(prefix)] = (tint[0], tint[1], tint[2]) if tinted else None
    return links


def _find_folder(model: str) -> Path:
    """The folder of a menagerie model on this machine."""
    root = os.environ.get(FOLDER_VARIABLE)
    if root:
        folder = Path(root).expanduser() / model
        if not folder.is_dir():
            raise _UnavailableError(f"{FOLDER_VARIABLE} is {root!r}, which has no folder {model}/")
        return folder
    try:
        menagerie = importlib.import_module("mujoco_menagerie")
    except ImportError:
        raise _UnavailableError("the package mujoco-menagerie is not installed") from None
    try:
        robot, cache = menagerie.get(model), menagerie.Cache()
        if cache.root is None and not cache.is_cached(robot):
            print(f"TeamVLA: downloading the meshes of {model} (once) …", file=sys.stderr, flush=True)
        return Path(robot.path(cache))
    except (menagerie.MenagerieError, OSError) as error:
        raise _UnavailableError(_one_line(error)) from error


def _read_model(path: Path, robot: str, links: list[str]) -> dict[str, list[tuple[Vec3, Surface]]]:
    """Surfaces of the links of a menagerie model, one per color."""
    root = _parse(path)
    files = dict(_mesh_assets(root, path.parent.resolve()))
    colors = {m.get("name"): _vector(m.get("rgba"), 4, "rgba") for m in root.iter("material") if m.get("rgba")}
    bodies = {body.get("name"): body for body in root.iter("body")}
    model = {}
    for link in links:
        name = _MODELS[robot][2].get(link, link)
        body = bodies.get(name)
        geoms = [] if body is None else [g for g in body.findall("geom") if g.get("mesh") and _is_visual(g)]
        if not geoms:
            raise _UnavailableError(f"{path.name} has no visual meshes for the body {name!r}")
        parts: dict[Vec3, list[Surface]] = {}
        for geom in geoms:
            mesh = geom.get("mesh", "")
            if mesh not in files:
                raise _UnavailableError(f"{path.name} names no file for the mesh {mesh!r}")
            r, g, b, _ = _vector(geom.get("rgba"), 4, "rgba", colors.get(geom.get("material"), (1.0,) * 4))
            parts.setdefault((r, g, b), []).append(_place(_read_mesh(*files[mesh]), geom))
        model[link] = [
            (color, Surface(np.concatenate([s.vertices for s in some]), np.concatenate([s.normals for s in some])))
            for color, some in parts.items()
        ]
    return model


def _parse(path: Path) -> ET.Element:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _UnavailableError(f"the file {path.name} is missing or damaged") from None
    if "<!DOCTYPE" in text:
        raise _UnavailableError(f"{path.name} declares a DOCTYPE, which models do not need")
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        raise _UnavailableError(f"{path.name} is damaged: {error}") from None


def _mesh_assets(root: ET.Element, folder: Path) -> Iterator[tuple[str, tuple[Path, tuple[float, ...]]]]:
    """Mesh name to file, made sure to lie in the folder, and scale."""
    directory = ""
    for compiler in root.iter("compiler"):
        directory = compiler.get("meshdir", compiler.get("assetdir", directory))
    for mesh in root.iter("mesh"):
        file = mesh.get("file")
        if file is not None:
            path = (folder / directory / file).resolve()
            if not path.is_relative_to(folder):
                raise _UnavailableError(f"the mesh file {file!r} lies outside {folder.name}/")
            yield mesh.get("name") or Path(file).stem, (path, _vector(mesh.get("scale"), 3, "scale", (1.0,) * 3))


def _is_visual(geom: ET.Element) -> bool:
    return geom.get("class") == "visual" or geom.get("group") == "2"


def _read_mesh(path: Path, scale: tuple[float, ...]) -> Surface:
    """Decode one mesh file with MuJoCo's reader, which sees its bytes and no folder."""
    import mujoco

    if path.suffix.lower() not in _MESH_TYPES:
        raise _UnavailableError(f"the mesh file {path.name} is none of {', '.join(_MESH_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError:
        raise _UnavailableError(f"the mesh file {path.name} is missing") from None
    root = ET.Element("mujoco")
    # inertia="shell": surfaces that are not closed have no volume.
    size = " ".join(map(repr, scale))
    ET.SubElement(ET.SubElement(root, "asset"), "mesh", name="m", file=path.name, scale=size, inertia="shell")
    ET.SubElement(ET.SubElement(root, "worldbody"), "geom", type="mesh", mesh="m", contype="0", conaffinity="0")
    try:
        model = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"), {path.name: content})
    except (ValueError, mujoco.FatalError) as error:
        raise _UnavailableError(f"the mesh file {path.name} is damaged: {_one_line(error)}") from None
    if not np.isfinite(model.mesh_vert).all():
        raise _UnavailableError(f"the mesh file {path.name} is damaged: it has corners that are not finite")
    corners, smooth = model.mesh_vert[model.mesh_face], model.mesh_normal[model.mesh_facenormal]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, None]
    length = np.linalg.norm(flat, axis=-1, keepdims=True)
    # What MuJoCo makes up at sharp edges, for files that have no normals, may point anywhere.
    wrong = (smooth * flat).sum(axis=-1, keepdims=True) < 0.5 * length
    normals = np.where(wrong, flat / np.maximum(length, 1e-12), smooth)
    # MuJoCo moves a mesh to its center of mass and the geom the other way.
    turn = matrix_from_quat(model.geom_quat[0])
    return Surface(corners.reshape(-1, 3) @ turn.T + model.geom_pos[0], normals.reshape(-1, 3) @ turn.T)


def _place(surface: Surface, geom: ET.Element) -> Surface:
    """A surface in the frame of the body that carries the geom."""
    if geom.attrib.keys() & {"euler", "axisangle", "xyaxes", "zaxis"}:
        raise _UnavailableError("a visual geom is turned by something other than a quaternion")
    quat = np.array(_vector(geom.get("quat"), 4, "quat", (1.0, 0.0, 0.0, 0.0)))
    turn = matrix_from_quat(quat / max(float(np.linalg.norm(quat)), 1e-9))
    pos = np.array(_vector(geom.get("pos"), 3, "pos", (0.0, 0.0, 0.0)))
    vertices, normals = surface.vertices @ turn.T + pos, surface.normals @ turn.T
    return Surface(vertices.astype(np.float32), normals.astype(np.float32))


def _vector(text: str | None, size: int, what: str, default: tuple[float, ...] = ()) -> tuple[float, ...]:
    if text is None:
        return default
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError:
        values = ()
    if len(values) != size or not np.isfinite(values).all():
        raise _UnavailableError(f"{what}={text!r} is not {size} numbers")
    return values


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
