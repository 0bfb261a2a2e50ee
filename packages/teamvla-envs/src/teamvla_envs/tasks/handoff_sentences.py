"""Instructions of Handoff: the stick to pass on, and the pad on which it ends up."""

from teamvla_envs.tasks.instructions import Paraphrases

# {stick}: "the yellow stick" or "the red arm's stick"; {pad}: "green" or "front". For two arms.
PASS = Paraphrases(
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
# {arm}: "teal", the last arm, in front of which the pad lies. For more than two arms.
RELAY = Paraphrases(
    (
        "pass {stick} from arm to arm and lay it on the {arm} arm's {pad} pad",
        "hand {stick} on until the {arm} arm puts it on its {pad} pad",
        "all arms pass {stick} on, the {arm} arm lays it on its {pad} pad",
        "pass {stick} around the table to the {arm} arm's {pad} pad",
        "let {stick} go through every hand to the {arm} arm's {pad} pad",
        "together, bring {stick} to the {pad} pad of the {arm} arm",
        "pick up {stick}, hand it on and on, and put it on the {pad} pad of the {arm} arm",
        "every arm takes {stick} once, it ends on the {arm} arm's {pad} pad",
        "{stick} goes around the table onto the {pad} pad of the {arm} arm",
        "relay {stick} to the {arm} arm, which puts it down on its {pad} pad",
        "take {stick} and pass it on from hand to hand to the {arm} arm's {pad} pad",
        "give {stick} from one arm to the next and place it on the {pad} pad of the {arm} arm",
    ),
    (
        "{stick} should end up on the {arm} arm's {pad} pad, by way of all arms",
        "send {stick} round, the {arm} arm sets it down on its {pad} pad",
        "each arm gets {stick} in turn until it lies on the {pad} pad of the {arm} arm",
        "get {stick} to the {arm} arm's {pad} pad, one arm after the other",
        "hand over hand, move {stick} to the {pad} pad of the {arm} arm",
        "let the {arm} arm finish the round of {stick} on its {pad} pad",
    ),
)
