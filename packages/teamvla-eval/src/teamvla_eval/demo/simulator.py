"""Simulation process: every visitor is served by a thread with its own environments.

A separate process lets the web server start at the same time and stay responsive. Visitors share only the CPU; the
environments of a visitor are closed with the connection.
"""

import contextlib
import logging
import shutil
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import AuthenticationError, connection, current_process, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamvla_envs.cli import one_line

from teamvla_eval.demo.instructions import cleaned, goal_of, hint, instructions_of_goals, nearest
from teamvla_eval.demo.protocol import Choice, Ended, Frame, Freeze, Look, Push, Refused, Run, Scene, Stop
from teamvla_eval.demo.settings import MAX_PUSHES, DemoSettings

if TYPE_CHECKING:
    from teamvla_eval.demo.live import LiveEpisode

STRIDE = 2  # control steps per frame
STILL_HEIGHTS = (540, 360)  # [px] of the still image with one policy and with two, as large as on the page
_log = logging.getLogger(__name__)
# Environments are made one at a time: loading Newton redirects the standard error of the process.
_starting = threading.Lock()


class SimulatorProcess:
    """Handle of the simulation process in the web server.

    Args:
        settings: Settings of the operator.
        first: Choice shown at the start; it is prepared immediately.
        folder: Folder of the visitors' files, with a folder per visitor.
    """

    def __init__(self, settings: DemoSettings, first: Choice, folder: Path):
        context = get_context("spawn")
        self._ready, started = context.Pipe(duplex=False)
        # A daemon ends with this process.
        self._process = context.Process(target=_serve, args=(started, settings, first, folder), daemon=True)
        self._process.start()
        started.close()
        self._address: str | None = None
        self._lock = threading.Lock()

    def connect(self) -> "connection.Connection[Any, Any]":
        """Open the connection of a visitor.

        Raises:
            ConnectionError: If the process has ended.
        """
        with self._lock:
            if self._address is None:
                try:
                    self._address = self._ready.recv()
                except EOFError:
                    raise ConnectionError("the simulator did not start") from None
        try:
            return connection.Client(self._address, authkey=bytes(current_process().authkey))
        except OSError as error:
            raise ConnectionError("the simulator has ended") from error

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join(5)


def _serve(started: Any, settings: DemoSettings, first: Choice, folder: Path) -> None:
    """Serve visitors until the process of the web server ends or terminates this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = parent_process()
    assert server is not None
    listener = connection.Listener(authkey=bytes(current_process().authkey))
    started.send(listener.address)
    started.close()
    threading.Thread(target=_warm_up, args=(first,), daemon=True).start()
    threading.Thread(target=_accept, args=(listener, settings, folder), daemon=True).start()
    server.join()


def _accept(listener: connection.Listener, settings: DemoSettings, folder: Path) -> None:
    while True:
        with contextlib.suppress(AuthenticationError, OSError):
            visitor = _Visitor(listener.accept(), settings, Path(tempfile.mkdtemp(dir=folder)))
            threading.Thread(target=visitor.serve, daemon=True).start()


def _warm_up(first: Choice) -> None:
    """Load the modules and models of the first image."""
    from teamvla_eval.demo.live import LiveEpisode

    with _starting:
        live = LiveEpisode(first.policies[0], first.task, first.num_arms)
        live.begin(first.seed, None, "")
        live.view(64)
        live.close()


class _Visitor:
    """Server of one connection.

    Args:
        pipe: The connection.
        settings: Settings of the operator.
        folder: Folder of this visitor's files.
    """

    def __init__(self, pipe: "connection.Connection[Any, Any]", settings: DemoSettings, folder: Path):
        self._pipe, self._settings, self._folder = pipe, settings, folder
        self._lives: tuple[LiveEpisode, ...] = ()
        self._made_for: tuple[Any, ...] = ()
        self._frozen: tuple[int, ...] = ()
        self._note, self._suggestion = "", ""
        self._runs = 0

    def serve(self) -> None:
        """Answer requests until the visitor leaves."""
        try:
            while True:
                request = self._pipe.recv()
                if isinstance(request, Freeze):
                    self._frozen = request.arms
                elif isinstance(request, (Look, Run)):
                    self._answer(request)
        except (EOFError, OSError):
            pass
        finally:
            self._close()
            self._pipe.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self, request: Look | Run) -> None:
        try:
            answer = self._look(request.choice) if isinstance(request, Look) else self._run(request)
        except (EOFError, OSError):
            raise
        except ValueError as error:  # invalid choices
            answer = Refused(one_line(error))
        except Exception:
            _log.exception("the demo failed at %s", request)
            self._close()
            answer = Refused("internal error of the simulator; details are in the log of the operator")
        self._pipe.send(answer)

    def _prepare(self, choice: Choice) -> None:
        """Make the environments of a choice, unless they exist."""
        made_for = (choice.task, choice.num_arms, choice.policies)
        if made_for == self._made_for:
            return
        self._close()
        from teamvla_eval.demo.live import LiveEpisode

        with _starting:
            lives: list[LiveEpisode] = []
            self._lives = ()
            for spec in choice.policies:
                lives.append(LiveEpisode(spec, choice.task, choice.num_arms))
                self._lives = tuple(lives)
                lives[-1].begin(choice.seed, None, "")
                lives[-1].view(64)
        self._made_for = made_for

    def _look(self, choice: Choice) -> Scene:
        self._prepare(choice)
        self._note, self._suggestion = "", ""
        env = self._lives[0].env
        instructions = instructions_of_goals(env, choice.seed)
        for live in self._lives:
            live.begin(choice.seed, None, "")
        return Scene(self._frame(self._still_height), instructions, tuple(env.task.bodies))

    def _run(self, run: Run) -> Ended | Refused:
        choice, instruction = run.choice, cleaned(run.instruction)
        self._prepare(choice)
        instructions = instructions_of_goals(self._lives[0].env, choice.seed)
        goal = goal_of(instruction, instructions) if instruction else None
        self._note, self._suggestion = "", ""
        if instruction and goal is None:
            self._suggestion = nearest(instruction, instructions)
            advice = hint(self._suggestion, instructions)
            if not any(live.reads_instruction for live in self._lives):
                return Refused(f"I did not understand “{instruction}”. {advice}", self._suggestion)
            self._note = _not_judged(self._lives, advice)
        for live in self._lives:
            live.begin(choice.seed, goal, instruction if goal or live.reads_instruction else "")
        return self._play(2 * self._settings.height if run.fine else self._settings.height)

    def _play(self, height: int) -> Ended:
        """Simulate at most in real time, send a frame every ``STRIDE`` steps, and execute the visitor's commands."""
        lives = self._lives
        control_dt, shown = lives[0].env.control_dt, []
        began, step, pushes = time.monotonic(), 0, 0
        self._mark_frozen()
        while True:
            frame = self._frame(height)
            self._pipe.send(frame)
            shown.append([view.image for view in frame.views])
            stopped = time.monotonic() - began > self._settings.max_run_s
            while self._pipe.poll():
                request = self._pipe.recv()
                if isinstance(request, Freeze):
                    self._frozen = request.arms
                    self._mark_frozen()
                elif isinstance(request, Push) and pushes < MAX_PUSHES:
                    pushes += 1
                    for live in lives:
                        live.push(request.body, request.impulse)
                stopped |= isinstance(request, Stop)
            if stopped or all(live.ended for live in lives):
                break
            for _ in range(STRIDE):
                for live in lives:
                    live.step(self._frozen)
            step += STRIDE
            time.sleep(max(began + step * control_dt - time.monotonic(), 0.0))
        is_last = not self._pipe.poll()  # else another request is waiting
        last = self._frame(max(height, self._still_height)) if is_last else frame
        return self._finish(last, shown, 1 / (STRIDE * control_dt))

    def _finish(self, last: Frame, shown: list[list[bytes]], fps: float) -> Ended:
        from teamvla_eval.demo.recording import write_video

        self._runs += 1
        for old in self._folder.iterdir():
            old.unlink()
        env = self._lives[0].env
        stem = f"{env.task_name}_seed{int(env.seeds[0])}_{self._runs}"
        files = [self._folder / f"{stem}_{index}.hdf5" for index in range(len(self._lives))]
        written = tuple(file for file, live in zip(files, self._lives, strict=True) if live.write(file))
        video = self._folder / f"{stem}.mp4"
        write_video(video, shown, fps)
        return Ended(last, written, video)

    @property
    def _still_height(self) -> int:
        return max(self._settings.height, STILL_HEIGHTS[len(self._lives) - 1])

    def _frame(self, height: int) -> Frame:
        lives = self._lives
        views = tuple(live.view(height) for live in lives)
        shown = next((live for live in lives if live.reads_instruction), lives[0])
        return Frame(views, tuple(lives[0].env.phases), shown.instruction, self._note, self._suggestion)

    def _mark_frozen(self) -> None:
        """Ignore arms that do not exist, and record the frozen ones in the episodes."""
        self._frozen = tuple(arm for arm in self._frozen if 0 <= arm < self._lives[0].env.num_arms)
        for live in self._lives:
            if self._frozen:
                live.mark("frozen: " + ", ".join(f"arm_{arm}" for arm in self._frozen))

    def _close(self) -> None:
        for live in self._lives:
            live.close()
        self._lives, self._made_for = (), ()


def _not_judged(lives: "tuple[LiveEpisode, ...]", advice: str) -> str:
    """Remark about an instruction that names none of the scene's goals."""
    note = f"This is not one of the task's instructions, so {_listed(lives, True)} is not judged. {advice}"
    if not all(live.reads_instruction for live in lives):
        note += f" {_listed(lives, False)} does not read instructions and acts on the seed's own goal."
    return note


def _listed(lives: "tuple[LiveEpisode, ...]", reads_instruction: bool) -> str:
    return " and ".join(live.spec for live in lives if live.reads_instruction is reads_instruction)
