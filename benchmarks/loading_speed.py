"""How fast demonstrations are read and batches made, beside how fast a network is trained on them.

Prints seconds to read the files (decoding them, and from the cache), and samples per second of batches made by one
thread, by the ``DataLoader`` with and without workers, and of training steps with one thread per core.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from teamvla_envs.cores import usable_cores
from teamvla_learn.data.assemble import BatchAssembler
from teamvla_learn.data.augment import Augmentation
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.loader import make_dataloader, step_generator
from teamvla_learn.data.order import SampleOrder
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.precision import native_precision
from teamvla_learn.train.schedule import Budget
from teamvla_learn.train.trainer import Trainer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("demos", nargs="+", type=Path)
    arguments.add_argument("--steps", type=int, default=60)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for name in ("decoding", "from the cache"):
            began = time.perf_counter()
            train, _, source = load_demos(options.demos, with_pixels=True, paraphrase=True, cache=Path(folder))
            print(f"reading {source.demos} demonstrations, {name}: {time.perf_counter() - began:.1f} s")
        config = TrainConfig(Budget(steps=1), precision=native_precision(), shards=usable_cores())
        tokenizer = build_tokenizer((train,))
        policy = build_policy("vla", train, source, tokenizer, None, chunk_length=1, seed=0)
        change = Augmentation(config.shift, config.brightness, config.color, config.contrast)
        assembler = BatchAssembler(train, tokenizer, 1, 32, change, tuple(policy.normalization.auxiliary))
        order = SampleOrder.over_groups(train.task, config.batch_size, seed=0)
        trainer = Trainer(policy, assembler, None, config)
        batches = range(options.steps)

        def training() -> None:
            for _ in batches:
                trainer.train_step()

        def one_thread() -> None:
            for step in batches:
                assembler.batch(order.indices(step), step_generator(0, step))

        plain = BatchAssembler(train, tokenizer, 1, 32, None, tuple(policy.normalization.auxiliary))

        def unchanged() -> None:
            for step in batches:
                plain.batch(order.indices(step))

        def loader(workers: int) -> Callable[[], None]:
            def load() -> None:
                for _ in make_dataloader(assembler, config.batch_size, batches, num_workers=workers):
                    pass

            return load

        training()  # warms up
        runs: dict[str, Callable[[], None]] = {
            f"training, {config.shards} threads": training,
            "batches, one thread": one_thread,
        }
        runs["batches without changes of the pictures, one thread"] = unchanged
        runs |= {f"batches, DataLoader with {workers} workers": loader(workers) for workers in (0, 2)}
        rates = {name: options.steps * config.batch_size / _seconds(run) for name, run in runs.items()}
        for name, rate in rates.items():
            print(f"{name}: {rate:.0f} samples/s, {rate / next(iter(rates.values())):.1f} times the training")


def _seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
