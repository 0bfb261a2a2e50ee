"""The experiments of docs/results.md: demonstrations, trainings and evaluations, as commands.

Every training and evaluation uses one core. Commands run in one folder, with demonstrations in ``data``, checkpoints
in ``runs`` and results in ``results``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from teamvla_learn.baselines.registry import baselines

TASKS = ("lift", "handoff", "drawer")
SEEDS = (0, 1, 2)
DEMOS = (10, 30, 100, 300)
WIDTHS = (0, 8, 32)
DROP_RATES = (0.0, 0.25, 0.5, 1.0)

DATA = {
    "data/lift.hdf5": "teamvla collect lift --episodes 600 --out data/lift.hdf5",
    "data/handoff.hdf5": "teamvla collect handoff --episodes 400 --noise 0.0015 --out data/handoff.hdf5",
    "data/handoff_more.hdf5": "teamvla collect handoff --episodes 1000 --offset 500 --out data/handoff_more.hdf5",
    "data/drawer.hdf5": "teamvla collect drawer --episodes 300 --out data/drawer.hdf5",
    "data/drawer_more.hdf5": "teamvla collect drawer --episodes 500 --offset 500 --out data/drawer_more.hdf5",
    "data/drawer_detours.hdf5": (
        "teamvla collect drawer --episodes 600 --offset 1200 --detours 0.8 --out data/drawer_detours.hdf5"
    ),
}
DATA |= {
    f"data/{task}_{count}.hdf5": f"teamvla collect {task} --episodes {count} --no-images --out data/{task}_{count}.hdf5"
    for task in TASKS
    for count in (*DEMOS, 175)
}
FILES = {
    "lift": "data/lift.hdf5",
    "handoff": "data/handoff.hdf5 data/handoff_more.hdf5",
    "drawer": "data/drawer.hdf5 data/drawer_more.hdf5 data/drawer_detours.hdf5",
}
FILES["multitask"] = " ".join(FILES.values())
SHORT = {  # settings for comparisons between networks
    "lift": "--config lift",
    "handoff": "--config handoff --steps 2000",
    "drawer": "--config drawer --steps 2000",
}
STATE = "--policy state --steps 6000"
NAMES = {"vla": "SingleBrainVLA", "msg": "MsgPassingVLA", "state": "state MLP"}


@dataclass(frozen=True)
class Measurement:
    """One evaluation of a policy; it has one row per task.

    Attributes:
        run: Name of the training, a key of :data:`RUNS`; or of a policy that is included in the package.
        tasks: Task names.
        labels: First cells of its rows; evaluations with equal labels, such as training seeds, share a row.
        options: Further options of ``teamvla bench``.
        said: Whether success refers to the instructed goal.
        episodes: Episodes per task.
        checkpoint: Folder of the policy, relative to the folder of its training.
    """

    run: str
    tasks: str
    labels: tuple[str, ...] = ()
    options: str = ""
    said: bool = False
    episodes: int = 200
    checkpoint: str = "."

    @property
    def name(self) -> str:
        """Name of the results folder."""
        tags = [word.strip("-").replace("_", "-") for word in self.options.removeprefix("--split ").split()]
        return "_".join([self.run, *tags])

    @property
    def results(self) -> str:
        """Path of the results folder."""
        return f"results/{self.name}"

    @property
    def command(self) -> str:
        """Command of the evaluation."""
        policy = str(PurePosixPath("runs", self.run, self.checkpoint)) if self.run in RUNS else f"baseline:{self.run}"
        words = f"teamvla bench --policy {policy} --tasks {self.tasks} --episodes {self.episodes}"
        return " ".join(f"{words} --seed-set validation {self.options} --threads 1 --out {self.results}".split())


@dataclass(frozen=True)
class Experiment:
    """A table: its title, the headers of its first columns, and its evaluations."""

    title: str
    columns: tuple[str, ...]
    measurements: Sequence[Measurement]


RUNS: dict[str, str] = {}  # checkpoint name -> training command


def train(name: str, files: str, options: str) -> str:
    """Register a training in :data:`RUNS`; returns its name."""
    RUNS[name] = f"teamvla train {files} {options} --threads 1 --out runs/{name}"
    return name


def brain(task: str, policy: str, seed: int) -> str:
    """Name of a training with the settings of a shipped policy and another seed."""
    return train(f"{task}-{policy}-{seed}", FILES[task], f"--config {task} --policy {policy} --seed {seed}")


def shipped(options: str = "") -> list[Measurement]:
    """Evaluations of the policies that are included in the package."""
    return [
        Measurement(name, " ".join(entry.tasks), (f"`baseline:{name}`",), options)
        for name, entry in sorted(baselines().items())
    ]


def headline() -> list[Measurement]:
    """Every task and architecture, three training seeds each; seed 0 is the policy that is included in the package."""
    rows = []
    for task in (*TASKS, "multitask"):
        for policy in ("vla", "msg"):
            name = task if policy == "vla" else f"{task}-{policy}"
            tasks = " ".join(TASKS) if task == "multitask" else task
            trained = "all three" if task == "multitask" else task
            for seed in SEEDS:
                run = name if seed == 0 else brain(task, policy, seed)
                rows.append(Measurement(run, tasks, (NAMES[policy], trained, f"`baseline:{name}`")))
    return rows


def states() -> list[Measurement]:
    """Policies on the privileged state, with all demonstrations."""
    return [
        Measurement(train(f"{task}-state-{seed}", FILES[task], f"{STATE} --seed {seed}"), task)
        for task in TASKS
        for seed in SEEDS
    ]


def fewer() -> list[Measurement]:
    """Policies on the privileged state, by the number of demonstrations."""
    return [Measurement(from_few(task, count), task, (str(count),)) for task in TASKS for count in DEMOS]


def from_few(task: str, count: int) -> str:
    """Name of a training on the privileged state of ``count`` demonstrations."""
    return train(f"{task}-state-from-{count}", f"data/{task}_{count}.hdf5", STATE)


def helped() -> list[Measurement]:
    """DAgger compared with a similar number of demonstrations."""
    rows = []
    for task in TASKS:
        for count, name in ((30, f"{task}-dagger"), (100, f"{task}-dagger-from-100")):
            learner = from_few(task, count)
            RUNS[name] = (
                f"teamvla dagger data/{task}_{count}.hdf5 --init-from runs/{learner} --num-rounds 3 --episodes 25 "
                f"--threads 1 --out runs/{name}"
            )
            rows += [
                Measurement(learner, task, (f"{count} demonstrations",)),
                Measurement(name, task, (f"{count}, then 3 rounds of DAgger with 25 episodes",), checkpoint="round_3"),
            ]
        rows.append(Measurement(from_few(task, 175), task, ("175 demonstrations",)))
    return rows


def ablations() -> list[Measurement]:
    """Ablations of Drawer: one component at a time left out of trainings of 2,000 steps."""
    files, plain = FILES["drawer"], FILES["drawer"].removesuffix(" data/drawer_detours.hdf5")
    trained = {  # name of the run -> label, files, options
        "all-of-them": ("all", files, ""),
        "without-detours": ("without detours", plain, ""),
        "without-pointing": ("without the keypoint loss", files, "--model.losses.pointing-weight 0"),
        "without-Muon": ("without Muon", files, "--optimizer adamw"),
        "without-openings": ("without opening steps", files, "--opening-weight 1 --openings-first 0"),
        "none-of-them": ("Muon only", plain, "--model.losses.pointing-weight 0 --opening-weight 1 --openings-first 0"),
    }
    return [
        Measurement(train(f"drawer-{name}", data, f"{SHORT['drawer']} {options}".rstrip()), "drawer", (label,))
        for name, (label, data, options) in trained.items()
    ]


def language() -> list[Measurement]:
    """Swapped instructions, and policies without a language input."""
    rows = []
    for goal, said in (("the instructed goal", True), ("the goal of the seed", False)):
        for task in TASKS:
            rows.append(Measurement(task, task, (f"{task}, swapped instruction", goal), "--swap-instruction", said))
    for task in TASKS:
        deaf = train(f"{task}-deaf", FILES[task], f"{SHORT[task]} --language none")
        rows.append(Measurement(deaf, task, ("trained without language", "the goal of the seed")))
    return rows


def messages() -> list[Measurement]:
    """Only arm_0 receives the instruction: success by the width of a message and the share of lost messages."""
    rows = []
    for task in TASKS:
        for width in WIDTHS:
            options = f"{SHORT[task]} --policy msg --instruction-for arm_0 --message-size {width}"
            name = train(f"{task}-told0-width{width}", FILES[task], options)
            for rate in DROP_RATES if width == 32 else (0.0,):
                lossy = f"--drop-messages {rate}" if rate else ""
                rows.append(Measurement(name, task, (str(width) if width else "no messages", f"{rate:.0%}"), lossy))
    return rows


TABLES = {
    "headline": Experiment(
        "Every task and architecture, three training seeds", ("policy", "trained on", "seed 0"), headline()
    ),
    "unseen": Experiment(
        "Held-out instructions, sizes, shades and arrangements of colors", ("policy",), shipped("--split unseen")
    ),
    "state": Experiment("Privileged state, three training seeds", (), states()),
    "demos": Experiment("Privileged state, by the number of demonstrations", ("demonstrations",), fewer()),
    "dagger": Experiment("DAgger, privileged state", ("trained on",), helped()),
    "ablations": Experiment("Ablations: Drawer, 2,000 training steps", ("components",), ablations()),
    "language": Experiment("Swapped instructions", ("policy", "success under"), language()),
    "messages": Experiment("Messages, instruction for arm_0 only", ("message width", "lost"), messages()),
}
