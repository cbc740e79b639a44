"""What every object of ours but the report has in common: identity, series, equipment, UIDs, references."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from sr_templates import codes, headers, identity, uids
from sr_templates.context import ReportContext
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind

#: Objects of one kind in one revision at most: Instance Number is 100 (revision - 1) + their number.
_A_REVISION: Final = 100
#: Cosine between the normals of a picture and of its slices up to which text in the slices cannot be read in it: a
#: letter is drawn out to five times its height or more.
LEGIBLE: Final = 0.2
#: Of the SR Document General Module only (PS3.3 C.17.2).
_OF_REPORTS: Final = ("ReferencedRequestSequence",)


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """How a picture came about from which images (PS3.3 C.7.6.1.1.3, C.7.6.1.1.4)."""

    description: str
    #: Headers of the images whose pixels went into it.
    sources: tuple[Dataset, ...] = ()
    #: CID 7203; None where no code says it.
    code: Code | None = None
    #: Whether it crosses its slices everywhere more steeply than LEGIBLE, so that no text of theirs is legible in it.
    is_steep: bool = False

    @property
    def burned_in(self) -> str:
        """Burned In Annotation (0028,0301): YES, NO, or "" where the sources do not tell.

        It asks for annotation that identifies the patient and the date (PS3.3 C.7.6.1). What we draw never does, so it
        is the sources that answer: a radiograph may have a name in its pixels, and so may a slice that lies nearly in
        the plane of a reformat.
        """
        said = {headers.text(source, "BurnedInAnnotation").strip().upper() for source in self.sources}
        if "YES" in said:
            return "YES"
        return "NO" if self.is_steep or not said - {"NO"} else ""


def envelope(
    kind: ObjectKind,
    sop_class_uid: str,
    findings: StudyFindings,
    context: ReportContext,
    *,
    number: int,
) -> Dataset:
    """Return an object with patient, study, series, equipment and SOP common; its own modules are to be added.

    Its Series and SOP Instance UID come last (sr_templates.seal); `number` counts the objects of this kind in this
    revision, from 1. Raises ValueError where the evidence is missing or of another study.
    """
    if {headers.text(item, "StudyInstanceUID") for item in context.evidence} != {findings.study_instance_uid}:
        raise ValueError("expected the headers of objects of the measured study as evidence, found others or none")
    source = headers.identity(context.evidence[0])
    for keyword in _OF_REPORTS:
        if keyword in source:
            delattr(source, keyword)
    made = Dataset()
    made.SpecificCharacterSet = headers.CHARACTER_SET
    made.update(source)
    made.SOPClassUID = sop_class_uid
    made.StudyInstanceUID = findings.study_instance_uid
    made.InstanceNumber = _A_REVISION * (context.revision - 1) + number
    _add_series(made, kind, context)
    _add_moment(made, context, source)
    add_equipment(made, findings.software, uid_root=context.uid_root, institution_name=context.institution_name)
    add_file_meta(made, findings.software)
    return made


def add_derivation(made: Dataset, derivation: Derivation) -> None:
    """Add how an image was derived, and from which images."""
    made.DerivationDescription = derivation.description
    if derivation.code is not None:
        made.DerivationCodeSequence = [code_item(derivation.code)]
    if derivation.sources:
        made.SourceImageSequence = [_source_item(source) for source in derivation.sources]
    if derivation.burned_in:
        made.BurnedInAnnotation = derivation.burned_in
    if any(headers.text(source, "LossyImageCompression").strip() == "01" for source in derivation.sources):
        # What was lost stays lost (PS3.3 C.7.6.1.1.5).
        made.LossyImageCompression = "01"


def references(images: Iterable[Dataset], frames: Sequence[int] = ()) -> list[Dataset]:
    """Return Image SOP Instance References (PS3.3 table 10-3), to these frames, counted from 1, where there are any."""
    found = []
    for image in images:
        item = Dataset()
        item.ReferencedSOPClassUID = headers.text(image, "SOPClassUID")
        item.ReferencedSOPInstanceUID = headers.text(image, "SOPInstanceUID")
        if frames:
            item.ReferencedFrameNumber = list(frames)
        found.append(item)
    return found


def code_item(code: Code) -> Dataset:
    """Return a code as an item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def scheme_of_ihe() -> Dataset:
    """Return whose the code of the algorithm's purpose is, as PS3.3 C.12.1 asks for designators that begin with 99."""
    item = Dataset()
    item.CodingSchemeDesignator = codes.PROCESSING_ALGORITHM.scheme_designator
    item.CodingSchemeResponsibleOrganization = "IHE International"
    return item


def _add_series(made: Dataset, kind: ObjectKind, context: ReportContext) -> None:
    made.SeriesNumber = context.series_numbers[kind]
    made.SeriesDescription = context.series_descriptions[kind]
    if kind is not ObjectKind.PDF:
        # An unpaired part, so that Laterality, type 2C, does not apply (PS3.3 C.7.3.1). Documents have neither.
        made.BodyPartExamined = "SPINE"


def _add_moment(made: Dataset, context: ReportContext, source: Dataset) -> None:
    """Add the start of the analysis as the date of all that has one, on the source's clock."""
    moment = headers.local(context.started_at, source)
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    made.ContentDate = made.InstanceCreationDate = date
    made.ContentTime = made.InstanceCreationTime = time


def add_equipment(made: Dataset, software: str, *, uid_root: str, institution_name: str) -> None:
    """Add General Equipment, and the algorithm as IHE AIR asks for it."""
    made.Manufacturer, made.ManufacturerModelName = identity.MANUFACTURER, identity.MODEL
    made.SoftwareVersions = software
    if institution_name:
        made.InstitutionName = institution_name
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(codes.PROCESSING_ALGORITHM)]
    item.Manufacturer, item.ManufacturerModelName = identity.MANUFACTURER, identity.MODEL
    item.SoftwareVersions = software
    item.DeviceUID = uids.device_uid(uid_root, software=software)
    made.ContributingEquipmentSequence = [item]
    made.CodingSchemeIdentificationSequence = [scheme_of_ihe()]


def add_file_meta(made: Dataset, software: str) -> None:
    """Add File Meta Information (PS3.10 7.1) without the SOP Instance UID, which comes last."""
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = UID(made.SOPClassUID)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = UID(identity.IMPLEMENTATION_CLASS_UID)
    made.file_meta.ImplementationVersionName = identity.version_name(software)


def _source_item(source: Dataset) -> Dataset:
    (item,) = references([source])
    item.PurposeOfReferenceCodeSequence = [code_item(codes.SOURCE_IMAGE)]
    return item
