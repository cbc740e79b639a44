"""The destinations: can they prove that they have what they stored."""

from typing import Final

from pydicom.uid import generate_uid

from service import asking, sop_classes
from service.asking import Place
from service.checks.check import Check, bad, good, noted
from service.commitment import Reference
from service.config import Settings
from service.config_peers import Destination
from service.errors import SpondylError
from service.listed import is_listed

_FOUND: Final = {
    "commitment": "takes requests for storage commitment",
    "query": "answers C-FIND",
    "qido": "answers QIDO-RS",
    "status": "the status of its answer is trusted, as the configuration says",
}


def provable(destination: Destination, settings: Settings) -> Check:
    """Ask a destination for proof of an object that nobody has: what counts is that it answers."""
    name = f"destination {destination.name}, proof"
    if destination.proven_by == "status" and destination.proof is None:
        remedy = 'set proof to "commitment", "query" or "qido"; to "status" where its answer is trusted'
        return noted(name, "not said: a delivery is closed by the status of its C-STORE", remedy, peer=True)
    try:
        _ask(destination, settings)
    except SpondylError as error:
        return bad(name, str(error), f"allow it there for {settings.node.ae_title}, or set another proof", peer=True)
    return good(name, _FOUND[destination.proven_by], peer=True)


def _ask(destination: Destination, settings: Settings) -> None:
    study, series, instance, transaction = (str(generate_uid(prefix=None)) for _ in range(4))
    place = Place(study_instance_uid=study, series_instance_uid=series, sop_instance_uid=instance)
    calling_ae = settings.node.ae_title
    match destination.proven_by:
        case "commitment":
            sop_class = sop_classes.REPORTS[settings.report.sop_classes[0]]
            reference = Reference(sop_class_uid=sop_class, sop_instance_uid=instance)
            asking.commit(destination, reference, transaction, calling_ae=calling_ae, awaited=lambda: False)
        case "query" | "qido":
            is_listed(destination, place, calling_ae=calling_ae)
        case "status":
            pass
