import numpy as np
import pytest
from teamvla_learn.data.sampler import BatchSampler


def test_every_epoch_visits_every_sample_once():
    order = BatchSampler([np.arange(10)], batch_size=4, seed=3)
    stream = np.concatenate([order.indices(step) for step in range(5)])
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10].tolist() != stream[10:].tolist()


def test_a_batch_depends_on_seed_and_step_alone():
    walked = BatchSampler([np.arange(100)], batch_size=8, seed=1)
    for step in range(30):
        walked.indices(step)
    assert np.array_equal(walked.indices(30), BatchSampler([np.arange(100)], batch_size=8, seed=1).indices(30))
    assert not np.array_equal(walked.indices(30), BatchSampler([np.arange(100)], batch_size=8, seed=2).indices(30))


def test_a_batch_may_be_larger_than_an_epoch():
    assert sorted(BatchSampler([np.arange(3)], batch_size=6, seed=0).indices(0)) == [0, 0, 1, 1, 2, 2]


def test_tasks_of_any_size_get_equal_shares():
    task = np.array([0] * 90 + [1] * 6 + [2] * 30)
    order = BatchSampler.over_groups(task, batch_size=9, seed=0)
    for step in range(10):
        assert np.bincount(task[order.indices(step)]).tolist() == [3, 3, 3]
    epoch = np.concatenate([order.indices(step) for step in range(2)])
    assert sorted(epoch[task[epoch] == 1]) == list(range(90, 96))


def test_a_task_without_samples_is_refused():
    with pytest.raises(ValueError, match="expected at least 1"):
        BatchSampler([np.arange(3), np.arange(0)], batch_size=2, seed=0)


def test_a_sample_that_comes_more_often_does_so_in_every_epoch():
    order = BatchSampler.over_groups(np.zeros(6, np.int64), 10, seed=0, times=np.array([1, 1, 5, 1, 1, 1]))
    drawn = np.concatenate([order.indices(step) for step in range(6)])
    assert np.bincount(drawn).tolist() == [6, 6, 30, 6, 6, 6]
