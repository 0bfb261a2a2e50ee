"""The sentences of Lift: where the bar goes, or that it is held up."""

from teamvla_envs.tasks.instructions import Family

_PLACE = (
    "put the bar on the {which} stand",
    "place the bar on the {which} stand",
    "set the bar down on the {which} stand",
    "carry the bar to the {which} stand",
    "lift the bar onto the {which} stand",
    "move the bar to the {which} stand together",
    "both arms, bring the bar to the {which} stand",
    "the bar belongs on the {which} stand",
    "take the bar and lay it on the {which} stand",
    "pick up the bar and put it on the {which} stand",
    "lower the bar onto the {which} stand",
    "work together and place the bar on the {which} stand",
)
_PLACE_UNSEEN = (
    "bring the bar over to the {which} stand",
    "lay the bar down on the {which} stand",
    "together, put the bar on top of the {which} stand",
    "get the bar onto the {which} stand",
    "the {which} stand is where the bar should go",
    "use both arms to set the bar on the {which} stand",
)
PLACE = Family(_PLACE, _PLACE_UNSEEN)
HOLD = Family(
    (
        "hold the bar up",
        "lift the bar and hold it",
        "raise the bar and keep it in the air",
        "lift the bar up and keep it level",
        "hold the bar above the table",
        "pick up the bar and hold it up",
        "take the bar up and keep holding it",
        "keep the bar up in the air",
        "both arms, lift the bar and hold it up",
        "raise the bar together and hold it",
        "lift the bar off the table and keep it there",
        "hold the bar in the air, do not put it down",
    ),
    (
        "lift the bar and do not put it down",
        "together, raise the bar and keep it up",
        "keep the bar level above the table",
        "take the bar up in the air and hold it",
        "hold the bar up with both arms",
        "raise the bar off the table and keep holding it",
    ),
)
