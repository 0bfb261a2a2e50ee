import pytest
from teamvla_eval.report.format import interval, percent, seconds


@pytest.mark.parametrize(
    ("rate", "shown"), [(0.0, "0%"), (1.0, "100%"), (0.94, "94%"), (0.999, "99.9%"), (0.002, "0.2%")]
)
def test_a_rate_never_rounds_to_certainty(rate, shown):
    assert percent(rate) == shown


def test_intervals_and_durations_are_short():
    assert interval((0.9285, 1.0)) == "93–100%"
    assert interval((0.9962, 1.0)) == "99.6–100%"
    assert interval((0.0, 0.0038)) == "0–0.4%"
    assert seconds(5.64) == "5.6 s"
    assert seconds(None) == "–"
