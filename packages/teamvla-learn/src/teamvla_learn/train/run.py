"""A complete training: load demonstrations, make the network, train, and keep the run folder consistent."""

import copy
import math
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from teamvla_envs.cores import usable_cores
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts, interrupt_noted

from teamvla_learn.data.augment import Augmentation
from teamvla_learn.data.cache import default_folder
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import Checkpoint, load_checkpoint, save_weights
from teamvla_learn.policies.checkpoint_info import CheckpointInfo
from teamvla_learn.policies.registry import get_architecture
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer, check_sentences, describe
from teamvla_learn.train.config import TrainConfig, native_precision
from teamvla_learn.train.data_parallel import Processes, join_processes
from teamvla_learn.train.init_from import load_initial_policy
from teamvla_learn.train.logging import append_row, cut_log, event_file, reading_progress, training_progress
from teamvla_learn.train.run_folder import BestCheckpoint, check_out, check_same, create_folder, load_state, save_state
from teamvla_learn.train.settings import Settings
from teamvla_learn.train.trainer import LogRow, Trainer
from teamvla_learn.train.validate import success_rates

SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class TrainingJob:
    """Arguments of a training.

    Attributes:
        demos: Demonstration files.
        out: Run folder, which is also the checkpoint folder.
        settings: Everything that determines the result besides the demonstrations.
        init_from: Checkpoint folder with the initial network, weights and normalization; None for a new network.
        threads: CPU threads; None for all cores, at most one per shard.
        cache: Whether to cache decoded images on disk.
        tensorboard: Whether to write TensorBoard event files.
        resume: Whether to resume the training in the folder.
        overwrite: Whether to replace the training in the folder.
    """

    demos: Sequence[Path]
    out: Path
    settings: Settings = field(default_factory=Settings)
    init_from: Path | None = None
    threads: int | None = None
    cache: bool = True
    tensorboard: bool = True
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class _Prepared:
    """A training that is ready to start."""

    trainer: Trainer
    tokenizer: Tokenizer | None
    info: CheckpointInfo


def run_training(job: TrainingJob) -> None:
    """Train a policy and save it as a checkpoint folder.

    Under ``torchrun`` every process calls this function with the same job.

    Raises:
        UserError: For invalid input, before anything is written; or when the training diverges.
        KeyboardInterrupt: When it is interrupted; the folder is complete and can be resumed.
    """
    if job.threads is not None and job.threads < 1:
        raise UserError(f"threads is {job.threads}, expected at least 1")
    check_out(job.out, job.resume, job.overwrite)
    device = _device(job.settings.train.device)
    with deferred_interrupts(), join_processes(device.type) as processes:
        if not processes.leads:
            processes.wait()  # the first process decodes the demonstrations into the cache
        with reading_progress() if processes.leads else nullcontext(lambda total: None) as on_demo:
            architecture = get_architecture(job.settings.policy)
            train, valid, source = load_demos(
                job.demos,
                architecture.obs_mode != "state",
                architecture.has_option("language") and job.settings.train.paraphrase,
                on_demo,
                default_folder() if job.cache else None,
            )
        if processes.leads:
            processes.wait()
        job = replace(job, settings=replace(job.settings, train=_settle_precision(job, processes)))
        prepared = _prepare(job, train, valid, source, processes, device)
        if job.resume:
            check_same(job.out, prepared.trainer.policy, prepared.info)
            load_state(job.out, prepared.trainer)
            if processes.leads:
                cut_log(job.out, prepared.trainer.step)
        elif processes.leads:
            create_folder(job.out, prepared.trainer, prepared.info, _settings_file(job))
        processes.wait()
        with _one_thread_per_operation():
            _train(job, prepared, processes)


def _train(job: TrainingJob, prepared: _Prepared, processes: Processes) -> None:
    trainer, out, saved = prepared.trainer, job.out, time.monotonic()
    best = BestCheckpoint(out) if processes.leads else None

    def save() -> None:
        """Save weights and state, if the weights are finite."""
        nonlocal saved
        _check_finite(trainer)
        save_weights(out, trainer.average.policy)
        save_state(out, trainer)
        saved = time.monotonic()

    with ExitStack() as stack:
        show = stack.enter_context(training_progress(trainer)) if processes.leads else None
        events = job.tensorboard and processes.leads
        add_events = stack.enter_context(event_file(out, trainer.step)) if events else lambda row: None

        def on_step() -> bool:
            if processes.leads and time.monotonic() - saved > SAVE_EVERY_S:
                save()
            return interrupt_noted()

        def on_log(row: LogRow) -> None:
            loss = row["train"]["total"]
            if not math.isfinite(loss):
                raise _diverged(trainer, f"the loss is {loss}")
            if best is None or show is None:
                return
            append_row(out, row)
            add_events(row)
            show(row)
            if "success" in row:
                _check_finite(trainer)
                rates = row["success"].values()
                best.offer(trainer.average.policy, prepared.info, row["step"], sum(rates) / len(rates))

        act = (lambda: _act(job, prepared)) if job.settings.train.validate_episodes else None
        trainer.run(on_step, on_log, act)
        _check_finite(trainer)
        if processes.leads:
            save()
    if trainer.progress < 1.0:
        message = f"at step {trainer.step}; continue with --resume"
        check_interrupt(message)
        raise KeyboardInterrupt(message)  # in the other processes of several


def _check_finite(trainer: Trainer) -> None:
    for policy in (trainer.policy, trainer.average.policy):
        for name, weights in policy.state_dict().items():
            if not weights.isfinite().all():
                raise _diverged(trainer, f"the weights {name} are not finite")


def _diverged(trainer: Trainer, reason: str) -> UserError:
    return UserError(
        f"training diverged by step {trainer.step}: {reason}; the checkpoint keeps the last finite weights; "
        "use a smaller lr"
    )


def _act(job: TrainingJob, prepared: _Prepared) -> dict[str, float]:
    """Return the success rates of the weight average, on the CPU."""
    policy = prepared.trainer.average.policy
    if next(policy.parameters()).device.type != "cpu":
        policy = copy.deepcopy(policy).cpu()
    checkpoint = Checkpoint(policy, prepared.tokenizer, prepared.info)
    return success_rates(checkpoint, job.settings.train.validate_episodes, job.threads)


def _prepare(
    job: TrainingJob,
    train: MultiTaskDataset,
    valid: MultiTaskDataset,
    source: DemoSource,
    processes: Processes,
    device: torch.device,
) -> _Prepared:
    config = job.settings.train
    if job.init_from is not None:  # the network is trained already
        config = replace(config, openings_first=0)
    policy, tokenizer = _network(job, train, valid, source)
    info = describe(policy, tokenizer, source, config)
    if job.init_from is not None:
        info = replace(info, training={**info.training, "init_from": job.init_from.name})
    max_tokens = policy.config.language.max_tokens if tokenizer else 0
    if tokenizer and policy.config.language.encoder != "none":
        check_sentences((train, valid), tokenizer, max_tokens)
    targets = tuple(policy.normalization.auxiliary)
    chunk_length = policy.config.space.chunk_length
    change = Augmentation(config.shift, config.brightness, config.color, config.contrast, config.word_dropout)
    assemble = [BatchAssembler(data, tokenizer, chunk_length, max_tokens, change, targets) for data in (train, valid)]
    threads = min(job.threads or usable_cores(), max(config.shards // processes.size, 1))
    trainer = Trainer(policy.to(device), assemble[0], assemble[1] if len(valid) else None, config, threads, processes)
    return _Prepared(trainer, tokenizer, info)


def _network(
    job: TrainingJob, train: MultiTaskDataset, valid: MultiTaskDataset, source: DemoSource
) -> tuple[LearnedPolicy, Tokenizer | None]:
    settings = job.settings
    if job.init_from is not None:
        return load_initial_policy(job.init_from, settings.policy, train, source)
    language = getattr(settings.model, "language", None)
    reads = get_architecture(settings.policy).has_option("language")
    tokenizer = build_tokenizer((train, valid), language) if reads else None
    data = TrainingData(train, source, tokenizer, settings.chunk_length, settings.auxiliary)
    return build_policy(settings.policy, data, settings.train.seed, settings.model), tokenizer


def _settings_file(job: TrainingJob) -> str:
    init_from = f" --init-from {job.init_from}" if job.init_from else ""
    command = f"teamvla train {' '.join(map(str, job.demos))} --out OTHER_FOLDER{init_from} --config THIS_FILE"
    return f"# {command}\n{job.settings.to_yaml()}"


@contextmanager
def _one_thread_per_operation() -> Generator[None]:
    """Disable threads inside torch operations; see :mod:`teamvla_learn.train.data_parallel`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device is {name!r}, expected cpu, cuda or cuda:NUMBER") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device is {name!r}, expected cpu, cuda or cuda:NUMBER")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device is {name!r}, but torch finds no CUDA device here; use cpu")
    return device


def _settle_precision(job: TrainingJob, processes: Processes) -> TrainConfig:
    config = job.settings.train
    if config.precision != "auto":
        return config
    if job.resume:
        stored = load_checkpoint(job.out).info.training.get("precision")
        if stored in ("float32", "bfloat16"):
            return replace(config, precision=stored)
    fast = config.device != "cpu" or native_precision() == "bfloat16"
    (agreed,) = processes.broadcast(fast)
    return replace(config, precision="bfloat16" if agreed else "float32")
