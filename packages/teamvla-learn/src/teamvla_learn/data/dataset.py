"""Loading of demonstration files into training and validation datasets."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from teamvla_envs.errors import UserError

from teamvla_learn.data.cache import check_once, decode_cached, remember
from teamvla_learn.data.decode import (
    AGENT_POS,
    CAMERA_FIELDS,
    ENVIRONMENT_STATE,
    EXPERT_ACTIONS,
    PHASE,
    PIXELS,
    DecodedDemos,
    decode,
    in_memory,
)
from teamvla_learn.data.image_store import ImageStore
from teamvla_learn.data.keypoints import project_keypoints
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.metadata import DemoSource, FileSource
from teamvla_learn.data.paraphrases import Paraphraser
from teamvla_learn.data.samples import MultiTaskDataset, join

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo, DemoFile

OnDemo = Callable[[int], None]  # receives the number of demonstrations in the files opened so far

_log = logging.getLogger(__name__)


def load_demos(
    paths: Path | Sequence[Path],
    with_pixels: bool,
    paraphrase: bool = False,
    on_demo: OnDemo = lambda total: None,
    cache: Path | None = None,
) -> tuple[MultiTaskDataset, MultiTaskDataset, DemoSource]:
    """Load demonstration files.

    A demonstration that occurs more than once is loaded where it occurs first, with a warning: it is never in both the
    training and the validation samples.

    Args:
        paths: HDF5 files of ``teamvla collect``, of one or several tasks.
        with_pixels: Whether to load the images of all cameras.
        paraphrase: Whether to add all other sentences that are true of a demonstration.
        on_demo: Called after each demonstration.
        cache: Folder of :mod:`teamvla_learn.data.cache` for the decoded images; None keeps them in memory.

    Returns:
        Training samples, validation samples (empty if the files hold none), and the metadata of the files.

    Raises:
        UserError: When a file is missing, damaged or foreign, has no training demonstrations, lacks the requested
            images, or differs from the first in observations or actions.
    """
    loaded: list[tuple[MultiTaskDataset, MultiTaskDataset, FileSource]] = []
    read = [paths] if isinstance(paths, Path) else list(paths)
    if not read:
        raise UserError("demos is empty, expected one demonstration file or several")
    if twice := [path for path, count in Counter(path.resolve() for path in read).items() if count > 1]:
        raise UserError(f"demos has {twice[0]} more than once")
    seen: dict[tuple[str, str], str] = {}
    for path in read:
        before = sum(source.demos for *_, source in loaded)
        after = partial(lambda before, total: on_demo(before + total), before)
        found = _load_file(path, with_pixels, paraphrase, after, cache, seen)
        loaded += [] if found is None else [found]
    train, valid, sources = zip(*loaded, strict=True)
    source = DemoSource(sources)
    return join(train), join(valid), source


def _load_file(
    path: Path,
    with_pixels: bool,
    paraphrase: bool,
    on_demo: OnDemo,
    cache: Path | None,
    seen: dict[tuple[str, str], str],
) -> tuple[MultiTaskDataset, MultiTaskDataset, FileSource] | None:
    """Load the demonstrations of one file that are not in ``seen``, and add them to it; None if there are none."""
    from teamvla_envs.demos.reader import check_env_kwargs, open_demos

    try:
        with open_demos(path) as file:
            check_env_kwargs(file)
            listed = [[file.demo(name) for name in file.split(split)] for split in ("train", "valid")]
            if not listed[0]:
                raise UserError(f"{path} has no training demonstrations: mask/train is empty")
            known, left_out = dict(seen), list[str]()
            splits = [_unseen(file, split, known, left_out) for split in listed]
            if not splits[0]:
                _log.warning("%s is left out: all its training demonstrations are in files before it", path)
                return None
            if left_out:
                _log.warning("%s: left out %d demonstrations, first %s", path, len(left_out), left_out[0])
            seen.update(known)
            cameras = _cameras(file) if with_pixels else ()
            demos = [demo for split in splits for demo in split]
            whole = not left_out
            decoded = _decoded(path, demos, cameras, lambda: on_demo(len(demos)), cache, whole)
            source = _source(file, splits, decoded, cameras)
    except OSError as error:
        raise UserError(f"cannot read demonstrations {path}: {error.strerror or error}") from error
    sentences = _sentences(source, decoded, paraphrase)
    cut = len(source.train)
    train, valid = (_dataset(source, decoded, sentences, rows) for rows in (range(cut), range(cut, len(demos))))
    return train, valid, source


def _unseen(
    file: "DemoFile", demos: "Sequence[Demo]", seen: dict[tuple[str, str], str], left_out: list[str]
) -> "list[Demo]":
    """Return the demonstrations whose task and content are not in ``seen``, and add them to it; list the others."""
    task, kept = str(file.env_kwargs["task"]), []
    for demo in demos:
        content = task, demo.content_hash
        if content in seen:
            left_out.append(f"{demo.name}, which is {seen[content]}")
        else:
            seen[content] = f"{demo.name} of {file.path}"
            kept.append(demo)
    return kept


def _decoded(
    path: Path,
    demos: "Sequence[Demo]",
    cameras: Sequence[str],
    on_demo: Callable[[], None],
    cache: Path | None,
    whole: bool,
) -> DecodedDemos:
    checked = cache if whole else None  # a file is remembered as verified only as a whole
    try:
        if not cameras:
            check_once(checked, path, demos)
        elif cache is not None:
            try:
                decoded = decode_cached(cache, demos, cameras, on_demo, lambda: check_once(checked, path, demos))
                if whole:
                    remember(cache, path)
                return decoded
            except OSError as error:
                _log.warning("%s is kept in memory: the cache %s: %s", path.name, cache, error.strerror or error)
        return decode(demos, cameras, in_memory, on_demo)[0]
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _cameras(file: "DemoFile") -> tuple[str, ...]:
    if not file.cameras:
        raise UserError(
            f"{file.path} holds no images, which a vla policy learns from: collect with images, or train --policy state"
        )
    return tuple(sorted(file.cameras))


def _source(
    file: "DemoFile", splits: "Sequence[Sequence[Demo]]", decoded: DecodedDemos, cameras: Sequence[str]
) -> FileSource:
    sizes = {camera: decoded.arrays[PIXELS + camera].shape[1:3] for camera in cameras}
    has_state = ENVIRONMENT_STATE in decoded.arrays
    return FileSource(
        path=file.path,
        env_kwargs=file.env_kwargs,
        action=PartLayout(tuple(file.parts("action"))),
        agent_pos=PartLayout(tuple(file.parts("agent_pos"))),
        environment_state=PartLayout(tuple(file.parts("environment_state")) if has_state else ()),
        phases=_phases(file, decoded.arrays[PHASE]),
        cameras={camera: (int(height), int(width)) for camera, (height, width) in sizes.items()},
        train=tuple(demo.content_hash for demo in splits[0]),
        valid=tuple(demo.content_hash for demo in splits[1]),
    )


def _phases(file: "DemoFile", seen: np.ndarray) -> int:
    """Return the number of the task's phases; for a task that is not installed, the number of those recorded."""
    from teamvla_envs.registration import get_task, registered_tasks

    task = str(file.env_kwargs.get("task", ""))
    return max(len(get_task(task).phases) if task in registered_tasks() else 0, int(seen.max(initial=0)) + 1)


def _sentences(source: FileSource, decoded: DecodedDemos, paraphrase: bool) -> list[tuple[str, ...]]:
    if not paraphrase:
        return [(instruction,) for instruction in decoded.instructions]
    paraphraser = Paraphraser(source.env_kwargs)
    return [
        paraphraser.sentences(instruction, {key: values[demo : demo + 1] for key, values in decoded.facts.items()})
        for demo, instruction in enumerate(decoded.instructions)
    ]


def _dataset(
    source: FileSource, decoded: DecodedDemos, sentences: Sequence[tuple[str, ...]], demos: range
) -> MultiTaskDataset:
    """Return the samples of consecutive demonstrations, without copying the images."""
    stops = np.cumsum([0, *decoded.lengths], dtype=np.int64)
    rows = slice(stops[demos.start], stops[demos.stop])
    lengths = decoded.lengths[demos.start : demos.stop]
    own = stops[demos.start : demos.stop + 1] - stops[demos.start]
    arrays = {name: array[rows] for name, array in decoded.arrays.items()}
    count = int(own[-1])
    state = arrays.get(ENVIRONMENT_STATE, np.zeros((count, 0), np.float32))
    phase = np.eye(source.phases, dtype=np.float32)[arrays[PHASE]]
    moved = {k: np.repeat(v[demos], lengths, axis=0) for k, v in decoded.facts.items() if k.startswith(CAMERA_FIELDS)}
    return MultiTaskDataset(
        agent_pos=arrays[AGENT_POS],
        environment_state=state,
        pixels={name.removeprefix(PIXELS): ImageStore([a]) for name, a in arrays.items() if name.startswith(PIXELS)},
        expert_actions=arrays[EXPERT_ACTIONS],
        begins=np.repeat(own[:-1], lengths),
        ends=np.repeat(own[1:], lengths),
        demo=np.repeat(np.arange(len(demos)), lengths),
        keypoints=project_keypoints(source, arrays[AGENT_POS], state, moved),
        sentences=tuple(sentences[demo] for demo in demos),
        tasks=(source.task,),
        task=np.zeros(count, np.int64),
        file=np.zeros(count, np.int64),
        states=((source.targets, np.concatenate([state, phase], axis=1)),),
    )
