"""The conformance statement against a node that listens and calls: what it says is what is negotiated."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, build_context, build_role, evt, sop_class
from pynetdicom.association import Association
from raw_caller import associate_rq
from report_samples import COMPREHENSIVE_3D, report
from servers import free_port
from typer.testing import CliRunner

from service import asking, commitment, deliver, peer, sending, sop_classes
from service.asking import Place
from service.commitment import Reference
from service.committing import Committing
from service.config import Settings, load
from service.config_peers import Destination
from service.errors import SpondylError
from service.metrics import Metrics
from service.receive import Listener
from service.spool import Spool
from service.wiring import open_node
from sr_templates.document import to_bytes
from workers.cli import app

#: What PS3.6 lists, as pydicom has it, what pynetdicom knows, and what we say we take.
SYNTAXES = sorted(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax")
SOP_CLASSES = sorted(
    {uid for uid, entry in UID_dictionary.items() if entry[1] in {"SOP Class", "Meta SOP Class"}}
    | {str(uid) for table in vars(sop_class).values() if isinstance(table, dict) for uid in table.values()}
    & {uid for uid in UID_dictionary if uid.startswith("1.2.840.10008.")}
    | set(sop_classes.ACCEPTED)
)
#: PS3.8 9.3.2.2: presentation contexts of one association.
BATCH = 128
#: (SOP class, transfer syntax)
Pairs = set[tuple[str, str]]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Give a configuration that differs from the defaults wherever the statement speaks of them."""
    file = tmp_path / "own.toml"
    file.write_text(
        f"[node]\nae_title = 'SPINE'\nstorage_commitment = true\nport = {free_port()}\n"
        "max_pdu = 65536\nmax_associations = 7\n"
        "[storage]\nroot = 'state'\nmin_free_gb = 0\n"
        "[[sources]]\nname = 'ct'\nae_titles = ['CT1']\n"
        "[[destinations]]\nname = 'all'\nae_title = 'PACS'\nhost = '127.0.0.1'\nport = 104\n"
        "send = ['sr', 'gsps', 'summary', 'pdf', 'sagittal']\nproof = 'commitment'\n"
        "[[destinations]]\nname = 'reports'\nae_title = 'ARCHIVE'\nhost = '127.0.0.1'\nport = 104\n"
        "send = ['sr']\nproof = 'query'\n",
        encoding="utf-8",
    )
    return file


def _stated(file: Path) -> dict[str, Any]:
    """Return what the command says of this configuration."""
    found: dict[str, Any] = json.loads(_printed(file, "--json"))
    return found


def _printed(file: Path, *options: str) -> str:
    answer = CliRunner().invoke(app, ["conformance", *options, "--config", str(file)])
    structlog.reset_defaults()
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def _pairs(offers: Sequence[dict[str, Any]]) -> Pairs:
    return {(offer["sop_class_uid"], syntax) for offer in offers for syntax in offer["transfer_syntaxes"]}


@contextmanager
def _listening(file: Path) -> Iterator[int]:
    """Run a listener with this configuration; give its port."""
    settings = load(file, {})
    with open_node(settings, migrated=True) as node:
        listener = Listener(
            settings=settings, spool=node.spool, ledger=node.ledger, clock=node.clock, metrics=Metrics(settings)
        )
        listener.start()
        try:
            yield listener.port
        finally:
            listener.stop()


def _call(port: int, *contexts: Any, calling: str = "CT1", called: str = "SPINE", roles: Any = None) -> Association:
    entity = AE(ae_title=calling)
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    return entity.associate("127.0.0.1", port, contexts=list(contexts), ae_title=called, ext_neg=roles)


def _accepted(port: int, asked: Sequence[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, str]]:
    """Propose each SOP class with its transfer syntaxes in a context; give what is accepted."""
    for start in range(0, len(asked), BATCH):
        association = _call(port, *[build_context(uid, list(s)) for uid, s in asked[start : start + BATCH]])
        yield from ((str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts)
        association.release()


def _every(port: int) -> Pairs:
    """Return every pair that a listener accepts, of all SOP classes and transfer syntaxes there are."""
    taken = {uid for uid, _ in _accepted(port, [(uid, SYNTAXES) for uid in SOP_CLASSES])}
    return set(_accepted(port, [(uid, [syntax]) for uid in sorted(taken) for syntax in SYNTAXES]))


def test_what_is_stated_is_what_a_listener_accepts(configuration: Path) -> None:
    """Of every SOP class and transfer syntax there is, a node that runs accepts those of its statement, no others."""
    stated = _stated(configuration)["acceptor"]["accepts"]
    with _listening(configuration) as port:
        assert _pairs(stated) == _every(port)


def test_a_listener_that_takes_more_or_less_is_found(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison has teeth: a class more and a class less are the difference between statement and node."""
    ultrasound, ct = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.2"
    stated = _pairs(_stated(configuration)["acceptor"]["accepts"])
    others = {uid: name for uid, name in sop_classes.ACCEPTED.items() if uid != ct}
    monkeypatch.setattr(sop_classes, "ACCEPTED", others | {ultrasound: "Ultrasound Image"})
    with _listening(configuration) as port:
        differ = stated ^ _every(port)

    assert {ultrasound, ct} == {uid for uid, _ in differ}


def test_the_syntax_that_is_stated_first_is_accepted(configuration: Path) -> None:
    """Where a caller offers all transfer syntaxes in one context, in any order, the first that we state wins."""
    stated = _stated(configuration)["acceptor"]["accepts"]
    offered = [(offer["sop_class_uid"], list(reversed(offer["transfer_syntaxes"]))) for offer in stated]
    with _listening(configuration) as port:
        taken = dict(_accepted(port, offered))

    assert taken == {offer["sop_class_uid"]: offer["transfer_syntaxes"][0] for offer in stated}


def test_the_association_policies_are_as_stated(configuration: Path) -> None:
    """Titles, PDU length, implementation, one operation at a time, no role selection: all as the answer says them."""
    stated = _stated(configuration)
    verification = build_context(sop_classes.VERIFICATION)
    with _listening(configuration) as port:
        association = _call(port, verification)
        answer = association.acceptor
        said = {
            "implementation_class_uid": str(answer.implementation_class_uid),
            "implementation_version_name": answer.implementation_version_name,
            "max_pdu_bytes": answer.maximum_length,
        }
        extras = answer.asynchronous_operations, answer.role_selection
        association.release()
        foreign = [_rejection(port, calling="SOMEBODY"), _rejection(port, called="OTHER")]

    assert ((1, 1), {}) == extras
    assert said == {
        "implementation_class_uid": stated["implementation_class_uid"],
        "implementation_version_name": stated["implementation_version_name"],
        "max_pdu_bytes": stated["acceptor"]["max_pdu_bytes"],
    }
    # PS3.8 9.3.4: rejected-permanent, by the service user, calling (3) and called (7) AE title not recognized.
    assert [b"\x01\x01\x03", b"\x01\x01\x07"] == foreign
    assert ("SPINE", 7, [["CT1"]]) == (
        stated["acceptor"]["ae_title"],
        stated["acceptor"]["max_associations"],
        [sender["ae_titles"] for sender in stated["senders"]],
    )


def _rejection(port: int, *, calling: str = "CT1", called: str = "SPINE") -> bytes:
    """Return result, source and reason of the A-ASSOCIATE-RJ that a caller gets.

    By hand: pynetdicom 3.0.4 as requestor at times takes the end of the connection for the answer.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, connection.makefile("rb") as reader:
        connection.sendall(associate_rq(calling=calling, called=called))
        answer = reader.read(10)
    assert answer[:1] == b"\x03"
    return answer[7:]


@pytest.mark.parametrize(("asks", "ours"), [({"scp_role": True}, "SCU"), ({"scu_role": True}, "SCP")])
def test_the_roles_are_as_stated(configuration: Path, asks: dict[str, bool], ours: str) -> None:
    """In storage commitment a caller may take either side; of all else we are SCP, whatever a caller asks."""
    stated = {offer["sop_class_uid"]: offer["roles"] for offer in _stated(configuration)["acceptor"]["accepts"]}
    some = [commitment.PUSH_MODEL, COMPREHENSIVE_3D]
    with _listening(configuration) as port:
        roles = [build_role(uid, **asks) for uid in some]
        association = _call(port, *[build_context(uid) for uid in some], roles=roles)
        taken = {str(c.abstract_syntax): c.as_scp if ours == "SCU" else c.as_scu for c in association.accepted_contexts}
        association.release()

    assert {uid: ours in stated[uid] for uid in some} == {uid: taken.get(uid, False) for uid in some}
    assert [["SCP"]] * (len(stated) - 1) == [found for uid, found in stated.items() if uid != commitment.PUSH_MODEL]


@dataclass
class Heard:
    """What was proposed to a PACS, by whom."""

    port: int = 0
    pairs: Pairs = field(default_factory=set)
    said: set[tuple[str, str, str, str | None, int | None]] = field(default_factory=set)

    def listen(self, event: evt.Event) -> None:
        """Note an A-ASSOCIATE-RQ."""
        asked = event.assoc.requestor
        self.pairs |= {(str(c.abstract_syntax), str(s)) for c in asked.requested_contexts for s in c.transfer_syntax}
        primitive = asked.primitive
        assert primitive is not None
        self.said.add(
            (
                primitive.calling_ae_title.strip(),
                primitive.called_ae_title.strip(),
                str(asked.implementation_class_uid),
                asked.implementation_version_name,
                asked.maximum_length,
            )
        )


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Give a PACS that takes every class we write and notes what it is proposed."""
    peer.silence_pynetdicom()
    state, entity = Heard(), AE(ae_title="PACS")
    for uid in (sop_classes.VERIFICATION, *sop_classes.written(("sr", *sop_classes.WRITTEN))):
        entity.add_supported_context(uid)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_REQUESTED, state.listen), (evt.EVT_C_STORE, lambda _event: 0x0000)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    state.port = server.server_address[1]
    yield state
    server.shutdown()


def _echo(destination: Destination, settings: Settings, _file: Path) -> None:
    sending.echo(destination, calling_ae=settings.node.ae_title)


def _deliver(destination: Destination, settings: Settings, file: Path) -> None:
    spool = Spool(file.parent)
    with closing(deliver.Deliverer(settings, spool, Random(1))) as deliverer:
        deliverer.send(destination, file)


def _prove(destination: Destination, settings: Settings, file: Path) -> None:
    """Ask for the proof that is configured, and report what we have as a provider."""
    title = settings.node.ae_title
    # What this PACS has no service for it refuses, after it was proposed.
    with suppress(SpondylError):
        if destination.proven_by == "commitment":
            what = Reference(sop_class_uid=COMPREHENSIVE_3D, sop_instance_uid="1.2.3")
            asking.commit(destination, what, "1.2.4", calling_ae=title, awaited=lambda: False)
        else:
            where = Place(study_instance_uid="1.2", series_instance_uid="1.3", sop_instance_uid="1.4")
            asking.find(destination, where, calling_ae=title)
    committing = Committing(settings=settings, spool=Spool(file.parent), ledger=NoStudies())
    with suppress(SpondylError):
        nothing = commitment.event_information("1.2.5", committed=[], failed=[])
        committing._call(destination, commitment.ALL_STORED, nothing)  # noqa: SLF001 - on_action does it in a thread


class NoStudies:
    """A ledger that knows no study."""

    def recent(self, limit: int) -> list[str]:
        """Return the newest ones."""
        assert limit
        return []


@pytest.mark.parametrize("name", ["all", "reports"])
def test_what_is_stated_is_what_a_destination_is_proposed(
    configuration: Path, tmp_path: Path, heard: Heard, name: str
) -> None:
    """A C-ECHO, a delivery, its proof and a report propose to a destination what is stated of it, and say who calls."""
    settings = load(configuration, {})
    stated = _stated(configuration)
    (receiver,) = (each for each in stated["receivers"] if each["name"] == name)
    destination = settings.destination(name).model_copy(update={"port": heard.port})
    file = tmp_path / "sr.dcm"
    file.write_bytes(to_bytes(report("patient", COMPREHENSIVE_3D)))
    calls: tuple[Callable[[Destination, Settings, Path], None], ...] = (_echo, _deliver, _prove)
    for call in calls:
        call(destination, settings, file)

    assert _pairs(receiver["proposes"]) == heard.pairs
    assert heard.said == {
        (
            "SPINE",
            receiver["ae_title"],
            stated["implementation_class_uid"],
            stated["implementation_version_name"],
            stated["max_pdu_bytes_as_caller"],
        )
    }


def test_the_text_says_what_the_facts_say(configuration: Path) -> None:
    """Every UID of the facts stands in the Markdown, each destination and source by name; the worksheet has ours."""
    facts = _stated(configuration)
    text, sheet = _printed(configuration), _printed(configuration, "--worksheet")
    uids = {uid for pair in _pairs(facts["acceptor"]["accepts"]) for uid in pair}

    assert [] == sorted(uid for uid in uids if uid not in text)
    assert [] == [word for word in ("SPINE", "CT1", "ARCHIVE", "Comprehensive 3D SR", "65536") if word not in text]
    assert [] == [word for word in ("SPINE", "CT1", "ARCHIVE", "Destination reports", "65536") if word not in sheet]


def test_the_worksheet_is_there_for_programs(configuration: Path) -> None:
    """With --json the worksheet has the node's titles and port, and of each destination what it must accept."""
    found = json.loads(_printed(configuration, "--worksheet", "--json"))

    assert ("spondyl.worksheet/1", "SPINE") == (found["schema"], found["node"]["ae_title"])
    assert ["all", "reports"] == [each["name"] for each in found["destinations"]]
    assert "1.2.840.10008.5.1.4.1.1.104.1" in found["destinations"][0]["sop_classes"]
    assert "1.2.840.10008.5.1.4.1.1.104.1" not in found["destinations"][1]["sop_classes"]
