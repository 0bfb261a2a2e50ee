"""Settings of a collection of demonstrations, and the environment that they describe."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from teamvla_envs.cluster.engine import ClusterConfig
from teamvla_envs.errors import UserError
from teamvla_envs.seeds import episode_seeds

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_IMAGE_MEMORY: Final = 2_000_000_000  # limit for the images of running episodes [bytes]
_LONGEST: Final = 300  # steps

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CollectionSettings:
    """Everything that an episode of a collection depends on, besides its seed and the package versions.

    Attributes:
        task: Name of the task, such as lift.
        num_arms: Arms of the team.
        cameras: Cameras to record; by default those of the task. Empty for no images.
        image_size: Height and width of the images [pixels].
        seed_set: Seeds to use: train, validation or test.
        offset: Seeds of the set to leave out first.
        noise: Noise on the executed joint motion, whose clean label is kept: standard deviation of the noise that
            each step adds [rad].
        slips: Expected number of mistakes of an arm in 100 steps, from which the expert recovers: it drifts off,
            or closes its gripper on nothing.
        detours: Share of the episodes in which the arms move towards another goal for a while: then only the
            instruction identifies the goal, not the motion of the arms.
    """

    task: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
    num_arms: int = 2
    cameras: tuple[str, ...] | None = None
    image_size: int = 64
    seed_set: str = "train"
    offset: int = 0
    noise: float = 0.002
    slips: float = 0.3
    detours: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        episode_seeds(self.seed_set, 0, self.offset)
        if not 0.0 <= self.noise < 1.0:
            raise UserError(f"noise is {self.noise}, expected a standard deviation of 0 to 1 rad")
        if not 0.0 <= self.slips <= 100.0:
            raise UserError(f"slips is {self.slips}, expected 0 to 100 in 100 steps")
        if not 0.0 <= self.detours <= 1.0:
            raise UserError(f"detours is {self.detours}, expected a share of 0 to 1")
        if self.cameras and len(set(self.cameras)) < len(self.cameras):
            raise UserError(f"cameras are {', '.join(self.cameras)}, expected each once")

    def collection(self) -> dict[str, Any]:
        """Settings that the header of the file repeats, as JSON-able values."""
        return {
            "policy": "expert",
            "noise": self.noise,
            "slips": self.slips,
            "detours": self.detours,
            "seed_set": self.seed_set,
            "offset": self.offset,
        }


@dataclass(frozen=True)
class CollectConfig:
    """A run of ``teamvla collect``: the episodes, the file and where the episodes run.

    Attributes:
        settings: Settings that every episode depends on.
        episodes: Successful episodes to keep.
        out: File to write; by default demos/TASK.hdf5.
        images: Whether to record camera images.
        num_envs: Worlds that run at once; with --engine ray in each worker.
        threads: CPU cores to use; by default all that this process may. With --engine ray a worker uses one.
        overwrite: Replace an existing file, and discard unfinished episodes of other settings.
        cluster: Where the episodes run.
    """

    settings: CollectionSettings
    episodes: int = 100
    out: Path | None = None
    images: bool = True
    num_envs: int = 16
    threads: int | None = None
    overwrite: bool = False
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        """Leave out the cameras if no images are recorded."""
        if not self.images:
            object.__setattr__(self, "settings", replace(self.settings, cameras=(), image_size=64))

    @property
    def file(self) -> Path:
        """The demonstration file to write."""
        return self.out or Path("demos") / f"{self.settings.task}.hdf5"

    def check(self) -> None:
        """Refuse counts that are not positive and seeds that do not exist.

        Raises:
            UserError: Naming the argument, its value and what is expected.
        """
        for name, value in (("episodes", self.episodes), ("num-envs", self.num_envs), ("threads", self.threads)):
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}, expected 1 or more")
        episode_seeds(self.settings.seed_set, self.episodes, self.settings.offset)


def worlds_at_once(settings: CollectionSettings, num_envs: int) -> int:
    """Return the number of worlds, at most ``num_envs``, whose images fit into memory together."""
    num_cameras = 3 if settings.cameras is None else len(settings.cameras)
    memory = max(num_cameras * 3 * settings.image_size**2 * _LONGEST, 1)
    fitting = max(_IMAGE_MEMORY // memory, 1)
    if fitting < num_envs:
        _log.info("running %d worlds at once instead of %d: their images fill the memory", fitting, num_envs)
    return min(num_envs, fitting)


def make_env(settings: CollectionSettings, num_envs: int, num_threads: int | None = None) -> "TeamVectorEnv":
    """Make the environment that a collection records, with ``num_envs`` worlds."""
    from gymnasium.vector import AutoresetMode

    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.registration import get_task

    get_task(settings.task).get_expert()
    return TeamVectorEnv(
        settings.task,
        num_envs=num_envs,
        num_arms=settings.num_arms,
        obs_mode="vision+state",
        cameras=settings.cameras,
        image_size=settings.image_size,
        autoreset_mode=AutoresetMode.DISABLED,
        num_threads=num_threads,
    )
