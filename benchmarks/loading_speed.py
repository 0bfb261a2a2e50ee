"""Speed of reading demonstrations and assembling batches, next to the speed of training on them.

Prints seconds to read the files (decoding them, and from the cache), and samples per second: of training steps on one
core and on all, and of batches made on as many, by a plain loop and by the ``DataLoader``.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from teamvla_envs.cores import usable_cores
from teamvla_learn.data.augment import Augmentation
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.loader import make_dataloader, step_generator
from teamvla_learn.data.sampler import BatchSampler
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.config import Budget, TrainConfig, native_precision
from teamvla_learn.train.trainer import Trainer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("demos", nargs="+", type=Path)
    arguments.add_argument("--steps", type=int, default=200)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for name in ("decoding", "from the cache"):
            began = time.perf_counter()
            train, _, source = load_demos(options.demos, with_pixels=True, paraphrase=True, cache=Path(folder))
            print(f"reading {source.demos} demonstrations, {name}: {time.perf_counter() - began:.1f} s")
        cores = usable_cores()
        config = TrainConfig(Budget(steps=1), precision=native_precision(), shards=cores)
        tokenizer = build_tokenizer((train,))
        policy = build_policy("vla", TrainingData(train, source, tokenizer), seed=0)
        change = Augmentation(config.shift, config.brightness, config.color, config.contrast, config.word_dropout)
        assembler = BatchAssembler(train, tokenizer, 1, 32, change, tuple(policy.normalization.auxiliary))
        order = BatchSampler.over_groups(train.task, config.batch_size, seed=0)
        batches = range(options.steps)

        def training(threads: int) -> float:
            trainer = Trainer(policy, assembler, None, config, threads)
            trainer.train_step()  # warms up
            return _seconds(trainer.train_step() for _ in batches)

        def loading(workers: int) -> float:
            return _seconds(make_dataloader(assembler, config.batch_size, batches, num_workers=workers))

        samples = options.steps * config.batch_size
        for count in sorted({1, cores}):
            trained = samples / training(count)
            print(f"training on {count} of {cores} cores: {trained:.0f} samples/s")
            made = {f"DataLoader with {count} workers": loading(count)}
            if count == 1:
                loop = (assembler.batch(order.indices(step), step_generator(0, step)) for step in batches)
                made = {"a loop": _seconds(loop), "DataLoader without workers": loading(0)} | made
            for name, seconds in made.items():
                print(
                    f"  batches by {name}: {samples / seconds:.0f} samples/s, {samples / seconds / trained:.1f} times"
                )


def _seconds(work: Iterable[object]) -> float:
    began = time.perf_counter()
    for _ in work:
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
