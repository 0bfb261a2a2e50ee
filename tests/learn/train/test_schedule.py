import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.train.config import Budget, learning_rate_factor


def test_the_learning_rate_warms_up_and_ends_at_almost_nothing():
    factors = [learning_rate_factor(step / 1000, step, warmup_steps=100, final=0.02) for step in range(1001)]
    assert factors[0] == pytest.approx(0.01, rel=0.01)
    assert max(factors) == pytest.approx(1.0, abs=0.03)
    assert factors[-1] == pytest.approx(0.02)


def test_a_budget_of_minutes_is_spent_by_time_and_one_of_steps_by_steps():
    assert Budget(minutes=2).progress(step=10**6, elapsed_s=60) == 0.5
    assert Budget(steps=200).progress(step=50, elapsed_s=10**6) == 0.25
    assert Budget(steps=200).progress(step=300, elapsed_s=0) == 1.0


@pytest.mark.parametrize(
    "budget", [{}, {"steps": 5, "minutes": 1.0}, {"steps": 0}, {"minutes": 0.0}, {"minutes": float("nan")}]
)
def test_an_impossible_budget_is_refused(budget):
    with pytest.raises(UserError, match=r"steps|minutes"):
        Budget(**budget)
