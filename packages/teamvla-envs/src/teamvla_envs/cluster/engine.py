"""Connection to a Ray cluster: a running one, or one on this machine that lives as long as a command."""

import logging
import os
import platform
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from teamvla_envs.cluster.workers import WorkerPool
from teamvla_envs.cores import usable_cores
from teamvla_envs.errors import UserError

Engine = Literal["local", "ray"]

_OBJECT_STORE: Final = 500_000_000  # shared memory of a cluster started here, for results on their way [bytes]
_ANSWER: Final = 5.0  # how long a cluster may take to accept a connection [s]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayEngine:
    """Address and size of a Ray cluster.

    Attributes:
        workers: Processes that run episodes; None for one per ``threads`` CPU cores of the cluster.
        address: ``HOST:PORT`` of a running cluster; None for ``RAY_ADDRESS``, or else a cluster on this machine for
            as long as the command runs.
        threads: CPU cores that each worker occupies.
    """

    workers: int | None = None
    address: str | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        """Check workers and address."""
        if self.workers is not None and self.workers < 1:
            raise UserError(f"workers is {self.workers}, expected 1 or more")
        host, _, port = self._address.rpartition(":")
        if self._address not in ("local", "auto") and (not host or "/" in host or not port.isdecimal()):
            raise UserError(f"address is {self._address}, expected HOST:PORT of a Ray cluster with this machine in it")

    @contextmanager
    def connect(self) -> Generator["WorkerPool"]:
        """Provide the workers of the cluster; on exit, stop them, and the cluster if it was started here.

        Raises:
            UserError: When Ray is not installed, no cluster answers, or it has too few CPU cores.
        """
        ray = self.import_ray()
        connected_before = ray.is_initialized()
        if not connected_before:
            self._initialize(ray)
        try:
            processors = int(ray.cluster_resources().get("CPU", 0))
            workers = self.workers or max(processors // self.threads, 1)
            if workers * self.threads > processors:
                raise UserError(
                    f"workers is {workers}, each with {self.threads} of the cluster's {processors} processors; "
                    f"expected at most {processors // self.threads}"
                )
            _log.info("running in %d Ray workers", workers)
            pool = WorkerPool(workers, self.threads)
            try:
                yield pool
            finally:
                pool.close()
        finally:
            if not connected_before:
                ray.shutdown()

    def check_reachable(self) -> None:
        """Check that a server answers at the address; Ray itself would retry for minutes.

        Raises:
            UserError: When none does.
        """
        host, _, port = self._address.rpartition(":")
        if host:
            try:
                socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
            except (OSError, OverflowError) as error:
                raise UserError(f"address is {self._address}, where no Ray cluster answers: {error}") from error

    def import_ray(self) -> Any:
        """Import Ray, which reads its settings from the environment when it is imported first.

        Raises:
            UserError: When it is not installed.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # it would copy the present folder to every worker
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # no warning that this will be the default
        if self._address == "local":
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # on any system: listen on loopback only
        try:
            import ray
        except ModuleNotFoundError as error:
            raise UserError("engine is 'ray', which needs Ray: pip install 'teamvla-envs[ray]'") from error
        return ray

    @property
    def _address(self) -> str:
        return self.address or os.environ.get("RAY_ADDRESS") or "local"

    def _initialize(self, ray: Any) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address == "local":
            workers = self.workers or max(usable_cores() // self.threads, 1)
            _log.info("starting Ray on this machine")
            ray.init(
                address="local",
                num_cpus=workers * self.threads,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                **quiet,
            )
            return
        self.check_reachable()
        try:
            ray.init(address=self._address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"address is {self._address}, where no Ray cluster can be joined: {reason}") from error


def choose_engine(engine: Engine, workers: int | None, address: str | None, threads: int = 1) -> RayEngine | None:
    """Return the engine that a command line names: None for this process.

    Raises:
        UserError: When options do not fit together, Ray is not installed, or nothing answers at the address.
    """
    if engine == "local":
        for name, value in (("workers", workers), ("address", address)):
            if value is not None:
                raise UserError(f"{name} is {value}, which needs --engine ray")
        return None
    chosen = RayEngine(workers, address, threads)
    chosen.import_ray()
    chosen.check_reachable()
    return chosen


@dataclass(frozen=True)
class ClusterConfig:
    """Engine that runs the episodes of a command.

    Attributes:
        engine: Engine that runs the episodes: local, or ray for the machines of a Ray cluster.
        workers: Processes of the Ray cluster, each with num-envs worlds and its own threads; by default as many as the
            cluster has CPU cores for.
        address: HOST:PORT of a running Ray cluster; by default RAY_ADDRESS, or else only this machine.
    """

    engine: Engine = "local"
    workers: int | None = None
    address: str | None = None

    def reach(self, threads: int = 1) -> RayEngine | None:
        """Return the engine, checked as by :func:`choose_engine`; None for this process."""
        return choose_engine(self.engine, self.workers, self.address, threads)


@contextmanager
def connect(engine: RayEngine | None) -> Generator[WorkerPool | None]:
    """Provide the workers of an engine, see ``RayEngine.connect``; None for this process."""
    if engine is None:
        yield None
        return
    with engine.connect() as pool:
        yield pool


def check_versions(wanted: Mapping[str, str], installed: Mapping[str, str]) -> None:
    """Check on a worker that its package versions, on which results depend, are those of the requesting machine.

    Raises:
        UserError: Naming the first that differs, and the worker's machine.
    """
    for name, version in wanted.items():
        if installed.get(name) != version:
            raise UserError(
                f"the Ray worker on {platform.node()} has {name} {installed.get(name, 'not installed')}, "
                f"this machine {version}; results need the same versions everywhere"
            )
