import pytest
from teamvla_eval.report.escaping import csv_cell, latex, markdown, markdown_code


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("a & b", "a &amp; b"),
        ("runs/lift_small_1", "runs/lift_small_1"),
        ("_emphasis_ *bold*", r"\_emphasis\_ \*bold\*"),
        ("[text](address) `code` a|b ~~x~~ \\", r"\[text\](address) \`code\` a\|b \~\~x\~\~ \\"),
        ("two\r\nlines", "two lines"),
    ],
)
def test_markdown_shows_the_text(text, escaped):
    assert markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "span"),
    [("teamvla bench", "`teamvla bench`"), ("a`b", "``a`b``"), ("`a``", "``` `a`` ```"), ("a\n<b>", "`a <b>`")],
)
def test_a_code_span_ends_only_at_its_end(text, span):
    assert markdown_code(text) == span


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b&c\\", r"a\_b\&c\textbackslash{}"),
        ("[lr=3]", "{[}lr=3{]}"),
        ("*a<b>|", r"{*}a\textless{}b\textgreater{}\textbar{}"),
        ("x---y-z", "x-{}-{}-y-z"),
        ("a\n\nb", "a b"),
    ],
)
def test_latex_shows_the_text(text, escaped):
    assert latex(text) == escaped


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(first):
    assert csv_cell(f"{first}1+1") == f"'{first}1+1"
    assert csv_cell(f"a{first}1") == f"a{first}1"
