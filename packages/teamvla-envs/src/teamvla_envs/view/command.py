"""``teamvla view``: shows an episode from all sides in the browser, or writes it for other programs."""

import importlib.util
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from teamvla_envs.errors import UserError
from teamvla_envs.ports import free_port
from teamvla_envs.web_address import WebAddress

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.view.clips import Clip

MAX_SEED = 2**31 - 1


def view(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK|FILE")],
    seed: int = 0,
    demo: str | None = None,
    num_arms: int | None = None,
    looks: str = "primitives",
    usd: Path | None = None,
    rerun: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    allowed_hosts: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = (),
) -> None:
    """Look at an episode from all sides in the browser, with a time slider; or write it as USD or for Rerun.

    Args:
        what: A task, whose expert is shown, or a demonstration file.
        seed: The expert's episode; another one can be chosen in the browser.
        demo: The demonstration, such as demo_3; by default the first. Another one can be chosen in the browser.
        num_arms: Arms of the task; by default the fewest.
        looks: Visual model of the arms: primitives or menagerie.
        usd: Write the episode into this file (.usd, .usda, .usdc) instead of serving it.
        rerun: Write the episode into this file (.rrd) instead of serving it.
        host: Address to listen on; by default only this machine can connect.
        port: Port to listen on; 0 takes one that is free.
        allowed_hosts: Further names under which browsers reach the page, NAME or NAME:PORT; requests to others are
            refused.
    """
    from teamvla_envs.view.exports import RERUN_SUFFIXES, USD_SUFFIXES, check_export, export_rerun, export_usd

    _checked_seed(seed)
    address = WebAddress(host, free_port(host, port), allowed_hosts)
    for argument, path, suffixes in (("usd", usd, USD_SUFFIXES), ("rerun", rerun, RERUN_SUFFIXES)):
        if path is not None:
            check_export(argument, path, suffixes)
    for package, needed in (("viser", usd is rerun is None), ("pxr", usd is not None), ("rerun", rerun is not None)):
        if needed and importlib.util.find_spec(package) is None:
            raise UserError("this needs another package: pip install 'teamvla-envs[view]'")
    with ExitStack() as stack:
        env, load, choices, first = _source(stack, what, seed, demo, num_arms, looks)
        if usd is None and rerun is None:
            _serve(env, load, choices, first, address)
            return
        clip = load(first)
        for path, export in ((usd, export_usd), (rerun, export_rerun)):
            if path is not None:
                export(env, clip, path)
                print(f"{len(clip)} moments, {(len(clip) - 1) * clip.dt:.1f} s in {path}")


def _checked_seed(seed: Any) -> int:
    if not isinstance(seed, (int, float)) or not 0 <= seed <= MAX_SEED or seed != int(seed):
        raise UserError(f"seed is {seed}, expected a whole number from 0 to {MAX_SEED}")
    return int(seed)


def _source(
    stack: ExitStack, what: str, seed: int, demo: str | None, num_arms: int | None, looks: str
) -> tuple["TeamVectorEnv", "Callable[[Any], Clip]", tuple[str, ...] | None, Any]:
    """The environment, the function that makes a clip of a choice, the choices (None: any seed), the first one."""
    from teamvla_envs.registration import get_task, registered_tasks
    from teamvla_envs.view.clips import demo_clip, expert_clip

    if what in registered_tasks():
        from gymnasium.vector import AutoresetMode

        from teamvla_envs.env.vector import TeamVectorEnv

        if demo is not None:
            raise UserError(f"demo is {demo}, but {what} is a task; give a demonstration file")
        arms = num_arms or get_task(what).arm_counts[0]
        live = TeamVectorEnv(what, num_arms=arms, autoreset_mode=AutoresetMode.DISABLED, looks=looks)
        env = stack.enter_context(closing(live))
        return env, lambda choice: expert_clip(env, _checked_seed(choice)), None, seed
    if not Path(what).exists():
        raise UserError(f"{what!r} is neither a task ({', '.join(registered_tasks())}) nor an existing file")
    from teamvla_envs.demos.reader import make_recorded_env, open_demos

    file = stack.enter_context(open_demos(what))
    first = file.demo(demo or file.names[0]).name
    recorded = make_recorded_env(file, 1, obs_mode="state", looks=looks)
    env = stack.enter_context(closing(recorded))
    return env, lambda choice: demo_clip(env, file.demo(str(choice))), tuple(file.names), first


def _serve(
    env: "TeamVectorEnv",
    load: "Callable[[Any], Clip]",
    choices: tuple[str, ...] | None,
    first: Any,
    address: WebAddress,
) -> None:
    from teamvla_envs.sim.warp_setup import prepare_warp
    from teamvla_envs.view.browser import Browser
    from teamvla_envs.view.server import make_viewer

    prepare_warp()
    viewer = make_viewer(address)
    browser = Browser(env, viewer, load, choices, first)
    print(f"TeamVLA viewer on {address.url} (Ctrl-C ends it)", flush=True)
    try:
        browser.run()
    finally:
        viewer.close()
