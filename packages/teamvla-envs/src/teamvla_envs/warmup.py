"""``teamvla warmup``: compiles scenes and kernels ahead of their first use."""

import time
from typing import TYPE_CHECKING, Annotated

import tyro

from teamvla_envs.errors import UserError
from teamvla_envs.registration import get_task, registered_tasks

if TYPE_CHECKING:
    from teamvla_envs.scene.compose import Scene

# Each channel has its own kernel, and so do large color images, which have shadows.
IMAGES = (("rgb", 64), ("rgb", 240), ("depth", 64), ("segmentation", 64))


def warmup(
    tasks: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[TASK ...]")] = (),
    num_arms: int = 2,
    robot: tuple[str, ...] = ("panda",),
    images: bool = True,
) -> int:
    """Compile scenes and camera kernels ahead of time.

    Args:
        tasks: Names of the tasks; by default all.
        num_arms: Number of arms.
        robot: One robot for all arms, or one per arm.
        images: Also the kernels that render images.

    Returns:
        0, or 1 if a result could not be cached for the next start.
    """
    if len(robot) not in (1, num_arms):
        raise UserError(f"robot: got {len(robot)} names for {num_arms} arms, give one or one per arm")
    team = robot * num_arms if len(robot) == 1 else robot
    scenes = {task: get_task(task)(num_arms=num_arms).scene(team) for task in tasks or registered_tasks()}
    began = time.perf_counter()
    kept = [_compile(f"{task} with {' + '.join(team)}", scene) for task, scene in scenes.items()]
    new = sum(kept_now for kept_now, _ in kept)
    if images:
        new += _render(next(iter(scenes.values())))
    if not all(there for _, there in kept):
        print("something could not be kept and will be compiled again at the next start")
        return 1
    print(f"compiled in {time.perf_counter() - began:.1f} s" if new else "all is there")
    return 0


def _compile(name: str, scene: "Scene") -> tuple[bool, bool]:
    """Compile a scene; returns whether that was necessary and whether it is cached now."""
    from teamvla_envs.sim.compile import compile_scene, is_compiled

    if is_compiled(scene):
        print(f"{name}: there")
        return False, True
    began = time.perf_counter()
    compile_scene(scene)
    print(f"{name}: compiled in {time.perf_counter() - began:.1f} s", flush=True)
    return True, is_compiled(scene)


def _render(scene: "Scene") -> int:
    """Render one image of each kind; returns the number of kernel modules that were compiled."""
    import mujoco

    from teamvla_envs.sim.cameras import CameraRenderer
    from teamvla_envs.sim.compile import compile_scene
    from teamvla_envs.sim.warp_setup import compiled_modules, prepare_warp

    model = compile_scene(scene)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    prepare_warp()
    began, before = time.perf_counter(), compiled_modules()
    renderer = CameraRenderer(scene, model, num_threads=1)
    for channel, size in IMAGES:
        renderer.render((scene.cameras[0].name,), size, size, data.xpos[None], data.xquat[None], {}, channel)
    renderer.close()
    new = compiled_modules() - before
    print(f"images: {f'compiled in {time.perf_counter() - began:.1f} s' if new else 'there'}")
    return new
