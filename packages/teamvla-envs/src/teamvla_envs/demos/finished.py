"""Check whether a demonstration file is a complete collection, so that its working folder can be removed."""

from typing import TYPE_CHECKING, Any

from teamvla_envs.demos.reader import DemoFile, open_demos
from teamvla_envs.seeds import episode_seeds

if TYPE_CHECKING:
    from pathlib import Path

    from teamvla_envs.demos.settings import CollectionSettings


def is_finished(out: "Path", settings: "CollectionSettings", versions: dict[str, str], episodes: int) -> bool:
    """Read a file in full and return whether it is the result of a collection.

    Args:
        out: The demonstration file.
        settings: Settings of the collection.
        versions: Package versions that its results depend on.
        episodes: Number of demonstrations of the collection.
    """
    try:
        with open_demos(out) as file:
            return (
                file.versions == versions
                and _has_settings(file, settings)
                and len(file) == episodes
                and _has_first_seeds(file, settings)
                and all(demo.success and demo.verify_hash() for demo in file)
            )
    except (OSError, KeyError, RuntimeError, ValueError):  # errors of HDF5 about a damaged file
        return False


def _has_settings(file: DemoFile, settings: "CollectionSettings") -> bool:
    made_with: dict[str, Any] = {"task": settings.task, "num_arms": settings.num_arms}
    if settings.cameras is not None:
        made_with["cameras"] = list(settings.cameras)
    if settings.cameras != ():
        made_with["image_size"] = settings.image_size
    return all(file.collection.get(name) == value for name, value in settings.collection().items()) and all(
        file.env_kwargs.get(name) == value for name, value in made_with.items()
    )


def _has_first_seeds(file: DemoFile, settings: "CollectionSettings") -> bool:
    """Return whether its seeds and the failed ones together are the first ones of the seed set, without a gap."""
    failed = file.collection.get("failed_seeds")
    if not isinstance(failed, list):
        return False
    seeds = [demo.seed for demo in file]
    tried = sorted([*seeds, *failed])
    return seeds == sorted(seeds) and tried == list(episode_seeds(settings.seed_set, len(tried), settings.offset))
