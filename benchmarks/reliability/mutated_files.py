"""Mutated files: 300 demonstration files and 150 checkpoints, damaged or hostile, each read in a process of its own.

One holds when it is rejected by an error of one line, or reads with the content of the original, within 20 seconds and
1 GiB of memory; a traceback, a crash or another content does not hold. Prints a table and exits with 1 when anything
does not hold::

    python benchmarks/reliability/mutated_files.py [--demos 300] [--checkpoints 150] [--seed 0]
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_demos
import hostile_policies
import numpy as np

SECONDS = 20.0
MEMORY = 1 << 30  # bytes that reading may add
BYTE_DAMAGE = ("flipped bits", "truncated", "zeroed block", "swapped blocks")


def main() -> int:
    """Run the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("demos", 300), ("checkpoints", 150), ("seed", 0)):
        arguments.add_argument(f"--{name}", type=int, default=count)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demos, checkpoint = make_originals(Path(folder))
        tried: Counter[tuple[str, str]] = Counter()
        failures: list[tuple[str, str, str]] = []
        for kind, read, original, mutations in (
            ("demos", read_demos, demos, demo_mutations(demos, options.demos, options.seed)),
            (
                "checkpoints",
                read_checkpoint,
                checkpoint,
                policy_mutations(checkpoint, options.checkpoints, options.seed),
            ),
        ):
            expected = read(original)
            for name, path in mutations:
                tried[kind, name] += 1
                if problem := judge(read, path, expected):
                    failures.append((kind, name, problem))
                    print(f"{kind}, {name} ({tried[kind, name]}): {problem}", flush=True)
    broken = Counter((kind, name) for kind, name, _ in failures)
    print(f"{'files':12} {'mutation':28} {'tried':>5} {'held':>5}")
    for (kind, name), count in tried.items():
        print(f"{kind:12} {name:28} {count:5} {count - broken[kind, name]:5}")
    print(f"{'total':41} {tried.total():5} {tried.total() - len(failures):5}")
    return int(bool(failures))


def make_originals(folder: Path) -> tuple[Path, Path]:
    """Collect a small demonstration file and train a small policy on it; returns their paths."""
    from teamvla_envs.demos.collect import collect
    from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
    from teamvla_learn.train.config import Budget, TrainConfig
    from teamvla_learn.train.run import TrainingJob, run_training
    from teamvla_learn.train.settings import Settings

    demos, policy = folder / "demos.hdf5", folder / "policy"
    collect(CollectConfig(CollectionSettings("lift", image_size=16), 4, demos, num_envs=4, threads=1))
    settings = Settings(train=TrainConfig(Budget(steps=1), batch_size=4, shards=1))
    run_training(TrainingJob([demos], policy, settings, threads=1, cache=False, tensorboard=False))
    return demos, policy


def read_demos(path: Path) -> str:
    """Read a whole demonstration file, as a training does; returns a digest of its content."""
    from teamvla_envs.demos import schema
    from teamvla_envs.demos.reader import check_env_kwargs, open_demos
    from teamvla_envs.errors import UserError

    digest = hashlib.sha256()
    with open_demos(path) as file:
        check_env_kwargs(file)
        parts = [file.parts(name) for name in ("action", "agent_pos", "environment_state")]
        splits = [file.split(name) for name in schema.SPLITS]
        whole = [file.env_args, file.versions, file.collection, parts, splits, file.cameras, file.total]
        digest.update(json.dumps(whole, sort_keys=True).encode())
        for demo in file:
            if not demo.verify_hash():
                raise UserError(f"{demo.name} is not what its content hash says")
            content = [demo.seed, demo.goal, demo.instruction, demo.success, demo.num_samples, demo.content_hash]
            digest.update(json.dumps([demo.name, content, demo.paths]).encode())
            for array in (demo.actions, demo.rewards, *(demo.obs(f"pixels/{camera}") for camera in file.cameras)):
                digest.update(array.tobytes())
    return digest.hexdigest()


def read_checkpoint(path: Path) -> str:
    """Load a checkpoint folder; returns a digest of its content."""
    from teamvla_learn.policies.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    info = [vars(checkpoint.info), repr(checkpoint.policy.config), checkpoint.policy.normalization.to_json()]
    digest = hashlib.sha256(json.dumps(info, sort_keys=True).encode())
    for name, tensor in sorted(checkpoint.policy.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def judge(read: Callable[[Path], str], path: Path, expected: str) -> str | None:
    """Read a file in a new process; returns the failure, None without one."""
    receiver, sender = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        os.write(sender, read_once(read, path, expected).encode()[:4000])
        os._exit(0)
    os.close(sender)
    status = 0
    while time.monotonic() - begun < SECONDS:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(receiver)
        return f"takes longer than {SECONDS:g} s"
    with os.fdopen(receiver, "rb") as pipe:
        verdict = pipe.read().decode()
    if status:
        return f"ended with status {os.waitstatus_to_exitcode(status)}"
    return None if verdict in ("rejected", "identical") else verdict or "no output"


def read_once(read: Callable[[Path], str], path: Path, expected: str) -> str:
    """Read a file within the limits of memory; returns ``rejected``, ``identical`` or the failure."""
    from teamvla_envs.errors import UserError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    address_space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = address_space + 4 * MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        verdict = "identical" if read(path) == expected else "reads with another content"
    except UserError as error:
        text = str(error)
        if "\n" in text or not text.isprintable() or len(text) > 1500:
            return f"is rejected by no readable line: {text[:200]!r}"
        verdict = "rejected"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:300]}"
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
    return verdict if used < MEMORY else f"takes {used >> 20} MiB"


def demo_mutations(original: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Yield name and path of mutated demonstration files, one at a time in the same place."""
    path = original.with_name("mutated.hdf5")
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        hostile = list(hostile_demos.MUTATIONS)
        if index % 3 == 0:
            name = hostile[index // 3 % len(hostile)]
            shutil.copy(original, path)
            hostile_demos.apply(name, path)
            yield f"hostile: {name}", path
        else:
            name = BYTE_DAMAGE[index % len(BYTE_DAMAGE)]
            content = original.read_bytes()
            path.write_bytes(damaged(content, name, rng, focus=len(content) if index % 2 else 1 << 14))
            yield name, path


def policy_mutations(original: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Yield name and path of mutated checkpoint folders, one at a time in the same place."""
    path = original.with_name("mutated")
    hostile = list(hostile_policies.MUTATIONS)
    for index in range(count):
        rng = np.random.default_rng([seed, index, 1])
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(original, path)
        if index % 3 == 0:
            name = hostile[index // 3 % len(hostile)]
            hostile_policies.apply(name, path)
            yield f"hostile: {name}", path
        else:
            name = BYTE_DAMAGE[index % len(BYTE_DAMAGE)]
            file = path / ("config.json" if index % 2 else "model.safetensors")
            content = file.read_bytes()
            file.write_bytes(damaged(content, name, rng, focus=len(content) if index % 5 else 1 << 12))
            yield f"{file.name}: {name}", path


def damaged(content: bytes, kind: str, rng: np.random.Generator, focus: int) -> bytes:
    """Return damaged bytes; the damage begins among the first ``focus``."""
    data = np.frombuffer(content, np.uint8).copy()
    focus = min(focus, len(data))
    place, length = int(rng.integers(focus)), int(rng.integers(1, 4096))
    if kind == "truncated":
        return data[: int(rng.integers(len(data)))].tobytes()
    if kind == "flipped bits":
        for bit in rng.integers(8 * focus, size=int(rng.integers(1, 4))):
            data[bit // 8] ^= 1 << (bit % 8)
    elif kind == "zeroed block":
        data[place : place + length] = 0
    else:
        other = int(rng.integers(len(data)))
        length = min(length, len(data) - max(place, other))
        first, second = data[place : place + length].copy(), data[other : other + length].copy()
        data[place : place + length], data[other : other + length] = second, first
    return data.tobytes()


if __name__ == "__main__":
    sys.exit(main())
