"""The conformance statement and the AE worksheet as text: facts in, Markdown or plain values out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service import conformance, sop_classes
from service.config import Settings
from service.conformance import Offer
from sr_templates import codes, headers
from sr_templates.code_table import published_table
from workers.conformance.objects import COMMON, WRITTEN

SCHEMA: Final = "spondyl.conformance/1"
WORKSHEET_SCHEMA: Final = "spondyl.worksheet/1"
Json = dict[str, Any]

#: Markdown, so nothing is escaped but the bar of a cell.
_templates: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,  # noqa: S701 - no HTML; every value is of our own configuration
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_templates.filters["cell"] = lambda value: str(value).replace("|", r"\|")


def statement(settings: Settings) -> str:
    """Return the conformance statement of a node with this configuration, in the structure of PS3.2 Annex A."""
    found = conformance.network(settings)
    sets = _syntax_sets((*found.acceptor.accepts, *found.may_propose, *found.may_fetch))
    return _templates.get_template("statement.md.j2").render(
        network=found,
        settings=settings,
        sets=sets,
        set_of=lambda offer: next(name for name, syntaxes in sets.items() if syntaxes == offer.transfer_syntaxes),
        syntax_name=conformance.syntax_name,
        common=COMMON,
        objects=WRITTEN,
        reports=[sop_classes.NAMES[sop_classes.REPORTS[word]] for word in settings.report.sop_classes],
        private=[code for code in published_table()["codes"] if code["scheme"] == codes.SCHEME],
        scheme=codes,
        character_set=headers.CHARACTER_SET,
    )


def statement_json(settings: Settings) -> Json:
    """Return the facts of the statement as plain values, schema spondyl.conformance/1."""
    objects = [
        {
            "kind": each.kind,
            "sop_classes": dict(each.sop_classes),
            "attributes": {a.keyword: a.presence.value for m in (*COMMON, *each.modules) for a in m.attributes},
        }
        for each in WRITTEN
    ]
    facts = asdict(conformance.network(settings))
    return {"schema": SCHEMA} | facts | {"objects": objects, "private_codes": published_table()}


def worksheet(settings: Settings) -> str:
    """Return the sheet that two sides fill in before the first association; what we know of ours stands in it."""
    return _templates.get_template("worksheet.md.j2").render(network=conformance.network(settings), settings=settings)


def worksheet_json(settings: Settings) -> Json:
    """Return the worksheet as plain values, schema spondyl.worksheet/1."""
    found = conformance.network(settings)
    ours = {
        "ae_title": found.acceptor.ae_title,
        "bind": found.acceptor.bind,
        "port": found.acceptor.port,
        "tls": found.acceptor.tls,
        "implementation_class_uid": found.implementation_class_uid,
        "implementation_version_name": found.implementation_version_name,
    }
    keys = ("name", "protocol", "dicomweb_url", "ae_title", "host", "port", "tls", "send", "proof")
    destinations = [
        {key: asdict(each)[key] for key in keys} | {"sop_classes": [offer.sop_class_uid for offer in each.proposes]}
        for each in found.receivers
    ]
    return {
        "schema": WORKSHEET_SCHEMA,
        "node": ours,
        "sources": [asdict(each) for each in found.senders],
        "destinations": destinations,
        "archives": [
            {key: value for key, value in asdict(each).items() if key != "proposes"}
            | {"sop_classes": [offer.sop_class_uid for offer in each.proposes]}
            for each in found.archives
        ],
    }


def _syntax_sets(offers: tuple[Offer, ...]) -> dict[str, tuple[str, ...]]:
    """Return the lists of transfer syntaxes that occur, each once, by a letter: A is the one that occurs first."""
    every = dict.fromkeys(offer.transfer_syntaxes for offer in offers)
    return {chr(ord("A") + number): syntaxes for number, syntaxes in enumerate(every)}
