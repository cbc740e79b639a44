"""Coded words for what came of asking a finder, where that is no vertebra."""

from enum import StrEnum


class FinderReason(StrEnum):
    """Why the configured finder gave nothing: the reason of a study that has nothing else, else a note."""

    #: It ended with an error or by a signal.
    FAILED = "FINDER_FAILED"
    #: It took longer than finder.time_limit_s.
    TIMED_OUT = "FINDER_TIMED_OUT"
    #: It held more memory than finder.memory_mb.
    OUT_OF_MEMORY = "FINDER_OUT_OF_MEMORY"
    #: What it answered is not of this study, or no document or object that can be read.
    ANSWER_UNUSABLE = "FINDER_ANSWER_UNUSABLE"
    #: It looked and placed no points on any vertebra.
    FOUND_NOTHING = "FINDER_FOUND_NOTHING"
    #: The study has no image that it can look at.
    HAS_NO_IMAGE = "FINDER_HAS_NO_IMAGE"
