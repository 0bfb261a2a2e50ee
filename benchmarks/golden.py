"""Golden record: the results that a seed determines, pinned in ``tests/golden/record.json``.

``golden.py check`` measures everything again and names each entry that differs; ``golden.py record`` replaces the
file, which is done only for a change on purpose that the CHANGELOG names. Sections can be named one by one:

- ``states``: initial states of 1,000 seeds per task and level, array by array;
- ``demos``: content hashes of 30 collected demonstrations per task and number of arms, and a digest of each array;
- ``training``: weights after 20 training steps of each kind of policy;
- ``expert``: records of 100 validation episodes per task;
- ``baselines``: records of 20 validation episodes of each shipped policy on each of its tasks (``--deterministic``).

Training and learned policies depend on the instruction set of the CPU, so every section runs with the kernels of
an x86-64 CPU with AVX2 and one thread.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RECORD = Path(__file__).parents[1] / "tests" / "golden" / "record.json"
KERNELS = {
    "OMP_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
TEAMS = {"lift": (2, 3, 4), "handoff": (2, 3, 4), "drawer": (2,)}
LEVELS = ("none", "default", "hard")
SEEDS = 1000
DEMOS = 30
STEPS = 20
NETWORKS = {
    "vla": ("--policy", "vla"),
    "vla-flow-attention-chunks": (
        *("--policy", "vla", "--fusion", "attention", "--chunk-length", "4"),
        *("--model.head.kind", "flow", "--train.optimizer", "adamw"),
    ),
    "msg": ("--policy", "msg"),
    "state": ("--policy", "state"),
}
BASELINES = {
    **{f"baseline:{task}{kind}": (task,) for task in TEAMS for kind in ("", "-msg")},
    "baseline:multitask": tuple(TEAMS),
    "baseline:multitask-msg": tuple(TEAMS),
}


def main() -> int:
    """Run the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("action", choices=("check", "record"))
    arguments.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; by default all")
    options = arguments.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        arguments.error(f"no section {', '.join(sorted(unknown))}, expected some of {', '.join(SECTIONS)}")
    if any(os.environ.get(name) != value for name, value in KERNELS.items()):  # read when the libraries load
        return subprocess.run([sys.executable, *sys.argv], env=os.environ | KERNELS, check=False).returncode
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    failed = False
    for section in options.sections or SECTIONS:
        measured = measure(section)
        if options.action == "record":
            record[section] = measured
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            continue
        differing = differences(record.get(section, {}), measured)
        print(f"{section}: {'holds' if not differing else f'{len(differing)} entries differ'}", flush=True)
        print("".join(f"  {line}\n" for line in differing), end="", flush=True)
        failed |= bool(differing)
    return int(failed)


def measure(section: str) -> dict[str, Any]:
    """Current values of one section, as JSON."""
    with TemporaryDirectory() as folder:
        result: dict[str, Any] = json.loads(json.dumps(SECTIONS[section](Path(folder))))
        return result


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Paths of the entries of ``expected`` that ``found`` lacks or has otherwise; additional entries are ignored."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return [
            line
            for key in expected
            for line in (
                differences(expected[key], found[key], f"{path}/{key}") if key in found else [f"{path}/{key}: missing"]
            )
        ]
    return [] if expected == found else [f"{path}: expected {_short(expected)}, found {_short(found)}"]


def states(_: Path) -> dict[str, Any]:
    """Digests of the initial states of many seeds: of all arrays of ``get_state``, goals, and observations."""
    import numpy as np
    import teamvla_envs

    found: dict[str, Any] = {}
    for task, teams in TEAMS.items():
        for arms, level in [(2, level) for level in LEVELS] + [(arms, "default") for arms in teams if arms > 2]:
            count = SEEDS if arms == 2 else 100
            env = teamvla_envs.vector_env(task, 100, num_arms=arms, randomization=level, autoreset_mode="Disabled")
            digests: dict[str, Any] = {}
            for first in range(0, count, env.num_envs):
                env.reset(seed=first)
                arrays = env.get_state()
                arrays |= {f"observed.{name}": np.asarray(part) for name, part in env.state_parts().items()}
                arrays["observed.agent_pos"] = np.asarray(env.agent_pos())
                arrays["goal"] = np.array(env.goal_names)
                arrays["instruction"] = np.array(env.instructions)
                for name, array in arrays.items():
                    _update(digests.setdefault(name, hashlib.sha256()), array)
            env.close()
            found[f"{task}, {arms} arms, {level}"] = _hex(digests)
    return found


def demos(folder: Path) -> dict[str, Any]:
    """Content hashes of collected demonstrations in order, and a digest of each array over all of them."""
    import h5py

    found: dict[str, Any] = {}
    for task, teams in TEAMS.items():
        for arms in teams:
            path = folder / f"{task}_{arms}.hdf5"
            _teamvla("collect", task, "--episodes", DEMOS, "--num-arms", arms, "--out", path)
            digests: dict[str, Any] = {}
            with h5py.File(path, "r") as file:
                groups = [file[f"data/demo_{i}"] for i in range(DEMOS)]
                for group in groups:
                    for name, array in _arrays(group).items():
                        _update(digests.setdefault(name, hashlib.sha256()), array)
                hashes = [str(group.attrs["content_hash"])[:16] for group in groups]
                masks = {name: [entry.decode() for entry in file["mask"][name]] for name in file["mask"]}
            found[f"{task}, {arms} arms"] = {"content_hashes": hashes, "arrays": _hex(digests), "masks": masks}
    return found


def training(folder: Path) -> dict[str, Any]:
    """Digests of the weights after a few steps."""
    from safetensors.numpy import load_file

    data = folder / "lift.hdf5"
    _teamvla("collect", "lift", "--episodes", DEMOS, "--out", data)
    found: dict[str, Any] = {}
    for name, options in NETWORKS.items():
        out = folder / name
        length = ("--steps", STEPS, "--batch-size", 64, "--train.precision", "float32", "--threads", 1)
        _teamvla("train", data, "--out", out, "--no-cache", "--no-tensorboard", *length, *options)
        digest = hashlib.sha256()
        for key, weights in sorted(load_file(out / "model.safetensors").items()):
            digest.update(key.encode())
            _update(digest, weights)
        found[name] = digest.hexdigest()[:16]
    return found


def expert(folder: Path) -> dict[str, Any]:
    """Records of the expert."""
    return {task: _bench(folder / task, "expert", task, 100) for task in TEAMS}


def baselines(folder: Path) -> dict[str, Any]:
    """Records of the shipped policies."""
    return {
        f"{policy} on {task}": _bench(folder / f"{index}{task}", policy, task, 20, "--deterministic")
        for index, (policy, tasks) in enumerate(BASELINES.items())
        for task in tasks
    }


SECTIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "states": states, "demos": demos, "training": training, "expert": expert, "baselines": baselines,
}  # fmt: skip


def _bench(out: Path, policy: str, task: str, episodes: int, *options: str) -> dict[str, Any]:
    """Each field of the records: short ones in full, a digest of the others."""
    length = ("--episodes", episodes, "--seed-set", "validation", "--threads", 1)
    _teamvla("bench", "--policy", policy, "--tasks", task, "--out", out, "--no-history", *length, *options)
    episodes_found = json.loads((out / "results.json").read_text(encoding="utf-8"))["episodes"]
    columns = {key: [episode[key] for episode in episodes_found] for key in episodes_found[0] if key != "policy"}
    return {
        key: values
        if key == "steps"
        else "".join("01"[bool(value)] for value in values)
        if key == "success"
        else hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
        for key, values in columns.items()
    }


def _teamvla(*arguments: object) -> None:
    """Run the command-line program."""
    command = [sys.executable, "-c", "import sys; from teamvla_envs.cli import main; sys.exit(main())"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"teamvla {' '.join(map(str, arguments))}\n{done.stderr}")


def _arrays(group: Any) -> dict[str, Any]:
    import h5py

    arrays: dict[str, Any] = {}
    group.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def _update(digest: Any, array: Any) -> None:
    digest.update(f"{array.dtype.str} {array.shape}".encode())
    digest.update(array.tobytes())


def _hex(digests: Mapping[str, Any]) -> dict[str, str]:
    return {name: digest.hexdigest()[:16] for name, digest in digests.items()}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}…"


if __name__ == "__main__":
    sys.exit(main())
