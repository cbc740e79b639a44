"""What this node negotiates on the network, as its listener and its calls are set up with this configuration.

Nothing here is a list of its own: the listener's contexts are those of `receive.application_entity`, a delivery's those
of `deliver.proposed`. tests/integration/test_conformance.py asks a running node for every SOP class there is, and
compares.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

import service
from service import asking, commitment, deliver, dicomweb, peer, retrieve, sop_classes
from service.config import Settings
from service.config_peers import Archive, Destination, Source
from service.receive import application_entity

#: PS3.7 A.2.1: the one application context there is.
APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
#: pynetdicom's own limit for what a peer may send us in answer to a call, bytes.
CALLER_MAX_PDU: Final = 16_382

_PROOFS: Final = frozenset({"commitment", "query"})
_SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        sop_classes.VERIFICATION: "Verification",
        commitment.PUSH_MODEL: "Storage Commitment",
        asking.FIND: "Query/Retrieve",
        retrieve.MOVE: "Query/Retrieve",
        retrieve.GET: "Query/Retrieve",
    }
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One SOP class, our roles, and the transfer syntaxes that are taken or proposed, most wanted first."""

    sop_class_uid: str
    name: str
    service: str
    #: "SCU" or "SCP", as PS3.4 names the sides of a service.
    roles: tuple[str, ...]
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Acceptor:
    """The listener."""

    ae_title: str
    bind: str
    port: int
    tls: bool
    max_associations: int
    max_pdu_bytes: int
    idle_timeout_s: float
    max_object_mb: float
    accepts: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who may call; "*" stands for any AE title, or any network."""

    name: str
    ae_titles: tuple[str, ...]
    networks: tuple[str, ...]
    #: At once.
    max_associations: int
    #: The storage SOP classes that it is offered, by UID; "*" stands for all that are accepted.
    sop_classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A destination, and what a delivery, its proof or a C-ECHO proposes to it: over DICOMweb nothing."""

    name: str
    #: "dimse", or "dicomweb": then there is a URL in the place of AE title, host and port.
    protocol: str
    dicomweb_url: str
    ae_title: str
    host: str
    port: int
    tls: bool
    timeout_s: float
    send: tuple[str, ...]
    #: What closes a delivery: commitment, query, qido, status.
    proof: str
    proposes: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The archive of a source, what is fetched from it, and how."""

    source: str
    ae_title: str
    host: str
    port: int
    tls: bool
    timeout_s: float
    patience_s: float
    #: "get" or "move".
    retrieve: str
    #: Where no rule says otherwise: "study", "seg", "prior".
    fetch: tuple[str, ...]
    proposes: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True)
class OriginServer:
    """What is served over DICOMweb (PS3.18): STOW-RS, with the SOP classes and transfer syntaxes of the listener."""

    bind: str
    port: int
    #: Below which "/studies" is.
    service_root: str
    max_requests: int


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a peer needs to know of this node."""

    version: str
    implementation_class_uid: str
    implementation_version_name: str
    application_context: str
    max_pdu_bytes_as_caller: int
    #: Whether requests of storage commitment are answered.
    provides_commitment: bool
    acceptor: Acceptor
    origin_server: OriginServer
    senders: tuple[Sender, ...]
    #: What can be proposed with any configuration of `send` and `proof`.
    may_propose: tuple[Offer, ...]
    receivers: tuple[Receiver, ...]
    #: What can be proposed to an archive, whichever way it is fetched from.
    may_fetch: tuple[Offer, ...]
    archives: tuple[Fetched, ...]


def network(settings: Settings) -> Network:
    """Return what a node with this configuration negotiates."""
    everything = Destination(name="any", ae_title="ANY", host="any", port=104, send=("sr", *sop_classes.WRITTEN))
    return Network(
        version=service.__version__,
        implementation_class_uid=peer.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=peer.IMPLEMENTATION_VERSION_NAME,
        application_context=APPLICATION_CONTEXT,
        max_pdu_bytes_as_caller=CALLER_MAX_PDU,
        provides_commitment=settings.node.storage_commitment,
        acceptor=_acceptor(settings),
        origin_server=OriginServer(
            bind=settings.web.bind,
            port=settings.web.port,
            service_root=dicomweb.SERVICE_ROOT,
            max_requests=settings.node.max_associations,
        ),
        senders=tuple(_sender(each, settings) for each in settings.sources) or (_anybody(settings),),
        may_propose=_proposes(everything, _PROOFS, provides=True),
        receivers=tuple(_receiver(each, settings) for each in settings.destinations),
        may_fetch=_fetches({"get", "move"}),
        archives=tuple(_archive(each.name, each.archive) for each in settings.sources if each.archive),
    )


def _sender(source: Source, settings: Settings) -> Sender:
    return Sender(
        name=source.name,
        ae_titles=source.ae_titles,
        networks=source.networks or ("*",),
        max_associations=source.max_associations or settings.node.max_associations,
        sop_classes=source.sop_class_uids or ("*",),
    )


def _anybody(settings: Settings) -> Sender:
    most = settings.node.max_associations
    return Sender(name="any", ae_titles=("*",), networks=("*",), max_associations=most, sop_classes=("*",))


def syntax_name(uid: str) -> str:
    """Return the name of a transfer syntax without what stands behind its colon."""
    return UID(uid).name.split(":")[0]


def _class_name(uid: str) -> str:
    known = UID(uid).name
    return f"{sop_classes.NAMES[uid]} Storage" if known == uid and uid in sop_classes.NAMES else known


def _acceptor(settings: Settings) -> Acceptor:
    node, entity = settings.node, application_entity(settings)
    return Acceptor(
        ae_title=entity.ae_title,
        bind=node.bind,
        port=node.port,
        tls=node.tls is not None,
        max_associations=entity.maximum_associations,
        max_pdu_bytes=entity.maximum_pdu_size,
        idle_timeout_s=node.idle_timeout_s,
        max_object_mb=node.max_object_mb,
        accepts=_accepts(entity.supported_contexts),
    )


def _receiver(destination: Destination, settings: Settings) -> Receiver:
    return Receiver(
        name=destination.name,
        protocol=destination.protocol,
        dicomweb_url=destination.dicomweb_url,
        ae_title=destination.ae_title,
        host=destination.host,
        port=destination.port,
        tls=destination.tls is not None,
        timeout_s=destination.timeout_s,
        send=destination.send,
        proof=destination.proven_by,
        proposes=_proposes(destination, {destination.proven_by}, provides=settings.node.storage_commitment),
    )


def _archive(source: str, archive: Archive) -> Fetched:
    return Fetched(
        source=source,
        ae_title=archive.ae_title,
        host=archive.host,
        port=archive.port,
        tls=archive.tls is not None,
        timeout_s=archive.timeout_s,
        patience_s=archive.patience_s,
        retrieve=archive.retrieve,
        fetch=archive.fetch,
        proposes=_fetches({archive.retrieve}),
    )


def _fetches(ways: Collection[str]) -> tuple[Offer, ...]:
    """Return what is proposed to an archive; objects of any class that is taken come in the role of SCP."""
    contexts = [(context, ("SCU",)) for context in retrieve.find_contexts()]
    if "move" in ways:
        contexts += [(context, ("SCU",)) for context in retrieve.move_contexts()]
    if "get" in ways:
        ask, *storage = retrieve.get_contexts(sop_classes.ACCEPTED)
        contexts += [(ask, ("SCU",)), *((context, ("SCP",)) for context in storage)]
    return _offers(contexts)


def _proposes(destination: Destination, proofs: Collection[str], *, provides: bool) -> tuple[Offer, ...]:
    """Return what is proposed to a destination: to reach it, to store, to ask for proof, to report what we have."""
    if destination.protocol == "dicomweb":
        return ()
    contexts = [build_context(sop_classes.VERIFICATION), *deliver.proposed(destination)]
    if "commitment" in proofs:
        contexts.append(commitment.context())
    if "query" in proofs:
        contexts.append(build_context(asking.FIND, list(sop_classes.UNCOMPRESSED[:2])))
    asked = [(context, ("SCU",)) for context in contexts]
    # A report goes in the role of SCP, though we open the association (PS3.4 J.3.3).
    return _offers([*asked, (commitment.context(), ("SCP",))] if provides else asked)


def _accepts(contexts: Iterable[PresentationContext]) -> tuple[Offer, ...]:
    """Return what is accepted: as SCP, unless another role is negotiated (PS3.7 D.3.3.4)."""
    return _offers([(context, ("SCU", "SCP") if context.scu_role else ("SCP",)) for context in contexts])


def _offers(contexts: Iterable[tuple[PresentationContext, tuple[str, ...]]]) -> tuple[Offer, ...]:
    """Return contexts with our roles by SOP class, in the order of the UIDs; several of one class are one offer."""
    syntaxes: dict[str, dict[str, None]] = {}
    roles: dict[str, dict[str, None]] = {}
    for context, ours in contexts:
        uid = str(context.abstract_syntax)
        syntaxes.setdefault(uid, {}).update((str(syntax), None) for syntax in context.transfer_syntax)
        roles.setdefault(uid, {}).update(dict.fromkeys(ours))
    return tuple(
        Offer(
            sop_class_uid=uid,
            name=_class_name(uid),
            service=_SERVICES.get(uid, "Storage"),
            roles=tuple(roles[uid]),
            transfer_syntaxes=tuple(syntaxes[uid]),
        )
        for uid in sorted(syntaxes, key=lambda each: [int(part) for part in each.split(".")])
    )
