"""One process per arm: a controller at one end of a pipe, a stand-in for it at the other.

What crosses the pipe is the arm's own observation, its inboxes, its messages and its actions; nothing else.
"""

import multiprocessing
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from teamvla_envs.env.message_channel import MessageChannel

from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.decentralized import ArmController, check_team


class RemoteArm:
    """Stands in for the :class:`ArmController` of another process; the same calls, the same results.

    What fails over there is a RuntimeError here that names the arm.

    Args:
        agent: Name of the arm.
        pipe: The near end.

    Attributes:
        rounds: Messages that the arm writes per control step.
    """

    def __init__(self, agent: str, pipe: Connection):
        self._agent, self._pipe = agent, pipe
        self.rounds: int = self._ask("rounds")

    def reset(self) -> None:
        """Tell the arm that a new episode begins."""
        self._ask("reset")

    def look(self, obs: Mapping[str, Any]) -> None:
        """Send the arm its own observation."""
        self._ask("look", obs)

    def write(self) -> np.ndarray:
        """Return the message of the coming round, (W,) float32."""
        return self._ask("write")

    def read(self, inbox: np.ndarray, received: np.ndarray) -> None:
        """Send the arm its inbox of this round."""
        self._ask("read", inbox, received)

    def act(self) -> np.ndarray:
        """Return the arm's action, (D,) float32."""
        return self._ask("act")

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((name, arguments))
            answer, failure = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise RuntimeError(f"the process of {self._agent} has ended; it printed why") from None
        if failure:
            raise RuntimeError(f"{self._agent} failed in {name}: {failure}")
        return answer


@contextmanager
def arm_processes(folder: Path, channel: MessageChannel) -> Generator[dict[str, RemoteArm]]:
    """Start a process for every arm of a team, and end them on leaving.

    A program that calls it needs ``if __name__ == "__main__":``, because every process imports its main module.

    Args:
        folder: Checkpoint folder of a ``MsgPassingVLA``, which every process reads for itself.
        channel: What carries the arms' messages, around the environment that they act in.

    Yields:
        Agent ``arm_k`` to its stand-in.

    Raises:
        UserError: When the folder is no such checkpoint, or environment or channel do not fit it; nothing is started.
        RuntimeError: When a process ended.
    """
    check_team(load_checkpoint(folder), channel)
    with ExitStack() as started:
        pipes = [started.enter_context(_arm_process(folder, arm)) for arm in range(len(channel.possible_agents))]
        yield {f"arm_{arm}": RemoteArm(f"arm_{arm}", pipe) for arm, pipe in enumerate(pipes)}


@contextmanager
def _arm_process(folder: Path, arm: int) -> Generator[Connection]:
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    child = context.Process(target=serve_arm, args=(folder, arm, far), daemon=True)
    child.start()
    far.close()  # so that a process that ends also ends the pipe
    try:
        yield near
    finally:
        near.close()
        child.join(10)
        child.kill()


def serve_arm(folder: Path, arm: int, pipe: Connection) -> None:
    """Run an arm's controller until the pipe ends.

    Args:
        folder: Checkpoint folder.
        arm: Number of the arm.
        pipe: The far end.
    """
    import torch

    torch.set_num_threads(1)
    answers: dict[str, Callable[..., Any]] = {}
    with suppress(EOFError, ConnectionError):  # the pipe has ended
        while True:
            name, arguments = pipe.recv()
            try:
                answers = answers or _answers(ArmController(load_checkpoint(folder), arm))
                reply = answers[name](*arguments), ""
            except Exception as error:
                reply = None, f"{type(error).__name__}: {error}"
            pipe.send(reply)


def _answers(controller: ArmController) -> dict[str, Callable[..., Any]]:
    return {
        "rounds": lambda: controller.rounds,
        "reset": controller.reset,
        "look": controller.look,
        "write": controller.write,
        "read": controller.read,
        "act": controller.act,
    }
