"""One process per arm: a controller at one end of a pipe, a stand-in for it at the other.

What crosses the pipe is the arm's own observation, its inboxes, its messages and its actions; nothing else.
"""

import multiprocessing
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.decentralized import ArmController


class RemoteArm:
    """Stands in for the :class:`ArmController` of another process; the same calls, the same results.

    Args:
        pipe: The near end.

    Attributes:
        rounds: Messages that the arm writes per control step.
    """

    def __init__(self, pipe: Connection):
        self._pipe = pipe
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
        self._pipe.send((name, arguments))
        return self._pipe.recv()


@contextmanager
def arm_processes(folder: Path, num_arms: int) -> Generator[dict[str, RemoteArm]]:
    """Start a process for every arm of a team, and end them on leaving.

    Args:
        folder: Checkpoint folder of a ``MsgPassingVLA``, which every process reads for itself.
        num_arms: Arms A of the team.

    Yields:
        Agent ``arm_k`` to its stand-in.

    Raises:
        EOFError: When a process ended; it printed why.
    """
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(num_arms)]
    children = [
        context.Process(target=serve_arm, args=(folder, arm, far), daemon=True) for arm, (_, far) in enumerate(pipes)
    ]
    try:
        for child, (_, far) in zip(children, pipes, strict=True):
            child.start()
            far.close()  # so that a process that ends also ends the pipe
        yield {f"arm_{arm}": RemoteArm(near) for arm, (near, _) in enumerate(pipes)}
    finally:
        for near, _ in pipes:
            near.close()
        for child in children:
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
    controller = ArmController(load_checkpoint(folder), arm)
    answers: dict[str, Callable[..., Any]] = {
        "rounds": lambda: controller.rounds,
        "reset": controller.reset,
        "look": controller.look,
        "write": controller.write,
        "read": controller.read,
        "act": controller.act,
    }
    while True:
        try:
            name, arguments = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        pipe.send(answers[name](*arguments))
