"""The sentences of Handoff: which stick is passed on, and on which pad it ends up."""

from teamvla_envs.tasks.instructions import Family

# {stick}: "the yellow stick" or "the red arm's stick"; {pad}: "green" or "front".
PASS = Family(
    (
        "pass {stick} over and lay it on the {pad} pad",
        "hand {stick} over and put it on the {pad} pad",
        "give {stick} to the other arm and place it on the {pad} pad",
        "hand over {stick} and put it down on the {pad} pad",
        "pass {stick} in the air and put it on the {pad} pad",
        "move {stick} to the {pad} pad on the other side",
        "pass {stick} across the table to the {pad} pad",
        "together, bring {stick} to the {pad} pad",
        "lift {stick}, pass it over and lay it on the {pad} pad",
        "pick up {stick}, hand it over and put it on the {pad} pad",
        "{stick} belongs on the {pad} pad across the table",
        "take {stick} and pass it on to the {pad} pad",
    ),
    (
        "let the other arm put {stick} on the {pad} pad",
        "get {stick} across to the {pad} pad",
        "exchange {stick} in the air, then lay it down on the {pad} pad",
        "{stick} should end up on the {pad} pad over there",
        "bring {stick} over to the {pad} pad by handing it on",
        "pass on {stick} and set it down on the {pad} pad",
    ),
)
