"""The summary pages as an Encapsulated PDF (PS3.3 A.45.1)."""

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from sr_templates import codes
from sr_templates.context import ReportContext
from sr_templates.envelope import Derivation, code_item, envelope, references
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from sr_templates.seal import seal


def build_pdf(pdf: bytes, findings: StudyFindings, context: ReportContext, *, derivation: Derivation) -> Dataset:
    """Return a PDF as a document of the study.

    Raises ValueError where it is no PDF, or the evidence is missing or of another study.
    """
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("expected the bytes of a PDF, found something else")
    made = envelope(ObjectKind.PDF, EncapsulatedPDFStorage, findings, context, number=1)
    made.Modality, made.ConversionType = "DOC", "WSD"
    # Type 2: a document is not acquired.
    made.AcquisitionDateTime = ""
    # Type 1 here, so what the sources do not tell is said to be there: whoever removes identities must look.
    made.BurnedInAnnotation = derivation.burned_in or "YES"
    made.DocumentTitle = context.series_descriptions[ObjectKind.PDF]
    made.ConceptNameCodeSequence = [code_item(codes.IMAGING_MEASUREMENT_REPORT)]
    if derivation.sources:
        made.SourceInstanceSequence = references(derivation.sources)
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return seal(made, ObjectKind.PDF, uid_root=context.uid_root)
