"""Scenes of Lift, and their models compiled by MuJoCo alone and through Newton."""

from collections.abc import Iterator
from pathlib import Path

import mujoco
import pytest
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.tasks.lift import Lift


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
