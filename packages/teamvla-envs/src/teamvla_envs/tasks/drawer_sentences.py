"""Instructions of Drawer: the cube, and the drawer that it goes into."""

from teamvla_envs.tasks.instructions import Paraphrases

# {cube}: "a yellow cube" or "a bigger cube"; {drawer}: "the bottom drawer" or "the green drawer".
INTO = Paraphrases(
    (
        "put {cube} into {drawer}",
        "open {drawer} and put {cube} into it",
        "open {drawer}, put {cube} into it and close it",
        "place {cube} in {drawer} and shut it",
        "store {cube} in {drawer}",
        "pull {drawer} open, drop {cube} into it and close it again",
        "{cube} belongs in {drawer}",
        "pick up {cube} and lay it into {drawer}",
        "hold {drawer} open and put {cube} into it",
        "together, put {cube} away in {drawer}",
        "take {cube} and put it into {drawer}",
        "put {cube} into {drawer} and close the drawer",
    ),
    (
        "get {cube} into {drawer}",
        "{drawer} is where {cube} should go",
        "one arm opens {drawer}, the other puts {cube} inside",
        "keep {drawer} open until {cube} is in it, then shut it",
        "leave {cube} inside {drawer}",
        "stow {cube} away, use {drawer}",
    ),
)
# {arm}: "red", the arm on the side of the handle.
OPENER = Paraphrases(
    (
        "let the {arm} arm open its drawer and put {cube} into it",
        "put {cube} into the {arm} arm's drawer",
        "the {arm} arm opens its drawer, the other puts {cube} into it",
        "open the drawer of the {arm} arm and put {cube} into it",
        "while the {arm} arm holds its drawer open, put {cube} into it",
        "store {cube} in the drawer that the {arm} arm can open",
        "the {arm} arm pulls its drawer open for {cube}",
        "{cube} belongs in the {arm} arm's drawer",
        "put {cube} into the drawer of the {arm} arm and close it",
        "have the {arm} arm open and close its drawer around {cube}",
        "place {cube} in the {arm} arm's drawer and shut it",
        "let the {arm} arm hold its drawer open and drop {cube} into it",
    ),
    (
        "get {cube} into the drawer that the {arm} arm pulls open",
        "the {arm} arm opens up, the other arm puts {cube} inside",
        "the drawer of the {arm} arm is where {cube} should go",
        "with the {arm} arm at the handle, put {cube} away",
        "the {arm} arm's drawer should end up with {cube} in it",
        "leave {cube} inside the drawer of the {arm} arm",
    ),
)
