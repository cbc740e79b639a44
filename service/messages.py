"""The only contract between the node and its workers: task names, queue names, and one id.

Names start with the product's name, never with a module path: a renamed module must not lose queued messages.
"""

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does; the value is the Celery task name and the queue's name."""

    #: Turn one settled revision of a study into findings and a report.
    MEASURE = "spondyl.measure"
    #: Send the waiting reports of one destination.
    DELIVER = "spondyl.deliver"
