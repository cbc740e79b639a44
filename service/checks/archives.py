"""The archives of the sources: do they answer our questions, and would they send what is missing."""

import time
from collections.abc import Iterator

from pydicom.uid import generate_uid

from service import peer
from service.checks.check import Check, bad, good, noted
from service.config import Settings
from service.config_peers import Archive
from service.errors import SpondylError
from service.retrieve import GET, MOVE, as_peer, find_contexts, get_contexts, move_contexts, objects_of


def archives(settings: Settings) -> Iterator[Check]:
    """Ask every archive for a study that nobody has, and whether it takes the service that fetches."""
    for source in settings.sources:
        if source.archive is not None:
            yield _archive(source.name, source.archive, settings)


def _archive(source: str, archive: Archive, settings: Settings) -> Check:
    name, our_ae = f"archive of {source}", settings.node.ae_title
    fetching, service = (move_contexts(), MOVE) if archive.retrieve == "move" else (get_contexts([]), GET)
    contexts = [*find_contexts(), *fetching]
    try:
        with peer.calling(as_peer(archive, source), contexts, calling_ae=our_ae) as association:
            accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
            end = time.monotonic() + archive.timeout_s
            objects_of(association, source, end, str(generate_uid(prefix=None)), wanted=lambda _: True)
    except SpondylError as error:
        return bad(name, str(error), f"allow {our_ae} to C-FIND at {archive.ae_title}", peer=True)
    if service not in accepted:
        other = "get" if archive.retrieve == "move" else "move"
        remedy = f'allow C-{archive.retrieve.upper()} there, or set retrieve = "{other}"'
        return bad(name, f"answers C-FIND, and accepts no C-{archive.retrieve.upper()}", remedy, peer=True)
    if archive.retrieve == "move" and not any(archive.ae_title in each.ae_titles for each in settings.sources):
        return noted(
            name,
            f"answers C-FIND and C-MOVE; {archive.ae_title} is the AE title of no source",
            "add the title from which it sends to the ae_titles of a source, else what it sends is rejected",
            peer=True,
        )
    return good(name, f"answers C-FIND and accepts C-{archive.retrieve.upper()}", peer=True)
