"""Visitors of the web server: their connections, places and idle times."""

import contextlib
import threading
import time
from collections.abc import Generator
from multiprocessing import connection
from typing import Any, Protocol

from teamvla_eval.demo.protocol import Choice, Ended, Frame, Freeze, Look, Push, Refused, Run, Scene, Stop

_CLOSED = (EOFError, OSError, TypeError)  # raised by reading; TypeError if this side is closed meanwhile
_PATIENCE = 60.0  # [s] for an earlier request of the same visitor to finish
GONE = Refused("the simulator has ended; the operator has to start the demo again")
BUSY = Refused("your last request is still running; try again in a moment")


class Simulator(Protocol):
    """Simulator that visitors are connected to."""

    def connect(self) -> "connection.Connection[Any, Any]":
        """Open the connection of a visitor; ConnectionError if the simulator has ended."""
        ...


class Visitor:
    """Connection of one visitor to the simulator; concurrent requests are executed one after another.

    Args:
        pipe: The connection.

    Attributes:
        last_seen: Time of the last activity, monotonic [s].
        has_run: Whether a run was requested.
    """

    def __init__(self, pipe: "connection.Connection[Any, Any]"):
        self._pipe = pipe
        self._asking, self._sending = threading.Lock(), threading.Lock()
        self._unanswered: set[object] = set()
        self.last_seen, self.has_run = time.monotonic(), False

    def look(self, choice: Choice) -> Scene | Refused:
        """Show a scene; a running episode is stopped."""
        *_, answer = self._ask(Look(choice))
        return answer

    def run(self, run: Run) -> Generator[Frame | Ended | Refused]:
        """Let policies act; a running episode is stopped. The last answer is not a :class:`Frame`."""
        self.has_run = True
        return self._ask(run)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._unanswered)

    def send(self, command: Push | Freeze | Stop) -> None:
        """Send a command to the running episode."""
        self.last_seen = time.monotonic()
        try:
            with self._sending:
                self._pipe.send(command)
        except _CLOSED:
            pass  # the reader of the answers notices

    def close(self) -> None:
        """Close the connection."""
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
        self.send(Stop())
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
            if waiting:  # the page was closed
                self.send(Stop())
                self._drain()
            self._asking.release()

    def _drain(self) -> None:
        try:
            while isinstance(self._pipe.recv(), Frame):
                pass
        except _CLOSED:
            pass


class NoPlaceError(Exception):
    """Raised when all places are taken."""


class Visitors:
    """Connected visitors by the session of their page.

    Args:
        simulator: Simulator that they are connected to.
        places: Largest number of visitors.
        idle_s: Idle time after which a visitor loses the place [s]; the next click takes one again.
    """

    def __init__(self, simulator: Simulator, places: int, idle_s: float):
        self._simulator, self._places, self._idle_s = simulator, places, idle_s
        self._here: dict[str, Visitor] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._here)

    def get(self, session: str) -> Visitor:
        """Visitor of a session; a new visitor takes a place.

        Raises:
            NoPlaceError: If all places are taken.
            ConnectionError: If the simulator has ended.
        """
        with self._lock:
            self.leave_idle()
            if session not in self._here:
                if len(self._here) >= self._places:
                    raise NoPlaceError
                self._here[session] = Visitor(self._simulator.connect())
            visitor = self._here[session]
            visitor.last_seen = time.monotonic()
            return visitor

    def find(self, session: str) -> Visitor | None:
        """Visitor of a session, if it has a place."""
        return self._here.get(session)

    def leave(self, session: str) -> None:
        """Free the place of a visitor."""
        with self._lock:
            visitor = self._here.pop(session, None)
        if visitor is not None:
            visitor.close()

    def leave_idle(self) -> None:
        """Free the places of idle visitors."""
        latest = time.monotonic() - self._idle_s
        with self._lock:
            for session in [session for session, visitor in self._here.items() if visitor.last_seen < latest]:
                self._here.pop(session).close()
