"""Messages between arms: a channel that drops and delays them and adds noise.

A message is ``width`` float32 numbers, broadcast to the other arms; each delivery is dropped or disturbed on its own.
The same :class:`MessageBus` serves the N worlds of a vector environment and the single world of
:class:`teamvla_envs.env.message_channel.MessageChannel`.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from teamvla_envs.arguments import (
    LARGEST_SEED,
    check_number,
    check_whole,
)
from teamvla_envs.errors import UserError

BYTES_PER_FLOAT = 4
MOST_NUMBERS, MOST_ROUNDS, MOST_STEPS = 2**20, 1000, 10_000  # in a message, in a control step, of delay
_STREAM = 0xC4A7  # keeps these draws apart from those that the environment makes with the same seed
_UNSEEDED = 0xC4A8


@dataclass(frozen=True)
class ChannelSettings:
    """Imperfections of a channel.

    Attributes:
        drop_rate: Probability that a message does not reach a receiver.
        delay: Control steps until a message arrives.
        noise: Standard deviation of Gaussian noise on every number; learned messages lie in [-1, 1].
        seed: Together with the seed of the episode it determines all draws.

    Raises:
        ValueError: If one is out of range.
    """

    drop_rate: float = 0.0
    delay: int = 0
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("drop_rate", self.drop_rate, 0, 1)
        check_number("noise", self.noise, 0)
        object.__setattr__(self, "delay", check_whole("delay", self.delay, 0, MOST_STEPS))
        object.__setattr__(self, "seed", check_whole("seed", self.seed, 0, LARGEST_SEED))


def others(num_arms: int) -> np.ndarray:
    """Senders of each inbox: the other arms in order, shape ``(A, A - 1)``."""
    return np.array([[j for j in range(num_arms) if j != k] for k in range(num_arms)], int).reshape(num_arms, -1)


class MessageBus:
    """Carries the messages of A arms in N worlds, ``rounds`` times in every control step.

    Args:
        settings: Imperfections of the channel.
        num_envs: Worlds N.
        num_arms: Arms A.
        width: Numbers in a message.
        rounds: Message rounds per control step.

    Attributes:
        sent: Messages that each arm sent since the reset, ``(N, A)``; a broadcast counts once.
        delivered: Messages that reached each arm since the reset, ``(N, A)``.
    """

    def __init__(self, settings: ChannelSettings, num_envs: int, num_arms: int, width: int, rounds: int = 1):
        check_whole("num_arms", num_arms)
        width, rounds = check_whole("width", width, 1, MOST_NUMBERS), check_whole("rounds", rounds, 1, MOST_ROUNDS)
        self.settings, self.width, self.rounds = settings, width, rounds
        self.sent = np.zeros((num_envs, num_arms), int)
        self.delivered = np.zeros((num_envs, num_arms), int)
        self._others = others(num_arms)
        self._generators = [np.random.default_rng((_UNSEEDED, settings.seed, world)) for world in range(num_envs)]
        empty = np.zeros((num_envs, num_arms, num_arms - 1, width), np.float32)
        nothing = np.zeros((num_envs, num_arms, num_arms - 1), bool)
        # What is under way, by round: the oldest first, one entry per control step of delay.
        self._under_way = [
            deque((empty.copy(), nothing.copy()) for _ in range(settings.delay)) for _ in range(self.rounds)
        ]
        self._round = 0

    def reset(self, mask: np.ndarray, seeds: np.ndarray) -> None:
        """Begin new episodes with an empty channel and zero counts.

        Args:
            mask: ``(N,)`` bool, worlds to reset.
            seeds: ``(N,)`` seeds of their episodes; -1 continues with the world's generator.
        """
        for world in np.flatnonzero(mask):
            if seeds[world] >= 0:
                self._generators[world] = np.random.default_rng((_STREAM, self.settings.seed, int(seeds[world])))
        for queue in self._under_way:
            for _, received in queue:
                received[mask] = False
        self.sent[mask] = self.delivered[mask] = 0
        self._round = 0

    def transmit(self, messages: np.ndarray, sent: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Carry one round of messages.

        Args:
            messages: ``(N, A, width)``, finite.
            sent: ``(N, A)`` bool, arms that send a message; None for all.

        Returns:
            Inboxes ``(N, A, A - 1, width)`` float32, zeros without a message, and the mask of received messages,
            ``(N, A, A - 1)`` bool; senders in order of their number. With a delay of d they are the messages of the
            same round d control steps ago.

        Raises:
            ValueError: If the messages have the wrong shape or are not finite.
            RuntimeError: If the control step has no rounds left.
        """
        worlds, arms = self.sent.shape
        if np.shape(messages) != (worlds, arms, self.width):
            raise UserError(f"messages have shape {np.shape(messages)}, expected {(worlds, arms, self.width)}")
        if not np.isfinite(messages).all():
            raise UserError("messages must be finite")
        if self._round >= self.rounds:
            raise RuntimeError(f"all {self.rounds} rounds of this control step are over: step before the next exchange")
        speaks = np.ones((worlds, arms), bool) if sent is None else sent
        self.sent += speaks
        inbox = np.asarray(messages, np.float32)[:, self._others]
        received = speaks[:, self._others] & ~self._drops()
        if self.settings.noise:
            inbox = inbox + (self.settings.noise * self._draw("standard_normal", inbox.shape[1:])).astype(np.float32)
        queue = self._under_way[self._round]
        queue.append((inbox, received))
        inbox, received = queue.popleft()
        self.delivered += received.sum(-1)
        self._round += 1
        return np.where(received[..., None], inbox, np.float32(0)), received

    def advance(self) -> None:
        """Advance to the next control step; unused rounds carry no messages."""
        worlds, arms = self.sent.shape
        while self._round < self.rounds:
            self.transmit(np.zeros((worlds, arms, self.width)), np.zeros((worlds, arms), bool))
        self._round = 0

    def _drops(self) -> np.ndarray:
        if not self.settings.drop_rate:
            return np.zeros((len(self.sent), *self._others.shape), bool)
        return self._draw("random", self._others.shape) < self.settings.drop_rate

    def _draw(self, distribution: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.stack([getattr(generator, distribution)(shape) for generator in self._generators])
