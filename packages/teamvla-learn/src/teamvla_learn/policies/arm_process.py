"""Decentralized execution with one process per arm.

Only the arm's own observation, inboxes, messages and actions are sent through the pipe between the processes.
"""

import multiprocessing
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from teamvla_envs.env.message_channel import MessageChannel

from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.decentralized import ArmController, check_team


class RemoteArm:
    """Proxy of an :class:`ArmController` at the far end of a pipe; its failures raise RuntimeError here.

    Attributes:
        rounds: Number of messages that the arm sends per control step.
    """

    def __init__(self, agent: str, pipe: Connection):
        self._agent, self._pipe = agent, pipe
        self.rounds: int = self._ask("rounds")

    def reset(self) -> None:
        """Begin a new episode."""
        self._ask("reset")

    def look(self, obs: Mapping[str, Any]) -> None:
        """Send the arm its observation."""
        self._ask("look", obs)

    def write(self) -> np.ndarray:
        """Return the message of the coming round, (W,) float32."""
        return self._ask("write")

    def read(self, inbox: np.ndarray, received: np.ndarray) -> None:
        """Send the arm its inbox (A-1, W) of this round, and the mask (A-1,) of received messages."""
        self._ask("read", inbox, received)

    def act(self) -> np.ndarray:
        """Return the arm's action, (D,) float32."""
        return self._ask("act")

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((name, arguments))
            answer, failure = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise RuntimeError(f"the process of {self._agent} has ended; its output shows the reason") from None
        if failure:
            raise RuntimeError(f"{self._agent} failed in {name}: {failure}")
        return answer


@contextmanager
def arm_processes(folder: Path, channel: MessageChannel) -> Generator[dict[str, RemoteArm]]:
    """Context manager that runs one process per arm of a team.

    The calling program needs ``if __name__ == "__main__":``, because every process imports its main module.

    Args:
        folder: Checkpoint folder of a ``MsgPassingVLA``, loaded by every process.
        channel: Message channel around the environment.

    Yields:
        Agent ``arm_k`` -> its proxy.

    Raises:
        UserError: When the folder is no such checkpoint, or environment or channel do not fit it.
        RuntimeError: When a process has ended.
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
    far.close()  # the pipe then ends with the process
    try:
        yield near
    finally:
        near.close()
        child.join(10)
        child.kill()


def serve_arm(folder: Path, arm: int, pipe: Connection) -> None:
    """Serve the controller of an arm of a checkpoint, at the far end of a pipe, until the pipe is closed."""
    import torch

    torch.set_num_threads(1)
    controller: ArmController | None = None
    with suppress(EOFError, ConnectionError):  # the pipe is closed
        while True:
            name, arguments = pipe.recv()
            try:
                controller = controller or ArmController(load_checkpoint(folder), arm)
                answer = getattr(controller, name)
                reply = answer(*arguments) if callable(answer) else answer, ""
            except Exception as error:
                reply = None, f"{type(error).__name__}: {error}"
            pipe.send(reply)
