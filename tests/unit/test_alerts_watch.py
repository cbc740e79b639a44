"""Who is told what, and when."""

import json

from service.alerts.message import Message
from service.alerts.problems import Kind, Look, Problem
from service.alerts.watch import SURE_S, Memory
from service.config_alerts import Alerts

ALERTS = Alerts(every_min=15, repeat_h=24)
MINUTE, HOUR = 60.0, 3600.0


def _problem(kind: Kind = Kind.DESTINATION, name: str = "pacs", number: int = 0) -> Problem:
    return Problem(kind=kind, name=name, says="it does not answer", do="ask them", number=number)


def _tell(memory: Memory, now: float, *problems: Problem, unknown: frozenset[Kind] = frozenset()) -> Message | None:
    """Look, and send what is due; return the message."""
    found = Look(problems=problems, unknown=unknown)
    memory.notice(found, now)
    message = memory.message("mail", found, ALERTS, node="SPONDYL", now=now)
    if message:
        memory.tell("mail", message)
    return message


def test_a_problem_is_told_once_it_has_lasted() -> None:
    """What is there for a moment is not told; what lasts is told once, not at every look."""
    memory = Memory()

    assert _tell(memory, 0, _problem()) is None
    assert _tell(memory, SURE_S - 1, _problem()) is None
    told = _tell(memory, SURE_S, _problem())
    assert told
    assert ["destination_down:pacs"] == [each.key for each in told.problems]
    assert _tell(memory, 2 * HOUR, _problem()) is None


def test_a_problem_that_went_and_came_counts_anew() -> None:
    """A destination that answers again meanwhile must fail for as long again before anybody is told."""
    memory = Memory()
    _tell(memory, 0, _problem())
    _tell(memory, 30)

    assert _tell(memory, SURE_S + 10, _problem()) is None


def test_a_problem_that_stays_is_told_again_the_next_day() -> None:
    """After repeat_h hours, and not before."""
    memory = Memory()
    _tell(memory, 0, _problem())
    _tell(memory, SURE_S, _problem())

    assert _tell(memory, SURE_S + 24 * HOUR - 1, _problem()) is None
    assert _tell(memory, SURE_S + 24 * HOUR, _problem())


def test_messages_are_rate_limited_and_put_together() -> None:
    """Within every_min minutes of a message none goes; what came up meanwhile goes in one."""
    memory = Memory()
    _tell(memory, 0, _problem())
    _tell(memory, SURE_S, _problem())
    every = [_problem(), *[_problem(Kind.FAILED, word, 1) for word in ("ae_title", "refused", "time_limit")]]
    sent = [_tell(memory, SURE_S + minute * MINUTE, *every) for minute in range(1, 17)]

    assert [None] * 14 == sent[:14]
    assert sent[14]
    assert 3 == len(sent[14].problems)
    assert sent[15] is None


def test_more_of_it_is_news_and_less_is_not() -> None:
    """One more failed study is told; fewer are not, and a rise after that is."""
    memory = Memory()
    counts = (2, 2, 3, 1, 2)
    told = [_tell(memory, at * HOUR, _problem(Kind.FAILED, "refused", count)) for at, count in enumerate(counts)]

    assert [None, 2, 3, None, 2] == [each.problems[0].number if each else None for each in told]


def test_what_is_gone_is_said() -> None:
    """A problem that was told and is no more is said to be resolved, once; one that nobody heard of is not."""
    memory = Memory()
    _tell(memory, 0, _problem())
    _tell(memory, SURE_S, _problem())
    gone = _tell(memory, HOUR)

    assert gone
    assert (("destination_down:pacs",), ()) == (gone.gone, gone.problems)
    assert _tell(memory, 2 * HOUR) is None


def test_what_cannot_be_seen_is_not_gone() -> None:
    """While the ledger does not answer nothing that stands in it is said to be resolved, nor told again after it."""
    memory = Memory()
    _tell(memory, 0, _problem())
    _tell(memory, SURE_S, _problem())
    unknown = frozenset({Kind.DESTINATION})

    assert _tell(memory, HOUR, unknown=unknown) is None
    assert _tell(memory, 2 * HOUR, _problem()) is None


def test_what_was_told_survives_a_restart() -> None:
    """A memory that was written and read again is the same; text of another kind gives an empty one."""
    memory = Memory()
    _tell(memory, 0, _problem(number=3))
    _tell(memory, SURE_S, _problem(number=3))
    again = Memory.read(json.dumps(memory.as_json()))

    assert memory == again
    assert [Memory()] * 3 == [Memory.read(text) for text in ("", "[]", '{"told": 1}')]


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    """Told by a clock that was years ahead: by the right one what is new is told after every_min, what stays daily."""
    memory, ahead, now = Memory(), 2_000_000_000.0, 1_800_000_000.0
    _tell(memory, ahead, _problem())
    _tell(memory, ahead + SURE_S, _problem())
    memory = Memory.read(json.dumps(memory.as_json()))
    both = _problem(), _problem(Kind.NO_WORKER, "")

    assert _tell(memory, now, *both) is None
    news, all_of_it = _tell(memory, now + 15 * MINUTE, *both), _tell(memory, now + 24 * HOUR, *both)
    assert news
    assert all_of_it
    assert ["no_worker"] == [each.key for each in news.problems]
    assert ["destination_down:pacs"] == [each.key for each in all_of_it.problems]


def test_a_message_says_what_to_do() -> None:
    """Subject and text name the node, each problem and what to do about it, and what is resolved; so does the JSON."""
    message = Message(node="SPONDYL at n1", at=0.0, problems=(_problem(),), gone=("disk",))

    assert "Spondyl SPONDYL at n1: 1 problem" == message.subject
    assert message.text.splitlines()[2:5] == ["- it does not answer", "  ask them", "- resolved: disk"]
    assert ("spondyl.alert/1", "1970-01-01T00:00:00Z") == (message.as_json()["schema"], message.as_json()["at"])
    assert message.text == message.as_json()["text"]
