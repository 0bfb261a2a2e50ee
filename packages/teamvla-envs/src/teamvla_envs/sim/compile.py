"""Compilation of a scene to a MuJoCo model through Newton, with a cache in the user's cache folder.

The stages are Scene, ``newton.ModelBuilder``, ``SolverMuJoCo``, MJCF, ``mujoco.MjModel``; a warm start reads the last
one and imports neither Newton nor Warp.
"""

import contextlib
import hashlib
import io
import logging
import os
import platform
import re
import tempfile
import time
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from teamvla_envs.scene import compose
from teamvla_envs.scene.compose import PHYSICS_DT, Scene, spell_out
from teamvla_envs.sim.warp_setup import WARP_LOCK, announce_if_slow, compiled_quickly, no_collection, prepare_warp

logger = logging.getLogger(__name__)

_PACKAGES = ("newton", "mujoco", "mujoco-warp", "warp-lang")


def cache_folder() -> Path:
    """Folder of compiled models: ``TEAMVLA_CACHE`` or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("TEAMVLA_CACHE") or platformdirs.user_cache_dir("teamvla")) / "models"


def cache_key(scene: Scene) -> str:
    """Hash of everything that the compiled model depends on: scene, compiling code, versions, processor."""
    code = [Path(file).read_text(encoding="utf-8") for file in (__file__, compose.__file__)]
    versions = [f"{package}={version(package)}" for package in _PACKAGES]
    pairs = repr(tuple((pair.first, pair.second) for pair in scene.contact_pairs))
    parts = [
        scene.xml,
        pairs,
        *code,
        *versions,
        platform.system(),
        platform.machine(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_compiled(scene: Scene) -> bool:
    """Whether the cache holds the complete model of a scene."""
    key = cache_key(scene)
    return _load(cache_folder() / f"{key}.mjb", key) is not None


def compile_scene(scene: Scene) -> Any:
    """Compile a scene, or read its model from the cache.

    Names of bodies, joints, geoms and tendons are those of the scene. For contact pair ``i`` there is a sensor
    ``contact_i`` of four numbers: contact count and net force [N].

    Args:
        scene: The scene.

    Returns:
        A ``mujoco.MjModel``.
    """
    key = cache_key(scene)
    path = cache_folder() / f"{key}.mjb"
    model = _load(path, key)
    if model is None:
        start = time.perf_counter()
        with announce_if_slow("TeamVLA: compiling the scene with Newton (once, about 10 s) …", delay=0.0):
            model = _compile(scene)
        logger.debug("compiled a scene in %.1f s", time.perf_counter() - start)
        _store(model, path, key)
    return model


def _load(path: Path, key: str) -> Any | None:
    """Cached model, ``None`` if it is missing, damaged or that of another key."""
    import mujoco

    try:
        blob = path.read_bytes()
    except OSError:
        return None
    digest, payload = blob[:32], blob[32:]
    if _checksum(key, payload) == digest:
        with contextlib.suppress(ValueError, mujoco.FatalError):
            return mujoco.MjModel.from_binary_path("model.mjb", {"model.mjb": payload})
    logger.warning("the compiled model %s is damaged and will be rebuilt", path)
    return None


def _checksum(key: str, payload: bytes) -> bytes:
    return hashlib.sha256(key.encode() + payload).digest()


def _store(model: Any, path: Path, key: str) -> None:
    """Write a cache entry atomically."""
    import mujoco
    import numpy as np

    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    payload = buffer.tobytes()
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            temporary = file.name
            file.write(_checksum(key, payload) + payload)
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("cannot keep the compiled model in %s, it will be compiled again: %s", path.parent, error)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def newton_builder(scene: Scene, *, visuals: bool) -> Any:
    """Make a ``newton.ModelBuilder`` of a scene.

    Args:
        scene: The scene.
        visuals: Whether to include the visual geoms, which physics does not need.
    """
    prepare_warp()
    import newton

    builder = newton.ModelBuilder()
    builder.rigid_gap = 0.0
    if not visuals:  # rendering needs no solver, whose import takes half a second
        from newton.solvers import SolverMuJoCo

        SolverMuJoCo.register_custom_attributes(builder)
    with warnings.catch_warnings():
        # Newton does not carry <flag midphase>; it is set on the compiled model.
        warnings.filterwarnings("ignore", message=".*unsupported attribute.*midphase.*")
        builder.add_mjcf(scene.xml, parse_visuals=visuals)
    return builder


def _compile(scene: Scene) -> Any:
    import mujoco

    prepare_warp()
    with WARP_LOCK, no_collection(), compiled_quickly():
        builder = newton_builder(scene, visuals=False)
        from newton.solvers import SolverMuJoCo

        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "scene.xml"
            SolverMuJoCo(builder.finalize(device="cpu"), use_mujoco_cpu=True, save_to_mjcf=str(path))
            text = path.read_text()
    source = mujoco.MjModel.from_xml_string(scene.xml)
    model = mujoco.MjModel.from_xml_string(_finish(text, scene, source))
    for field in ("iterations", "ls_iterations", "tolerance", "ls_tolerance", "ccd_iterations", "ccd_tolerance"):
        setattr(model.opt, field, getattr(source.opt, field))
    model.opt.timestep = PHYSICS_DT
    model.opt.disableflags = source.opt.disableflags
    return model


def _finish(text: str, scene: Scene, source: Any) -> str:
    """Add the scene's names, static bodies and contact sensors to Newton's MJCF."""
    root = ET.fromstring(spell_out(text))
    names = _scene_names(root, source)
    for element in root.iter():
        for key, value in element.items():
            element.set(key, names.get(value, value))
        if element.tag == "body" and element.get("mocap"):
            del element.attrib["mocap"]  # Newton moves static bodies as mocap bodies; here they are static again
        if element.tag == "joint":
            for key in ("actuatorfrcrange", "actuatorfrclimited"):  # Newton writes "no limit" as 1e6 N
                element.attrib.pop(key, None)
    sensors = ET.SubElement(root, "sensor")
    for i, pair in enumerate(scene.contact_pairs):
        ET.SubElement(
            sensors, "contact", name=f"contact_{i}", subtree1=pair.first, subtree2=pair.second, data="found force",
            reduce="netforce", num="1",
        )  # fmt: skip
    return ET.tostring(root, encoding="unicode")


def _scene_names(root: ET.Element, source: Any) -> dict[str, str]:
    """Newton's path-like names to those of the scene, e.g. ``teamvla_worldbody_bar_bar_joint`` to ``bar_joint``."""
    known = {
        "body": [source.body(i).name for i in range(1, source.nbody)],
        "geom": [name for i in range(source.ngeom) if (name := source.geom(i).name)],
        "joint": [source.joint(i).name for i in range(source.njnt)],
    }
    result = {}
    for tag, names in known.items():
        for element in root.iter(tag):
            full = element.get("name")
            if full is not None:
                label = re.sub(r"_\d+$", "", full) if tag == "geom" else full
                result[full] = scene_name(label, names)
    return result


def scene_name(label: str, names: Iterable[str]) -> str:
    """Name in the scene of an element that Newton labels with a path.

    Args:
        label: For example ``teamvla/worldbody/arm_1/base/arm_1/link1``, slashes possibly written as underscores.
        names: The names of the scene.

    Returns:
        The longest name that ends the label.

    Raises:
        RuntimeError: No name fits.
    """
    flat = "_" + label.replace("/", "_")
    matches = [name for name in names if flat.endswith("_" + name.replace("/", "_"))]
    if not matches:
        raise RuntimeError(f"Newton's {label!r} is not in the scene")
    return max(matches, key=len)
