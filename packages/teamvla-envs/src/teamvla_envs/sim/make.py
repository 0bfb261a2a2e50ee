"""Simulator and renderer of a device."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

from teamvla_envs.arguments import check_choice
from teamvla_envs.errors import UserError
from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.visual_meshes import Skin
from teamvla_envs.sim.cameras import CameraRenderer
from teamvla_envs.sim.host import HostSimulator
from teamvla_envs.sim.simulator import Simulator
from teamvla_envs.world import Array, ModelFields

SOLVERS = ("auto", "mujoco", "warp")


class BatchRenderer(Protocol):
    """Renderer of the cameras of some worlds; see :class:`CameraRenderer`."""

    def render(
        self,
        cameras: Sequence[str],
        height: int,
        width: int,
        body_pos: Array,
        body_quat: Array,
        fields: ModelFields,
        channel: str = "rgb",
    ) -> Array:
        """Render images, shape ``(n, cameras, height, width)``, rgb with a last axis of 3."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...


def choose_simulator(
    device: str,
    solver: str,
    num_threads: int | None,
    scene: Scene,
    body_names: tuple[str, ...],
    num_worlds: int,
    joint_names: tuple[str, ...],
) -> Simulator:
    """Make the simulator of a device: MuJoCo's threads on the CPU, mujoco_warp on CUDA or if the solver is ``"warp"``.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:<index>"``.
        solver: One of ``SOLVERS``.
        num_threads: Physics threads on the CPU; ``None`` for one per usable core.
        scene: Scene of every world.
        body_names: Free bodies whose poses the task reads.
        num_worlds: Number of worlds N.
        joint_names: Joints of props whose positions the task reads.

    Raises:
        UserError: There is no such device, or the solver does not run there.
    """
    if not isinstance(device, str) or not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UserError(f"device: got {device!r}, allowed are 'cpu', 'cuda' and 'cuda:0', 'cuda:1', …")
    check_choice("solver", solver, SOLVERS)
    if device == "cpu" and solver != "warp":
        return HostSimulator(scene, body_names, num_worlds, num_threads, joint_names)
    if solver == "mujoco":
        raise UserError(f"solver: 'mujoco' runs on 'cpu' alone, on device {device!r} allowed are 'auto' and 'warp'")
    if find_spec("torch") is None:
        raise UserError(f"device: {device!r} with solver {solver!r} needs torch: install teamvla-envs[device]")
    from teamvla_envs.sim.device import DeviceSimulator

    return DeviceSimulator(scene, body_names, num_worlds, device, joint_names)


def choose_renderer(simulator: Simulator, num_threads: int | None, skins: Sequence[Skin]) -> BatchRenderer:
    """Make the renderer that takes the arrays of a simulator; ``num_threads`` rendering threads on the CPU."""
    if isinstance(simulator, HostSimulator):
        return CameraRenderer(simulator.scene, simulator.template, num_threads, skins)
    from teamvla_envs.sim.device import DeviceSimulator
    from teamvla_envs.sim.device_cameras import DeviceCameraRenderer

    assert isinstance(simulator, DeviceSimulator)
    return DeviceCameraRenderer(simulator, skins)
