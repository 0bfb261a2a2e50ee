import csv
import io

import pytest
from teamvla_eval.tables import episodes_csv, latex_table, markdown_table

from tests.eval.episodes import make_results, make_suite


@pytest.fixture
def results():
    return make_results(make_suite("runs/x", 9, 1), make_suite("random", 0, 10))


def test_the_markdown_table_has_a_row_per_policy_and_goal(results):
    lines = markdown_table(results).splitlines()
    assert "| runs/x | lift | 10 | 90% | 60–98% | 4.8 s |" in lines
    assert "| random | lift | 10 | 0% | 0–28% | – |" in lines
    assert "| runs/x | lift | stand_front | 4 | 75% | 30–95% | 4.8 s |" in lines


def test_every_markdown_table_has_as_many_cells_in_every_row(results):
    blocks = markdown_table(results).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_the_comparison_is_in_the_markdown_table(results):
    assert "| runs/x – random | lift | 9 | 0 | +90.0 (+70.0 to +100.0) | 0.0039 |" in markdown_table(results)


def test_a_pipe_in_a_policy_name_does_not_break_the_table():
    odd = make_results(make_suite("a|b", 1, 0))
    assert r"| a\|b | lift | 1 | 100%" in markdown_table(odd)


def test_the_latex_table_has_a_row_per_policy_and_a_column_per_task(results):
    lines = latex_table(make_results(make_suite("runs/x", 9, 1), make_suite("runs/x", 5, 5, "drawer"))).splitlines()
    assert r"    Policy & Lift & Drawer & Mean \\" in lines
    row = next(line for line in lines if line.startswith("runs/x"))
    assert row.count("&") == 3
    assert r"90.0 {\scriptsize [59.6, 98.2]}" in row


def test_latex_specials_are_escaped():
    assert r"a\_b\&c\textbackslash{}" in latex_table(make_results(make_suite("a_b&c\\", 1, 0)))


def test_the_csv_has_a_row_per_episode(results):
    rows = list(csv.DictReader(io.StringIO(episodes_csv(results))))
    assert len(rows) == 20
    assert rows[0]["policy"] == "runs/x"
    assert rows[0]["seed"] == "2000000"
    assert rows[9]["success"] == "False"
    assert rows[9]["time_to_success_s"] == ""
