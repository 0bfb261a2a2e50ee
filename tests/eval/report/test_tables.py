import csv
import io
import re
from dataclasses import replace

import pytest
from teamvla_eval.report.tables import episodes_csv, latex_table, markdown_table

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


def test_a_row_of_the_latex_table_does_not_begin_with_an_option():
    assert "\n{[}lr=3{]} & " in latex_table(make_results(make_suite("[lr=3]", 1, 0)))


def test_a_command_with_line_breaks_stays_in_the_latex_comment(results):
    table = latex_table(replace(results, command="teamvla bench\r\\input{x}\n"))
    assert table.splitlines()[1] == r"\begin{table}"


def test_raw_html_in_names_is_text_in_the_markdown_table(results):
    odd = replace(
        make_results(make_suite("<img src=x>", 1, 0)),
        settings={"seed_set": "<b>"},
        versions={"x": "<i>"},
        hardware={"cpu": "<u>"},
        git={"commit": "<s>"},
        protocol="<p>",
    )
    assert not re.search("<[a-z]", markdown_table(odd))


def test_cells_of_the_csv_are_no_formulas():
    rows = list(
        csv.DictReader(io.StringIO(episodes_csv(make_results(make_suite("=1+1", 1, 1), make_suite("-x", 0, 1)))))
    )
    assert [row["policy"] for row in rows] == ["'=1+1", "'=1+1", "'-x"]


def test_numbers_of_the_csv_stay_numbers(results):
    suite = results.suites[0]
    records = (replace(suite.records[0], episode_return=-2.5),)
    row = next(csv.DictReader(io.StringIO(episodes_csv(make_results(replace(suite, records=records))))))
    assert row["return"] == "-2.5"


def test_unstable_episodes_are_counted_in_the_markdown_table():
    suite = make_suite("x", 1, 1)
    records = (suite.records[0], replace(suite.records[1], end_reason="unstable"))
    table = markdown_table(make_results(replace(suite, records=records)))
    assert "| x | lift | – | 0.00 | 0.00 | – | 0.000 | 0 | 1 |" in table.splitlines()


def test_the_csv_has_a_row_per_episode(results):
    rows = list(csv.DictReader(io.StringIO(episodes_csv(results))))
    assert len(rows) == 20
    assert rows[0]["policy"] == "runs/x"
    assert rows[0]["seed"] == "2000000"
    assert rows[9]["success"] == "False"
    assert rows[9]["time_to_success_s"] == ""
