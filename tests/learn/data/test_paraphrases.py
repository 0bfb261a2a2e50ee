from dataclasses import dataclass, field

import numpy as np
import pytest
from teamvla_envs.tasks.lift import Lift
from teamvla_learn.data.paraphrases import Paraphraser

ENV_KWARGS = {"task": "lift", "num_arms": 2, "split": "train", "randomization": "default", "image_size": 64}


@dataclass
class RecordedDemo:
    """What a paraphraser reads of a demonstration."""

    instruction: str
    states: dict[str, np.ndarray] = field(default_factory=dict)


def record(seed: int) -> RecordedDemo:
    """A demonstration of Lift of which only the beginning is known."""
    task = Lift()
    facts = task.start(np.random.default_rng(seed).random((1, task.draws))).episode
    repeated = {f"episode.{key}": np.repeat(values, 3, axis=0) for key, values in facts.items()}
    return RecordedDemo(task.instruction(facts, 0), repeated | {"steps": np.arange(3)})


@pytest.mark.skipif(not hasattr(Lift, "sentences"), reason="the task does not tell all true sentences yet")
def test_a_stand_is_named_by_color_side_and_height():
    told = [Paraphraser(ENV_KWARGS).sentences(record(seed)) for seed in range(20)]
    for sentences in told:
        words = {word for sentence in sentences for word in sentence.split()}
        if "stand" in words:
            assert len(words & {"front", "back"}) == 1
            assert len(words & {"green", "pink", "white", "black"}) == 1
            assert len({"taller"} & words) + len({"the lower stand"} & {s[-15:] for s in sentences}) == 1
    assert any(len(sentences) > 30 for sentences in told)


def test_the_sentence_that_was_told_comes_first():
    demo = record(seed=3)
    assert Paraphraser(ENV_KWARGS).sentences(demo)[0] == demo.instruction


@pytest.mark.parametrize("env_kwargs", [{}, {"task": "juggle"}])
def test_a_task_that_nobody_knows_leaves_the_told_sentence(env_kwargs):
    assert Paraphraser(env_kwargs).sentences(record(seed=3)) == (record(seed=3).instruction,)


def test_a_demonstration_without_facts_keeps_its_sentence():
    assert Paraphraser(ENV_KWARGS).sentences(RecordedDemo("hold the bar up")) == ("hold the bar up",)
