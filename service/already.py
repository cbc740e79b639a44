"""Whether an object that a destination refuses is there already, of an earlier try whose answer was lost.

Some refuse what they have. The same UID of ours always names the same bytes, so one that is there is stored; and no
alternative, which has a UID of its own, may follow one that may be there: the study would have two reports.
"""

from pathlib import Path

import pydicom

from service import asking, qido
from service.asking import Place
from service.config_peers import Destination
from service.errors import NotNow, PeerRefused, Unavailable


def is_there_already(destination: Destination, path: Path, *, calling_ae: str = "") -> bool | None:
    """Ask a destination as it proves deliveries; None where it is asked nothing then, or where nobody may ask.

    NotNow where it does not answer that, which may change. C-FIND needs our AE title.
    """
    if destination.proven_by not in {"query", "qido"}:
        return None
    wanted = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)
    place = Place(
        study_instance_uid=str(found.StudyInstanceUID),
        series_instance_uid=str(found.SeriesInstanceUID),
        sop_instance_uid=str(found.SOPInstanceUID),
    )
    try:
        if destination.proven_by == "qido":
            return qido.find(destination, place)
        return asking.find(destination, place, calling_ae=calling_ae)
    except PeerRefused:
        return None
    except Unavailable as error:
        why = f"{destination.name} refused the object, and may have it already: {error}"
        raise NotNow(why, unsure=True) from error
