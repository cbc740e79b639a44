"""The destinations: do they answer, and do they take what we write."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from service import sending, sop_classes
from service.checks.check import Check, bad, good, noted
from service.checks.proofs import provable
from service.config import Settings, is_loopback
from service.config_peers import Destination
from service.errors import SpondylError

#: Permissions of group and others (POSIX).
_OTHERS: Final = 0o077


def destinations(settings: Settings) -> Iterator[Check]:
    """Ask every destination for a C-ECHO, and whether it takes what it is to get."""
    if not settings.destinations:
        yield noted("destinations", "none: reports stay in the spool", "add [[destinations]]")
    for destination in settings.destinations:
        yield from _destination(destination, settings)


def _destination(destination: Destination, settings: Settings) -> Iterator[Check]:
    name = f"destination {destination.name}"
    over_web = destination.protocol == "dicomweb"
    classes = [*_reports(settings), *(uid for kind in _optional(destination) for uid in sop_classes.WRITTEN[kind])]
    try:
        seconds = sending.echo(destination, calling_ae=settings.node.ae_title)
        refused = sending.refused_classes(destination, classes, calling_ae=settings.node.ae_title)
    except SpondylError as error:
        known = "knows who we are" if over_web else f"knows {settings.node.ae_title} as a caller"
        yield bad(name, str(error), f"see that {destination.where} runs and {known}", peer=True)
    else:
        if over_web:
            yield _of_dicomweb(name, destination, seconds=seconds)
            yield provable(destination, settings)
            return
        yield _taken(name, destination, settings, seconds=seconds, refused=refused)
        yield provable(destination, settings)


def _of_dicomweb(name: str, destination: Destination, *, seconds: float) -> Check:
    """Judge one that answers over DICOMweb: which SOP classes it takes, the answer to each object says."""
    found = f"answers QIDO-RS in {seconds * 1000:.1f} ms; what it takes, it says of each object"
    host = urlsplit(destination.dicomweb_url).hostname or ""
    if destination.secret_file and destination.dicomweb_url.startswith("http:") and not is_loopback(host):
        words = "password or token cross the network in the clear"
        return noted(name, f"{found}; {words}", "set dicomweb_url to https", peer=True)
    if destination.secret_file and destination.secret_file.stat().st_mode & _OTHERS:
        file = destination.secret_file.name
        return noted(name, f"{found}; others can read {file}", f"chmod 600 {file}", peer=True)
    return good(name, found, peer=True)


def _taken(name: str, destination: Destination, settings: Settings, *, seconds: float, refused: list[str]) -> Check:
    """Judge what a destination takes: of the report one SOP class is enough, the other kinds may be declined."""
    reports = [uid for uid in _reports(settings) if uid not in refused]
    if not reports:
        named = ", ".join(f"{sop_classes.NAMES[uid]} ({uid})" for uid in _reports(settings))
        return bad(
            name, f"answers, and takes our report in no SOP class: {named}", "allow one of them there", peer=True
        )
    found = f"answers in {seconds * 1000:.1f} ms and takes our reports as {sop_classes.NAMES[reports[0]]}"
    declined = [kind for kind in _optional(destination) if set(sop_classes.WRITTEN[kind]) <= set(refused)]
    if declined:
        remedy = "allow it there, or take it out of the destination's send"
        is_missed = "sagittal" in declined and settings.cites_sections
        also = "; reports may refer to the section all the same" if is_missed else ""
        return noted(name, f"{found}; does not take {', '.join(declined)}{also}", remedy, peer=True)
    return good(name, found, peer=True)


def _reports(settings: Settings) -> list[str]:
    """Return the SOP classes in which this configuration writes the structured report, best first."""
    return [sop_classes.REPORTS[word] for word in settings.report.sop_classes]


def _optional(destination: Destination) -> list[str]:
    return [kind for kind in destination.send if kind != "sr"]
