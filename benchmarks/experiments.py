"""The experiments of docs/results.md: demonstrations, trainings and measurements, each as the command that makes it.

Every training and measurement takes one core. Commands run in one folder, with demonstrations in ``data``, checkpoints
in ``runs`` and measurements in ``results``.
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
SHORT = {  # enough to compare networks by
    "lift": "--config lift",
    "handoff": "--config handoff --steps 2000",
    "drawer": "--config drawer --steps 2000",
}
STATE = "--policy state --steps 6000"
NAMES = {"vla": "SingleBrainVLA", "msg": "MsgPassingVLA", "state": "state MLP"}


@dataclass(frozen=True)
class Measurement:
    """One measurement of a policy, which may fill several rows, one per task.

    Attributes:
        run: Name of the training, a key of :data:`RUNS`; or of a policy that comes with the package.
        tasks: Task names.
        labels: First cells of its rows; trainings that differ by their seed alone have the same and share a row.
        options: Further options of ``teamvla bench``.
        said: Whether success is that of the goal that was said.
        episodes: Episodes per task.
        checkpoint: Folder of the policy in that of its training.
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
        """Name of its results."""
        tags = [word.strip("-").replace("_", "-") for word in self.options.split()]
        return "_".join([self.run, *tags])

    @property
    def results(self) -> str:
        """Folder of its results."""
        return f"results/{self.name}"

    @property
    def command(self) -> str:
        """The command that measures."""
        policy = str(PurePosixPath("runs", self.run, self.checkpoint)) if self.run in RUNS else f"baseline:{self.run}"
        words = f"teamvla bench --policy {policy} --tasks {self.tasks} --episodes {self.episodes}"
        return " ".join(f"{words} --seed-set validation {self.options} --threads 1 --out {self.results}".split())


@dataclass(frozen=True)
class Experiment:
    """A table: its title, the heads of its first columns, and what fills it."""

    title: str
    columns: tuple[str, ...]
    measurements: Sequence[Measurement]


RUNS: dict[str, str] = {}  # checkpoint name -> training command


def train(name: str, files: str, options: str) -> str:
    """Note down a training and return its name."""
    RUNS[name] = f"teamvla train {files} {options} --threads 1 --out runs/{name}"
    return name


def brain(task: str, policy: str, seed: int) -> str:
    """A policy as it is shipped, trained with some seed."""
    return train(f"{task}-{policy}-{seed}", FILES[task], f"--config {task} --policy {policy} --seed {seed}")


def shipped(options: str = "") -> list[Measurement]:
    """The policies that come with the package."""
    return [
        Measurement(name, " ".join(entry.tasks), (f"`baseline:{name}`",), options)
        for name, entry in sorted(baselines().items())
    ]


def headline() -> list[Measurement]:
    """Every task and architecture, three seeds each; the first is that of the policy that comes with the package."""
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
    """From the privileged state, with all demonstrations."""
    return [
        Measurement(train(f"{task}-state-{seed}", FILES[task], f"{STATE} --seed {seed}"), task)
        for task in TASKS
        for seed in SEEDS
    ]


def fewer() -> list[Measurement]:
    """Fewer demonstrations, from the privileged state."""
    return [Measurement(from_few(task, count), task, (str(count),)) for task in TASKS for count in DEMOS]


def from_few(task: str, count: int) -> str:
    """A policy from that many demonstrations and the privileged state."""
    return train(f"{task}-state-from-{count}", f"data/{task}_{count}.hdf5", STATE)


def helped() -> list[Measurement]:
    """DAgger, whose expert helps where the learner gets stuck, against about as many demonstrations at once."""
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
                Measurement(name, task, (f"{count}, and help in 3 times 25 episodes",), checkpoint="round_3"),
            ]
        rows.append(Measurement(from_few(task, 175), task, ("175 demonstrations",)))
    return rows


def levers() -> list[Measurement]:
    """What makes Drawer learnable, one lever at a time left out of trainings of 2,000 steps."""
    files, plain = FILES["drawer"], FILES["drawer"].removesuffix(" data/drawer_detours.hdf5")
    trained = {
        "all of them": (files, ""),
        "without detours": (plain, ""),
        "without pointing": (files, "--model.losses.pointing-weight 0"),
        "without Muon": (files, "--optimizer adamw"),
        "without openings": (files, "--opening-weight 1 --openings-first 0"),
        "none of them": (plain, "--model.losses.pointing-weight 0 --opening-weight 1 --openings-first 0"),
    }
    return [
        Measurement(
            train(f"drawer-{label.replace(' ', '-')}", data, f"{SHORT['drawer']} {options}".rstrip()),
            "drawer",
            (label,),
        )
        for label, (data, options) in trained.items()
    ]


def language() -> list[Measurement]:
    """The other goal is said; and a network that hears nothing."""
    rows = []
    for goal, said in (("the goal that was said", True), ("the other one", False)):
        for task in TASKS:
            rows.append(Measurement(task, task, (f"{task}, told another goal", goal), "--swap-instruction", said))
    for task in TASKS:
        deaf = train(f"{task}-deaf", FILES[task], f"{SHORT[task]} --language none")
        rows.append(Measurement(deaf, task, ("trained without language", "the goal of the episode")))
    return rows


def messages() -> list[Measurement]:
    """Only arm_0 is told: success by the width of a message and the share of them that gets lost."""
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
        "Every task and architecture, by the seed of the training", ("policy", "trained on", "seed 0"), headline()
    ),
    "unseen": Experiment(
        "Sentences, sizes, shades and arrangements of colors that no training has",
        ("policy",),
        shipped("--split unseen"),
    ),
    "state": Experiment("From the privileged state, by the seed of the training", (), states()),
    "demos": Experiment("Fewer demonstrations", ("demonstrations",), fewer()),
    "dagger": Experiment("DAgger, from the privileged state", ("trained on",), helped()),
    "levers": Experiment("What makes Drawer learnable: 2,000 steps", ("levers",), levers()),
    "language": Experiment("What the sentence does", ("policy", "success under"), language()),
    "messages": Experiment("What messages do", ("numbers in a message", "lost"), messages()),
}
