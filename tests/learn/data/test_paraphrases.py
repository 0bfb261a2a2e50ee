import numpy as np
import pytest
from teamvla_envs.tasks.lift import Lift
from teamvla_learn.data.paraphrases import Paraphraser

ENV_KWARGS = {"task": "lift", "num_arms": 2, "split": "train", "randomization": "default", "image_size": 64}


def record(seed: int) -> tuple[str, dict[str, np.ndarray]]:
    """Instruction and recorded states of the beginning of a demonstration of Lift."""
    task = Lift()
    facts = task.initial_state(np.random.default_rng(seed).random((1, task.draws.count))).facts
    repeated = {f"episode.{key}": np.repeat(values, 3, axis=0) for key, values in facts.items()}
    return task.instruction(facts, 0), repeated | {"steps": np.arange(3)}


def test_a_stand_is_named_by_color_side_and_height():
    paraphrased = [Paraphraser(ENV_KWARGS).sentences(*record(seed)) for seed in range(20)]
    for sentences in paraphrased:
        words = {word for sentence in sentences for word in sentence.split()}
        if "stand" in words:
            assert len(words & {"front", "back"}) == 1
            assert len(words & {"green", "pink", "white", "black"}) == 1
            assert len({"taller"} & words) + len({"the lower stand"} & {s[-15:] for s in sentences}) == 1
    assert any(len(sentences) > 30 for sentences in paraphrased)


def test_the_recorded_instruction_comes_first():
    instruction, states = record(seed=3)
    assert Paraphraser(ENV_KWARGS).sentences(instruction, states)[0] == instruction


@pytest.mark.parametrize("env_kwargs", [{}, {"task": "juggle"}])
def test_a_task_that_is_not_installed_keeps_the_recorded_instruction(env_kwargs):
    instruction, states = record(seed=3)
    assert Paraphraser(env_kwargs).sentences(instruction, states) == (instruction,)


def test_a_demonstration_without_facts_keeps_its_instruction():
    assert Paraphraser(ENV_KWARGS).sentences("hold the bar up", {}) == ("hold the bar up",)
