"""``teamvla train``: from a demonstration file to a checkpoint folder."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.schedule import Budget

DEFAULT_MINUTES = {"vla": 5.0, "state": 1.0}


def train(
    demos: Annotated[Path, tyro.conf.Positional],
    *,
    out: Path,
    policy: Literal["vla", "state"] = "vla",
    minutes: float | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    auxiliary: tuple[str, ...] | None = None,
    chunk_length: int = 1,
    paraphrase: bool = True,
    shift: int = 2,
    brightness: float = 0.1,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    shards: int = 2,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train a policy by behavior cloning on demonstrations.

    Stop with Ctrl-C and continue with --resume and otherwise the same arguments.

    Args:
        demos: Demonstration file of `teamvla collect`.
        out: Checkpoint folder to write.
        policy: vla sees pictures, proprioception and the sentence; state sees the privileged state.
        minutes: Training time; the learning rate is annealed by its end. Default: 5 for vla, 1 for state.
        steps: Number of steps instead, which makes the result reproducible to the last bit.
        batch_size: Samples per step.
        lr: Peak learning rate.
        seed: Seed of initial weights and shuffling.
        auxiliary: Parts of environment_state that a vla policy also learns to tell, in training only.
            Default: tool_to_grasp, object_pos, object_rot6d and goal_pos, as far as the file has them.
        chunk_length: Actions predicted at once; the first is executed.
        paraphrase: Train with every sentence that is true of a demonstration, not with its own alone.
        shift: Largest random shift of a training picture [pixels].
        brightness: Largest random change of a training picture's brightness, relative.
        precision: Number format of the convolutions; auto is bfloat16 where the processor computes with it.
        shards: Parts of a batch that are computed side by side; more of them use more cores.
        threads: CPU threads, at most one per shard; the result does not depend on them. Default: all cores.
        resume: Continue the training in the folder out.
        overwrite: Replace the folder out.
    """
    from teamvla_learn.train.run import TrainingJob, run_training

    if minutes is None and steps is None:
        minutes = DEFAULT_MINUTES[policy]
    run_training(
        TrainingJob(
            demos=demos,
            out=out,
            policy=policy,
            config=TrainConfig(
                budget=Budget(steps, minutes),
                batch_size=batch_size,
                shards=shards,
                learning_rate=lr,
                seed=seed,
                paraphrase=paraphrase,
                shift=shift,
                brightness=brightness,
                precision=precision,
            ),
            auxiliary=auxiliary,
            chunk_length=chunk_length,
            threads=threads,
            resume=resume,
            overwrite=overwrite,
        )
    )
    print(f"wrote {out}")
