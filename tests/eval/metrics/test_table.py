import importlib.metadata
from importlib.metadata import EntryPoint

import pytest
from teamvla_envs.errors import UserError
from teamvla_eval.metrics import table
from teamvla_eval.metrics.metric import Metric, decimals, mean
from teamvla_eval.metrics.table import BUILTIN, METRIC_GROUP, all_metrics

STEPS = Metric("length", "length", lambda trace: len(trace.phase))
TAKEN = Metric("energy", "energy", lambda trace: 0.0)
RESERVED = Metric("seed", "seed", lambda trace: 0.0)
OTHER = 3


@pytest.fixture
def register(monkeypatch):
    """Registers objects of this module as metrics for one test."""

    def register(*names):
        found = [EntryPoint(name.lower(), f"{__name__}:{name}", METRIC_GROUP) for name in names]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)
        monkeypatch.setattr(EntryPoint, "load", lambda entry: globals()[entry.attr])
        table.all_metrics.cache_clear()

    yield register
    monkeypatch.undo()
    table.all_metrics.cache_clear()


def test_registered_metrics_follow_the_built_in_ones(register):
    register("STEPS")
    assert all_metrics() == (*BUILTIN, STEPS)
    assert table.registered_metrics() == (STEPS,)


@pytest.mark.parametrize(
    ("name", "message"),
    [("TAKEN", "name 'energy', which is taken"), ("RESERVED", "'seed', which is taken"), ("OTHER", "expected Metric")],
)
def test_a_metric_that_cannot_be_registered_is_named(name, message, register):
    register(name)
    with pytest.raises(UserError, match=message):
        all_metrics()


def test_every_default_passes_the_check_of_its_metric():
    for metric in BUILTIN:
        default = list(metric.default) if isinstance(metric.default, tuple) else metric.default
        assert metric.check(default) is None


def test_episodes_without_a_value_are_left_out_of_the_mean():
    assert mean([1.0, None, 2.0]) == 1.5
    assert mean([None]) is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), ((), "–"), (2, "2"), (0.126, "0.13"), ((1.0, 0.25), "1.00 / 0.25")]
)
def test_values_are_shown_with_a_fixed_number_of_decimals(value, text):
    assert decimals(2)(value) == text
