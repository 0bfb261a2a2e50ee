"""Benchmark of another suite in a process of its own, which measures one round per request."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"


class PeerError(RuntimeError):
    """A suite could not be installed or run; the message is the reason."""


class Peer:
    """A script of ``peers/``, installed by ``uv`` into an environment of its own and started.

    Args:
        script: Its name without ``.py``.
        seconds: Length of a round.

    Attributes:
        facts: What it says about itself: name, versions, ``control_dt`` [s], ``physics_steps`` of a control step,
            ``start_s`` from import to first step [s], ``variants``.

    Raises:
        PeerError: If it does not start.
    """

    def __init__(self, script: str, seconds: float):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the peer
        command = ["uv", "run", "--quiet", "--script", str(PEERS / f"{script}.py"), "--serve", f"--seconds={seconds}"]
        print(f"{script}: starting (the first time it installs its own environment)", file=sys.stderr, flush=True)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
            )
        except FileNotFoundError:
            raise PeerError("uv is not installed: pip install uv") from None
        self.facts: dict[str, Any] = self._read()

    def measure(self, variant: str) -> dict[str, Any]:
        """One round of a variant.

        Returns:
            ``steps_per_s``, ``steps_per_cpu_s``, ``reset_s`` [s] and what else the script measures.

        Raises:
            PeerError: If the process ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(variant + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its last output is read below
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise PeerError(" / ".join(said[-3:]) or f"ended with exit code {self._process.returncode}")
        answer: dict[str, Any] = json.loads(line)
        return answer
