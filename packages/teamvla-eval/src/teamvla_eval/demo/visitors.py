"""The web server's side of every visitor: who is here, who finds all places taken, who has left."""

import contextlib
import threading
import time
from collections.abc import Generator
from multiprocessing import connection
from typing import Any, Protocol

from teamvla_eval.demo.protocol import Choice, Ended, Frame, Freeze, Look, Push, Refused, Run, Scene, Stop

_CLOSED = (EOFError, OSError, TypeError)  # what reading raises; the last if this side is closed during it
_PATIENCE = 60.0  # [s] for an earlier request of the same visitor to finish
GONE = Refused("the simulator has ended; the operator has to start the demo again")
BUSY = Refused("your last request is still being worked on; try again in a moment")


class Simulator(Protocol):
    """What visitors are connected to."""

    def connect(self) -> "connection.Connection[Any, Any]":
        """Open a visitor's connection; ConnectionError if that is not possible."""
        ...


class Visitor:
    """One visitor's connection to the simulator. What is asked of it twice at once is done one after the other.

    Args:
        pipe: The connection.

    Attributes:
        last_seen: When the visitor last did something, in monotonic time [s].
        has_run: Whether a run was asked for.
    """

    def __init__(self, pipe: "connection.Connection[Any, Any]"):
        self._pipe = pipe
        self._asking, self._sending = threading.Lock(), threading.Lock()
        self._unanswered: set[object] = set()
        self.last_seen, self.has_run = time.monotonic(), False

    def look(self, choice: Choice) -> Scene | Refused:
        """Show a scene; what runs is stopped."""
        *_, answer = self._ask(Look(choice))
        return answer

    def run(self, run: Run) -> Generator[Frame | Ended | Refused]:
        """Let policies act; what runs is stopped. The last answer is no :class:`Frame`."""
        self.has_run = True
        return self._ask(run)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._unanswered)

    def tell(self, word: Push | Freeze | Stop) -> None:
        """Do something to what runs."""
        self.last_seen = time.monotonic()
        try:
            with self._sending:
                self._pipe.send(word)
        except _CLOSED:
            pass  # whoever reads the answers finds out

    def close(self) -> None:
        """Leave."""
        self._pipe.close()

    def _ask(self, request: Look | Run) -> Generator[Any]:
        token = object()
        self._unanswered.add(token)
        try:
            with contextlib.closing(self._answers(request)) as answers:
                for answer in answers:
                    if not isinstance(answer, Frame):
                        self._unanswered.discard(token)
                    yield answer
        finally:
            self._unanswered.discard(token)

    def _answers(self, request: Look | Run) -> Generator[Any]:
        self.tell(Stop())
        if not self._asking.acquire(timeout=_PATIENCE):
            yield BUSY
            return
        waiting = False
        try:
            with self._sending:
                self._pipe.send(request)
            waiting = True
            while waiting:
                answer = self._pipe.recv()
                self.last_seen = time.monotonic()
                waiting = isinstance(answer, Frame)
                yield answer
        except _CLOSED:
            waiting = False
            yield GONE
        finally:
            if waiting:  # nobody reads on: the page was closed
                self.tell(Stop())
                self._drain()
            self._asking.release()

    def _drain(self) -> None:
        try:
            while isinstance(self._pipe.recv(), Frame):
                pass
        except _CLOSED:
            pass


class NoPlaceError(Exception):
    """More visitors than the operator allows."""


class Visitors:
    """Everybody who is here, by the session of their page.

    Args:
        simulator: What they are connected to.
        places: How many may be here at once.
        idle_s: A visitor who did nothing for so long loses the place [s]; the next click takes one again.
    """

    def __init__(self, simulator: Simulator, places: int, idle_s: float):
        self._simulator, self._places, self._idle_s = simulator, places, idle_s
        self._here: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._here)

    def get(self, session: str) -> Visitor:
        """The visitor of a session, who takes a place if need be.

        Raises:
            NoPlaceError: If there is none.
            ConnectionError: If the simulator has ended.
        """
        with self._lock:
            self._leave_idle()
            if session not in self._here:
                if len(self._here) >= self._places:
                    raise NoPlaceError
                self._here[session] = Visitor(self._simulator.connect())
            visitor = self._here[session]
            visitor.last_seen = time.monotonic()
            return visitor

    def find(self, session: str) -> Visitor | None:
        """The visitor of a session who has a place."""
        return self._here.get(session)

    def leave(self, session: str) -> None:
        """Give a visitor's place away."""
        with self._lock:
            visitor = self._here.pop(session, None)
        if visitor is not None:
            visitor.close()

    def leave_idle(self) -> None:
        """Give the places of those away who did nothing for too long."""
        with self._lock:
            self._leave_idle()

    def _leave_idle(self) -> None:
        latest = time.monotonic() - self._idle_s
        for session in [session for session, visitor in self._here.items() if visitor.last_seen < latest]:
            self._here.pop(session).close()
