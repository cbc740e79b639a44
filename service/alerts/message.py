"""What is sent: the same facts as text for a mail and as JSON for a webhook."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from service.alerts.problems import Problem

SCHEMA: Final = "spondyl.alert/1"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of one node: what is wrong, and which problems, by key, are gone."""

    #: AE title and machine.
    node: str
    #: Seconds since the epoch.
    at: float
    problems: tuple[Problem, ...] = ()
    gone: tuple[str, ...] = ()
    is_test: bool = False

    @property
    def subject(self) -> str:
        """One line."""
        if self.is_test:
            return f"Spondyl {self.node}: test of alerts"
        number = len(self.problems)
        what = f"{number} problem{'' if number == 1 else 's'}" if number else "resolved"
        return f"Spondyl {self.node}: {what}"

    @property
    def text(self) -> str:
        """Say it in plain text, one problem after the other, each with what to do."""
        lines = [f"- {each.says}\n  {each.do}" for each in self.problems]
        lines += [f"- resolved: {key.replace(':', ', ')}" for key in self.gone]
        if self.is_test:
            lines.append("This is a test. Nothing is wrong; alerts of this node arrive here.")
        return "\n".join([self.subject, "", *lines, "", f"{_utc(self.at)} UTC"]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; `text` is what chat programs show of a webhook."""
        return {
            "schema": SCHEMA,
            "node": self.node,
            "at": f"{_utc(self.at)}Z",
            "test": self.is_test,
            "problems": [
                {"kind": p.kind.value, "name": p.name, "number": p.number, "says": p.says, "do": p.do}
                for p in self.problems
            ],
            "gone": list(self.gone),
            "text": self.text,
        }


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")
