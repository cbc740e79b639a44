"""Landmarks that are handed in: checked, durable in the spool, then counted by the ledger, then a worker is woken.

A document that is durable and was never counted, because its process died between the two, is counted by the
reconciler. What a document is, only the workers know: they bring a `DocumentFormat` along.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from service.dispatch import dispatch_all
from service.ledger import Kept, Ledger, Supplied
from service.ledger.moves import API
from service.logs import log
from service.spool import Spool
from service.states import NotAllowed, StudyState
from service.wiring import Node


class Check(Protocol):
    """Reads a landmarks document as strictly as the measuring will."""

    def __call__(
        self, document: bytes, *, study_instance_uid: str, image_of: Callable[[str], Path | None], complete: bool
    ) -> None:
        """Raise BadLandmarks, with what was expected and what was found, where the study cannot be measured with it.

        `image_of` gives the file of a SOP instance of the study; an image that is missing may still come to a study
        that is not `complete`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class DocumentFormat:
    """What a landmarks document is."""

    #: For those who write one: JSON Schema 2020-12.
    json_schema: Mapping[str, Any]
    check: Check


def supply(node: Node, uid_or_key: str, document: bytes, *, check: Check, actor: str = API) -> Supplied:
    """Take a document in, put by `actor`; the study goes by its Study Instance UID or by its key.

    Raises Unknown, BadLandmarks, OutOfSpace, Unavailable, and NotAllowed where the study takes none.
    """
    study = node.ledger.admin.study(uid_or_key).study
    check(
        document,
        study_instance_uid=study.study_instance_uid,
        image_of=partial(node.spool.instance, study.key),
        complete=study.state is not StudyState.RECEIVING,
    )
    keep = partial(_keep, node.spool, study.key, document)
    supplied = node.ledger.documents.supply(study.id, keep=keep, now=node.clock(), actor=actor)
    if supplied.changed:
        _say(supplied)
    if supplied.job is not None:
        node.ledger.jobs.enqueued(dispatch_all(node.dispatch, [supplied.job]), now=node.clock())
    return supplied


def supply_unheard(ledger: Ledger, spool: Spool, key: str, *, now: float) -> bool:
    """Count the newest document of a folder, where the ledger has never heard of it; tell whether that was so."""
    digest = spool.newest_document(key)
    study = None if digest is None else ledger.arrivals.by_key(key)
    if digest is None or study is None or ledger.documents.knows(study.id, digest):
        return False
    supplied = ledger.documents.supply_unheard(study.id, newest=partial(_newest, spool, key), now=now)
    if supplied is None:
        return False
    _say(supplied)
    return True


def _newest(spool: Spool, key: str) -> Kept | None:
    digest = spool.newest_document(key)
    if digest is None:
        return None
    spool.secure_document(key, digest)
    return Kept(digest=digest, new=False, fingerprint=spool.fingerprint(key))


def _keep(spool: Spool, key: str, document: bytes) -> Kept:
    """Make a document durable beside the objects of its study; NotAllowed where there are none to measure."""
    if spool.newest(key) is None:
        raise NotAllowed("the spool holds nothing of this study that could be measured: send its images first")
    stored = spool.write_document(key, document)
    return Kept(digest=stored.path.stem, new=stored.new, fingerprint=spool.fingerprint(key))


def _say(supplied: Supplied) -> None:
    study = supplied.study
    log.info(
        "landmarks supplied",
        action="landmarks_supplied",
        study=study.key,
        document=supplied.digest,
        revision=study.revision,
        status=study.state.value,
    )
