"""Warnings of MuJoCo and Warp are logged, unless the user has set a handler."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from teamvla_envs.sim.log_routing import WarpLogger

PUSH = """
import os, sys
import numpy as np
from teamvla_envs.env.vector import TeamVectorEnv
env = TeamVectorEnv("lift", 3, num_threads=2)
env.reset(seed=0)
env.push(1, "bar", [1e12, 0, 0])
print(env.step(np.zeros((3, 16)))[-1]["end_reason"].tolist())
"""


def test_no_file_appears_in_the_working_directory(run_python: Callable[..., str], tmp_path: Path):
    program = f"import os; os.chdir({str(tmp_path)!r})\n{PUSH}\nprint(os.listdir('.'))"
    assert run_python(program) == "['', 'unstable', '']\n[]"


def test_a_handler_of_the_user_stays(run_python: Callable[..., str]):
    handler = "import mujoco\nseen = []\nmujoco.set_mju_user_warning(seen.append)\n"
    assert run_python(f"{handler}{PUSH}\nprint(len(seen), 'huge value in QVEL' in seen[0])").endswith("1 True")


def test_a_warp_logger_of_the_user_stays(run_python: Callable[..., str]):
    program = """
import warp
from teamvla_envs.sim.log_routing import WarpLogger
from teamvla_envs.sim.warp_setup import prepare_warp
class Own(WarpLogger): pass
own = Own()
warp.set_logger(own)
prepare_warp()
print(warp.get_logger() is own)
"""
    assert run_python(program).endswith("True")


def test_messages_of_warp_have_the_level_of_their_kind(caplog: pytest.LogCaptureFixture):
    logger = WarpLogger()
    with caplog.at_level(logging.DEBUG, logger="teamvla_envs.warp"):
        logger.debug("a")
        logger.info("b")
        logger.warning("c")
        logger.warning("d", DeprecationWarning)
        logger.error("e")
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.DEBUG, logging.INFO, logging.WARNING, logging.DEBUG, logging.ERROR]
