"""Collation of dataset samples into batches of tensors."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from teamvla_learn.data.augment import Augmentation, augment, drop_words
from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.encoders.tokenizer import PAD_TOKEN


class BatchAssembler:
    """Collates the samples of one dataset into batches.

    Args:
        dataset: Dataset.
        tokenizer: Tokenizer of the instructions; None for batches without instructions.
        chunk_length: K, actions per sample.
        max_tokens: Longer instructions are truncated to this number of tokens.
        augmentation: Strength of the random augmentation; None for no augmentation.
        auxiliary: Parts of the privileged state that the batches contain as targets; None for all.
    """

    def __init__(
        self,
        dataset: MultiTaskDataset,
        tokenizer: Tokenizer | None,
        chunk_length: int,
        max_tokens: int,
        augmentation: Augmentation | None = None,
        auxiliary: Sequence[str] | None = None,
    ):
        self.dataset = dataset
        self._chunk_length = chunk_length
        self._augmentation = augmentation if augmentation != Augmentation() else None
        self._names = tuple(dataset.parts if auxiliary is None else auxiliary)
        self._sizes = [dataset.parts[name] for name in self._names]
        parts = [dataset.part(name) for name in self._names]
        if parts:  # concatenated, so that one index operation gathers all
            self._targets = np.concatenate([values for values, _ in parts], axis=1)
            self._known = np.stack([known for _, known in parts], axis=1)
        self._tokens: np.ndarray | None = None
        if tokenizer is not None:
            self._unknown = tokenizer.unknown
            distinct = sorted({sentence for sentences in dataset.sentences for sentence in sentences})
            self._tokens = tokenizer.encode(distinct, max_tokens)
            number = {sentence: index for index, sentence in enumerate(distinct)}
            self._choices = [np.array([number[s] for s in sentences]) for sentences in dataset.sentences]

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """Return a batch of samples.

        Args:
            indices: (B,) int64, the samples.
            rng: Generator of the augmentation, which also draws one of the sentences that are true of each sample. None
                keeps the recorded instruction, words and images.
        """
        data = self.dataset
        actions, valid = data.action_chunks(indices, self._chunk_length)
        tokens, instruction = self._instructions(indices, rng)
        pixels, keypoints = self._images(indices, rng)
        observation = PolicyInput(
            pixels=pixels,
            agent_pos=torch.from_numpy(data.agent_pos[indices]),
            environment_state=torch.from_numpy(data.environment_state[indices]),
            tokens=tokens,
            instruction=instruction,
        )
        return Batch(
            observation,
            torch.from_numpy(actions),
            torch.from_numpy(valid),
            *self._auxiliary(indices),
            keypoints,
            _seed(actions, pixels),
        )

    def sweep(self, batch_size: int, limit: int) -> Iterator[Batch]:
        """Yield batches of up to ``limit`` samples, spaced evenly over the dataset, in order."""
        count = min(len(self.dataset), limit)
        chosen = np.linspace(0, len(self.dataset), count, endpoint=False, dtype=np.int64)
        for start in range(0, count, batch_size):
            yield self.batch(chosen[start : start + batch_size])

    def _auxiliary(self, indices: np.ndarray) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self._names:
            return {}, {}
        targets = torch.from_numpy(self._targets[indices]).split(self._sizes, dim=1)
        known = torch.from_numpy(self._known[indices]).unbind(1)
        return dict(zip(self._names, targets, strict=True)), dict(zip(self._names, known, strict=True))

    def _images(
        self, indices: np.ndarray, rng: np.random.Generator | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the images of every camera, and the keypoints in them."""
        pixels, keypoints = {}, {}
        for camera, block in self.dataset.pixels.items():
            images, points = block[indices], self.dataset.keypoints[camera][indices]
            if rng is not None and self._augmentation is not None:
                images, shifts = augment(images, rng, self._augmentation)
                height, width = images.shape[-3:-1]
                points = points + (shifts[:, None, ::-1] / (width, height)).astype(np.float32)
            pixels[camera], keypoints[camera] = torch.from_numpy(images), torch.from_numpy(points)
        return pixels, keypoints

    def _instructions(
        self, indices: np.ndarray, rng: np.random.Generator | None
    ) -> tuple[Tensor | None, Tensor | None]:
        if self._tokens is None:
            return None, None
        choices = [self._choices[demo] for demo in self.dataset.demo[indices]]
        draws = np.zeros(len(indices)) if rng is None else rng.random(len(indices))
        chosen = np.array([choice[int(draw * len(choice))] for choice, draw in zip(choices, draws, strict=True)])
        distinct, instruction = np.unique(chosen, return_inverse=True)
        tokens = self._tokens[distinct]
        if rng is not None and self._augmentation is not None and self._unknown is not None:
            drop_words(tokens, rng, self._augmentation.word_dropout, PAD_TOKEN, self._unknown)
        return torch.from_numpy(tokens), torch.from_numpy(instruction)


def _seed(actions: np.ndarray, pixels: Mapping[str, Tensor]) -> int:
    """Return a hash of the actions and of the middle row of every image."""
    total = int(np.ascontiguousarray(actions).view(np.int32).sum(dtype=np.int64))
    for image in pixels.values():
        total = 31 * total + int(image[:, image.shape[1] // 2].sum(dtype=torch.int64))
    return total % 2**63
