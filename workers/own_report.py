"""A report of ours, read back: the numbers that a later study is compared with (docs/morphometry 6.1).

What a report states is taken as it stands; what it leaves out follows from its flags and its modality, as they follow
from each other when it is written. Its points are read as those of any report (workers.landmarks.sr).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from service.identity import is_uid
from sr_templates import codes, headers
from sr_templates.comparison import PriorReport, PriorStudy
from sr_templates.findings import Triple
from sr_templates.levels import LEVELS
from workers.inputs import REPORTS
from workers.landmarks.claims import coded_level
from workers.landmarks.sr import groups, not_evaluable
from workers.morphometry.flags import Flag
from workers.morphometry.kept import KeptStudy, KeptVertebra
from workers.morphometry.levels import sort_key
from workers.patient import identity_of

Key = tuple[str, str]
_Answer = TypeVar("_Answer")

#: TID 4019.
_ALGORITHM_PARAMETERS: Final = ("DCM", "111002")
_ALGORITHM_VERSION: Final = ("DCM", "111003")
_TRACKING_UID: Final = ("DCM", "112040")
#: How the parameters of our algorithm begin (sr_templates.content, workers.pipeline).
_PROTOCOL: Final = "landmark protocol: "
_POSITIONS: Final = "patient position: "
#: Modalities whose mm are the patient's (docs/morphometry 3.3).
_SECTIONS: Final = frozenset({"CT", "MR"})
_SCALES: Final[Mapping[str, str]] = {
    Flag.DETECTOR_PLANE: "detector_plane",
    Flag.MAGNIFICATION_CORRECTED: "magnification_corrected",
}


def _key(code: Code) -> Key:
    return code.scheme_designator, code.value


_GRADES: Final = {_key(code): grade for grade, code in enumerate(codes.GRADES)}
_RULES: Final = {_key(code): rule for rule, code in codes.REFERENCES.items()}
_SOURCES: Final = {_key(code): source for source, code in codes.LANDMARK_SOURCES.items()}


def read_back(report: Dataset) -> KeptStudy | None:
    """Return what a report of ours says of its study; None where it holds no number of a vertebra."""
    if headers.text(report, "SOPClassUID") not in REPORTS:
        return None
    modalities = tuple(sorted(set(_modalities(report))))
    found = {one.level: one for group in groups(report) if (one := _vertebra(group, modalities)) is not None}
    if not found:
        return None
    missing = [level for level, _ in not_evaluable(report) if level in LEVELS and level not in found]
    vertebrae = [*found.values(), *(KeptVertebra(level=level, is_measured=False) for level in dict.fromkeys(missing))]
    first = next(iter(groups(report)))
    positions = _parameter(_texts(first, _ALGORITHM_PARAMETERS), _POSITIONS)
    identity = identity_of(report)
    return KeptStudy(
        study=PriorStudy(
            study_instance_uid=headers.text(report, "StudyInstanceUID").strip(),
            study_date=identity.study_date,
            software=next(_texts(first, _ALGORITHM_VERSION), ""),
            landmark_protocol=stated_protocol(report),
            modalities=modalities,
            patient_positions=tuple(filter(None, positions.split(", "))),
            report=PriorReport(
                sop_class_uid=headers.text(report, "SOPClassUID").strip(),
                sop_instance_uid=headers.text(report, "SOPInstanceUID").strip(),
                series_instance_uid=headers.text(report, "SeriesInstanceUID").strip(),
            ),
        ),
        study_time=identity.study_time,
        vertebrae=tuple(sorted(vertebrae, key=lambda one: sort_key(one.level))),
    )


def stated_protocol(report: Dataset) -> str:
    """Return the landmark protocol that a report of ours states, "" where it states none."""
    parameters = (line for group in groups(report) for line in _texts(group, _ALGORITHM_PARAMETERS))
    return _parameter(parameters, _PROTOCOL)


def _vertebra(group: Dataset, modalities: Iterable[str]) -> KeptVertebra | None:
    level = next(filter(None, (coded_level(*code) for code in _codes(group, _key(codes.FINDING_SITE)))), None)
    if level is None or _key(codes.SIX_POINT) not in _codes(group, _key(codes.MEASUREMENT_METHOD)):
        return None
    flags = tuple(_texts(group, _key(codes.FLAG)))
    heights = _triple(group, (codes.HEIGHT_ANTERIOR, codes.HEIGHT_MIDDLE, codes.HEIGHT_POSTERIOR))
    # Whoever edited it may have left a height of nothing, of which no percent can be told.
    has_heights = all(height is None or height > 0 for height in _values(heights)) and heights.anterior is not None
    return KeptVertebra(
        level=level,
        is_measured=True,
        tracking_uid=next(filter(is_uid, (headers.text(item, "UID") for item in _items(group, _TRACKING_UID))), None),
        heights_mm=heights if has_heights else None,
        losses=_triple(group, (codes.LOSS_ANTERIOR, codes.LOSS_MIDDLE, codes.LOSS_POSTERIOR)),
        loss_sd_points=_number(group, codes.LOSS_SD),
        genant_grade=_answer(group, codes.GENANT_GRADE, _GRADES),
        reference_rule=_answer(group, codes.REFERENCE, _RULES),
        spacing_source=_spacing_source(flags, modalities) if has_heights else None,
        axial_spacing_mm=_number(group, codes.SAMPLING),
        flags=flags,
        landmark_source=_answer(group, codes.LANDMARKS, _SOURCES),
    )


def _spacing_source(flags: Iterable[str], modalities: Iterable[str]) -> str:
    said = next((_SCALES[flag] for flag in flags if flag in _SCALES), None)
    return said or ("patient" if _SECTIONS.intersection(modalities) else "calibrated")


def _items(parent: Dataset, name: Key) -> Iterator[Dataset]:
    """Give the children whose concept name is `name`."""
    for item in headers.items(parent, "ContentSequence"):
        if headers.code(item, "ConceptNameCodeSequence") == name:
            yield item


def _texts(parent: Dataset, name: Key) -> Iterator[str]:
    return (headers.text(item, "TextValue") for item in _items(parent, name))


def _codes(parent: Dataset, name: Key) -> list[Key]:
    return [headers.code(item, "ConceptCodeSequence") for item in _items(parent, name)]


def _answer(group: Dataset, question: Code, answers: Mapping[Key, _Answer]) -> _Answer | None:
    return next((answers[code] for code in _codes(group, _key(question)) if code in answers), None)


def _number(group: Dataset, name: Code) -> float | None:
    """Return a NUM as it was measured: the double where there is one, since a decimal string has 16 characters."""
    for item in _items(group, _key(name)):
        for measured in headers.items(item, "MeasuredValueSequence"):
            for keyword in ("FloatingPointValue", "NumericValue"):
                if numbers := headers.numbers(measured, keyword):
                    return numbers[0]
    return None


def _triple(group: Dataset, names: tuple[Code, Code, Code]) -> Triple:
    anterior, middle, posterior = (_number(group, name) for name in names)
    return Triple(anterior=anterior, middle=middle, posterior=posterior)


def _values(triple: Triple) -> tuple[float | None, ...]:
    return triple.anterior, triple.middle, triple.posterior


def _modalities(report: Dataset) -> Iterator[str]:
    """Give the modality of each group of the Image Library (TID 1602)."""
    for library in _items(report, _key(codes.IMAGE_LIBRARY)):
        for group in _items(library, _key(codes.IMAGE_LIBRARY_GROUP)):
            yield from (value for _, value in _codes(group, _key(codes.MODALITY)))


def _parameter(parameters: Iterable[str], begins: str) -> str:
    return next((line.removeprefix(begins) for line in parameters if line.startswith(begins)), "")
