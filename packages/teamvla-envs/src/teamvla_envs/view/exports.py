"""A clip as a file: USD for Omniverse, Blender and others, or a Rerun recording."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamvla_envs.errors import UserError
from teamvla_envs.files import check_space, replacing
from teamvla_envs.sim.warp_setup import prepare_warp
from teamvla_envs.view.clips import Clip
from teamvla_envs.view.stage import Stage

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

USD_SUFFIXES = (".usd", ".usda", ".usdc")
RERUN_SUFFIXES = (".rrd",)


def check_export(argument: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise ``UserError`` unless a file of that name can be written."""
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{argument} is {path}, expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise UserError(f"{argument} is {path}, which is a folder; expected a file")


def export_usd(env: "TeamVectorEnv", clip: Clip, path: Path) -> None:
    """Write a USD stage with one time code per control step; a file that exists is replaced."""
    prepare_warp()
    from newton.viewer import ViewerUSD

    with _replacing(path) as temporary:
        _play(env, clip, ViewerUSD(str(temporary), fps=round(1 / clip.dt), num_frames=None))


def export_rerun(env: "TeamVectorEnv", clip: Clip, path: Path) -> None:
    """Write a Rerun recording with the timeline ``time``; a file that exists is replaced."""
    prepare_warp()
    from newton.viewer import ViewerRerun

    class ToFile(ViewerRerun):
        """Viewer that only writes a file: as in a notebook, it starts no server and opens no window."""

        is_jupyter_notebook = property(lambda self: True, lambda self, value: None)

    with _replacing(path) as temporary:
        _play(env, clip, ToFile(app_id="teamvla", keep_historical_data=True, record_to_rrd=str(temporary)))


@contextmanager
def _replacing(path: Path) -> Generator[Path]:
    """Yield a temporary path for a library that may silently write a partial file to a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        try:
            yield temporary
        finally:
            check_space(temporary)


def _play(env: "TeamVectorEnv", clip: Clip, viewer: Any) -> None:
    stage = Stage(env, viewer)
    stage.show(clip)
    for step in range(len(clip)):
        stage.go_to(clip, step, step * clip.dt)
    viewer.close()
