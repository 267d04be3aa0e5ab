"""The errors of the activity package; their text names what a person has to look at."""


class ActivityError(Exception):
    """Work on the activity store was refused; the message says what and why."""


class UnreadableFile(ActivityError):
    """A delivered file is refused whole: cut off, not what its name says, or not readable at all."""
