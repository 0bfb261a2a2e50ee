"""Meshes that MuJoCo Menagerie has for our robots, shown by cameras in place of primitives; physics ignores them.

Of a menagerie model only the visual geoms are read: mesh file, pose and color, link by link. Mesh files must lie in
the model's folder and are decoded from memory, so that nothing else in that folder is opened.
"""

import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.geometry import matrix_from_quat
from teamvla_envs.scene.compose import ARM_COLORS, Scene
from teamvla_envs.scene.props import COLLIDER_GROUP, Vec3
from teamvla_envs.scene.robots.spec import RobotSpec, VisualModel

LOOKS = ("primitives", "menagerie")
FOLDER_VARIABLE = "TEAMVLA_MENAGERIE"
_VISUAL_GROUP = 2  # of geoms, in menagerie's models
# Elements that open further files, and numbers that are not finite.
_REFUSED = {
    r"<!DOCTYPE": "a DOCTYPE",
    r"<(include|model|attach|plugin)\b": "other files",
    r"\b(nan|inf)\b": "nan or inf",
}
_UNSET = (0.5, 0.5, 0.5, 1.0)  # color of a geom that states none
_MESH_TYPES = (".obj", ".stl")
_WHITE = 0.7  # parts this bright, in all three channels, take the arm's tint on links that are tinted


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles without shared corners.

    Attributes:
        vertices: Three corners of each triangle, in the frame of the link, shape ``(3F, 3)`` float32 [m].
        normals: Unit normals at the corners, shape ``(3F, 3)`` float32.
    """

    vertices: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class Skin:
    """Surface that a body shows in place of its primitives; a body can have several, one per color.

    Attributes:
        body: Name of the body in the scene.
        color: Red, green and blue in [0, 1], as in MJCF.
        surface: The surface, shared by all arms of one kind.
    """

    body: str
    color: Vec3
    surface: Surface


class _UnavailableError(Exception):
    """Meshes are not available; the message gives the reason in a few words."""


def load_skins(scene: Scene, looks: str) -> tuple[Skin, ...]:
    """Skins of a scene's arms; robots without a menagerie model keep their primitives.

    Args:
        scene: The scene, which stays as it is.
        looks: ``"primitives"`` (no skins) or ``"menagerie"``: from the folder that ``TEAMVLA_MENAGERIE`` names, else
            through the package ``mujoco-menagerie``, which downloads a robot's meshes once.

    Raises:
        UserError: The meshes are not available; names the reason, and the file if one is missing or damaged.
    """
    if looks == "primitives":
        return ()
    models: dict[str, dict[str, list[tuple[Vec3, Surface]]]] = {}
    skins = []
    for k, robot in enumerate(scene.robots):
        if (source := robot.visual_model) is None:
            continue
        links, tint = _links(robot), list(ARM_COLORS.values())[k % len(ARM_COLORS)]
        if robot.name not in models:
            try:
                models[robot.name] = _read_model(_find_folder(source.folder) / source.file, source, list(links))
            except _UnavailableError as reason:
                raise UserError(
                    f"looks: 'menagerie' needs the meshes of {robot.name!r}: pip install 'teamvla-envs[menagerie]' "
                    f"and a network, or set {FOLDER_VARIABLE} to a folder that holds {source.folder}/ "
                    f"(reason: {reason})"
                ) from None
        for link, tinted in links.items():
            for color, surface in models[robot.name][link]:
                bright = min(color) > _WHITE
                skins.append(Skin(f"arm_{k}/{link}", tint[:3] if tinted and bright else color, surface))
    return tuple(skins)


def _links(robot: RobotSpec) -> dict[str, bool]:
    """Bodies of a robot that have visual geoms, and whether one of these takes the tint of the arm."""
    import mujoco

    links = {}
    for body in mujoco.MjSpec.from_file(str(robot.mjcf)).bodies:
        visuals = [geom for geom in body.geoms if int(geom.group) != COLLIDER_GROUP]
        if visuals:
            links[body.name] = any(geom.material == robot.tint_material for geom in visuals)
    return links


def _find_folder(model: str) -> Path:
    """Folder of a menagerie model on this machine."""
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


def _read_model(path: Path, source: VisualModel, links: list[str]) -> dict[str, list[tuple[Vec3, Surface]]]:
    """Surfaces of the links of a menagerie model, one per color."""
    spec = _parse(path)
    folder = path.parent.resolve()
    meshes = {mesh.name: mesh for mesh in spec.meshes}
    colors = {material.name: material.rgba for material in spec.materials}
    model = {}
    for link in links:
        name = source.bodies.get(link, link)
        body = spec.body(name)
        geoms = [] if body is None else [g for g in body.geoms if g.meshname and int(g.group) == _VISUAL_GROUP]
        if not geoms:
            raise _UnavailableError(f"{path.name} has no visual meshes for the body {name!r}")
        parts: dict[Vec3, list[Surface]] = {}
        for geom in geoms:
            if geom.meshname not in meshes:
                raise _UnavailableError(f"{path.name} names no file for the mesh {geom.meshname!r}")
            mesh = meshes[geom.meshname]
            file = (folder / spec.meshdir / mesh.file).resolve()
            if not file.is_relative_to(folder):
                raise _UnavailableError(f"the mesh file {mesh.file!r} lies outside {folder.name}/")
            rgba = geom.rgba if tuple(geom.rgba) != _UNSET else colors.get(geom.material, geom.rgba)
            r, g, b = (round(float(c), 6) for c in rgba[:3])
            parts.setdefault((r, g, b), []).append(_place(_read_mesh(file, mesh.scale), geom))
        model[link] = [
            (color, Surface(np.concatenate([s.vertices for s in some]), np.concatenate([s.normals for s in some])))
            for color, some in parts.items()
        ]
    return model


def _parse(path: Path) -> Any:
    """Parse a model without opening any other file."""
    import mujoco

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _UnavailableError(f"the file {path.name} is missing or damaged") from None
    for pattern, what in _REFUSED.items():
        if re.search(pattern, text, re.IGNORECASE):
            raise _UnavailableError(f"{path.name} contains {what}, which models do not need")
    try:
        return mujoco.MjSpec.from_string(text)
    except (ValueError, mujoco.FatalError) as error:
        raise _UnavailableError(f"{path.name} is damaged: {_one_line(error)}") from None


def _read_mesh(path: Path, scale: np.ndarray) -> Surface:
    """Decode one mesh file with MuJoCo's reader, which gets its bytes and opens no folder.

    Args:
        path: The file.
        scale: Factor along each axis, shape ``(3,)``.
    """
    import mujoco

    if path.suffix.lower() not in _MESH_TYPES:
        raise _UnavailableError(f"the mesh file {path.name} is none of {', '.join(_MESH_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError:
        raise _UnavailableError(f"the mesh file {path.name} is missing") from None
    spec = mujoco.MjSpec()
    # Shell: surfaces that are not closed have no volume.
    spec.add_mesh(name="m", file=path.name, scale=scale, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="m", contype=0, conaffinity=0)
    spec.assets = {path.name: content}
    try:
        model = spec.compile()
    except (ValueError, mujoco.FatalError) as error:
        raise _UnavailableError(f"the mesh file {path.name} is damaged: {_one_line(error)}") from None
    if not np.isfinite(model.mesh_vert).all():
        raise _UnavailableError(f"the mesh file {path.name} is damaged: it has corners that are not finite")
    corners, smooth = model.mesh_vert[model.mesh_face], model.mesh_normal[model.mesh_facenormal]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, None]
    length = np.linalg.norm(flat, axis=-1, keepdims=True)
    # For files without normals MuJoCo's own may point anywhere at sharp edges.
    wrong = (smooth * flat).sum(axis=-1, keepdims=True) < 0.5 * length
    normals = np.where(wrong, flat / np.maximum(length, 1e-12), smooth)
    # MuJoCo moves a mesh to its center of mass and the geom the other way.
    turn = matrix_from_quat(model.geom_quat[0])
    return Surface(corners.reshape(-1, 3) @ turn.T + model.geom_pos[0], normals.reshape(-1, 3) @ turn.T)


def _place(surface: Surface, geom: Any) -> Surface:
    """Surface in the frame of the body that carries the geom."""
    import mujoco

    if int(geom.alt.type) != int(mujoco.mjtOrientation.mjORIENTATION_QUAT):
        raise _UnavailableError("a visual geom is turned by something other than a quaternion")
    turn = matrix_from_quat(geom.quat / max(float(np.linalg.norm(geom.quat)), 1e-9))
    vertices, normals = surface.vertices @ turn.T + geom.pos, surface.normals @ turn.T
    return Surface(vertices.astype(np.float32), normals.astype(np.float32))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
