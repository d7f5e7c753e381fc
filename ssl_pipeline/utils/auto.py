"""The word by which an option leaves the choice to the program."""

AUTO = "auto"
