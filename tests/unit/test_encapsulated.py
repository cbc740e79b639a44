"""The pages as an encapsulated PDF."""

from io import BytesIO

import pytest
from pydicom import dcmread
from report_samples import context, ct_slice, findings

from sr_templates.document import to_bytes
from sr_templates.encapsulated import build_pdf
from sr_templates.envelope import Derivation

PDF = b"%PDF-1.4 of an odd length"


def test_the_document_comes_back_as_it_was() -> None:
    """Padded to an even length, with its own length beside it (PS3.3 C.24.2)."""
    derivation = Derivation(description="", sources=(ct_slice(1),), is_steep=True)
    data = to_bytes(build_pdf(PDF, findings("patient"), context("patient"), derivation=derivation))
    made = dcmread(BytesIO(data))

    assert PDF == made.EncapsulatedDocument[: made.EncapsulatedDocumentLength]
    assert ("application/pdf", "DOC") == (made.MIMETypeOfEncapsulatedDocument, made.Modality)
    assert "NO" == made.BurnedInAnnotation
    assert [ct_slice(1).SOPInstanceUID] == [item.ReferencedSOPInstanceUID for item in made.SourceInstanceSequence]


def test_what_a_radiograph_does_not_say_is_taken_for_annotated() -> None:
    """Burned In Annotation is type 1 here: whoever removes identities must look where nobody says there is none."""
    derivation = Derivation(description="", sources=(ct_slice(1),))

    assert "YES" == build_pdf(PDF, findings("patient"), context("patient"), derivation=derivation).BurnedInAnnotation


def test_anything_but_a_pdf_is_refused() -> None:
    """The MIME type would be a lie."""
    with pytest.raises(ValueError, match="expected the bytes of a PDF"):
        build_pdf(b"<html>", findings("patient"), context("patient"), derivation=Derivation(description=""))
