"""Whether an object that a destination refuses is there already, of an earlier try whose answer was lost.

Some refuse what they have. The same UID of ours always names the same bytes, so one that is there is stored; and no
alternative, which has a UID of its own, may follow one that may be there: the study would have two reports.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pydicom

from service.asking import Place
from service.config_peers import Destination
from service.errors import ClassNotTaken, MayBeThere, NotNow, NotTaken, PeerRefused, Unavailable
from service.listed import FILING_S, QUERIES, is_listed

#: What a destination may have though it did not say so: the names of the files, and for how many seconds.
Perhaps = Mapping[str, float]
NOTHING: Final[Perhaps] = MappingProxyType({})


def is_there(
    destination: Destination, path: Path, refused: NotTaken, perhaps: Perhaps, *, calling_ae: str = ""
) -> bool:
    """Whether an object that was refused is there all the same; where it is not, an alternative may go.

    MayBeThere where nobody can tell, NotNow where the destination does not answer that, or may still file the object.
    C-FIND needs our AE title.
    """
    age_s = perhaps.get(path.name)
    if age_s is None or isinstance(refused, ClassNotTaken):
        return False
    listed = _is_listed(destination, path, calling_ae)
    if listed is None:
        raise MayBeThere(refused, of=path.name) from refused
    if not listed and age_s < FILING_S:
        raise NotNow(f"{refused}; it may have the object, of an earlier try, and still file it", unsure=True)
    return listed


def _is_listed(destination: Destination, path: Path, calling_ae: str) -> bool | None:
    """Ask a destination as it proves deliveries; None where it is asked nothing then, or where nobody may ask."""
    if destination.proven_by not in QUERIES:
        return None
    wanted = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)
    place = Place(
        study_instance_uid=str(found.StudyInstanceUID),
        series_instance_uid=str(found.SeriesInstanceUID),
        sop_instance_uid=str(found.SOPInstanceUID),
    )
    try:
        return is_listed(destination, place, calling_ae=calling_ae)
    except PeerRefused:
        return None
    except Unavailable as error:
        why = f"{destination.name} refused the object, and may have it already: {error}"
        raise NotNow(why, unsure=True) from error
