"""Instructions of Lift, for the bar of two arms and the tray of three and four: to a stand, or held up."""

from teamvla_envs.tasks.instructions import Paraphrases

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
PLACE = Paraphrases(_PLACE, _PLACE_UNSEEN)
HOLD = Paraphrases(
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
TRAY_PLACE = Paraphrases(
    (
        "put the tray on the {which} stand",
        "place the tray on the {which} stand",
        "set the tray down on the {which} stand",
        "carry the tray to the {which} stand",
        "lift the tray onto the {which} stand",
        "move the tray to the {which} stand together",
        "all arms, bring the tray to the {which} stand",
        "the tray belongs on the {which} stand",
        "take the tray and lay it on the {which} stand",
        "pick up the tray and put it on the {which} stand",
        "lower the tray onto the {which} stand",
        "work together and place the tray on the {which} stand",
    ),
    (
        "bring the tray over to the {which} stand",
        "lay the tray down on the {which} stand",
        "together, put the tray on top of the {which} stand",
        "get the tray onto the {which} stand",
        "the {which} stand is where the tray should go",
        "use all arms to set the tray on the {which} stand",
    ),
)
TRAY_HOLD = Paraphrases(
    (
        "hold the tray up",
        "lift the tray and hold it",
        "raise the tray and keep it in the air",
        "lift the tray up and keep it level",
        "hold the tray above the table",
        "pick up the tray and hold it up",
        "take the tray up and keep holding it",
        "keep the tray up in the air",
        "all arms, lift the tray and hold it up",
        "raise the tray together and hold it",
        "lift the tray off the table and keep it there",
        "hold the tray in the air, do not put it down",
    ),
    (
        "lift the tray and do not put it down",
        "together, raise the tray and keep it up",
        "keep the tray level above the table",
        "take the tray up in the air and hold it",
        "hold the tray up with all arms",
        "raise the tray off the table and keep holding it",
    ),
)
