"""``teamvla demo``: web demo with typed instructions."""

import importlib.util
from pathlib import Path
from typing import Annotated

import tyro
from teamvla_envs.errors import UserError
from teamvla_envs.ports import free_port
from teamvla_envs.web_address import WebAddress

from teamvla_eval.demo.protocol import Choice
from teamvla_eval.demo.settings import MAX_SEED, DemoSettings, offered


def demo(
    policy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC [SPEC ...]")] = (),
    checkpoints: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FOLDER [FOLDER ...]")] = (),
    task: str = "lift",
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 7860,
    allowed_hosts: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = (),
    max_visitors: int = 8,
    idle_s: float = 300.0,
    max_run_s: float = 120.0,
    height: int = 236,
) -> None:
    """Type an instruction in the browser and watch a team of arms execute it.

    Args:
        policy: Policies that visitors can choose: expert, random, zero, baseline:NAME, a checkpoint folder; the first
            is chosen at the start. By default the expert, all baselines, random and zero.
        checkpoints: Folders in which visitors may name any checkpoint folder.
        task: The task that is shown at the start.
        seed: The episode that is shown at the start.
        host: Address to listen on; by default only this machine can connect.
        port: Port to listen on; 0 takes one that is free.
        allowed_hosts: Further names under which browsers reach the page, NAME or NAME:PORT, such as that of a proxy;
            requests to others are refused.
        max_visitors: Visitors that are served at once; further ones are asked to come back.
        idle_s: Time without a click after which a visitor's place becomes free [s].
        max_run_s: Time after which a run is stopped [s].
        height: Height of the moving image [px]; from 240 on it has shadows and takes much longer.
    """
    from teamvla_envs.policies import PolicySpec
    from teamvla_envs.registration import get_task, registered_tasks

    if importlib.util.find_spec("gradio") is None:
        raise UserError("the demo needs gradio: pip install 'teamvla-eval[demo]'")
    if task not in registered_tasks():
        raise UserError(f"task is {task!r}, allowed are {', '.join(registered_tasks())}")
    if not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed is {seed}, expected 0 to {MAX_SEED}")
    policy = policy or offered()
    for spec in policy:
        PolicySpec.parse(spec).check()
    address = WebAddress(host, free_port(host, port), allowed_hosts)
    settings = DemoSettings(policy, checkpoints, max_visitors, idle_s, max_run_s, height)
    first = Choice(task, get_task(task).arm_counts[0], seed, policy[:1])
    from teamvla_eval.demo.server import serve

    serve(settings, first, address)
