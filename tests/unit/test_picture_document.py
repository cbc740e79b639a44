"""The pages as a PDF."""

from dataclasses import replace
from io import BytesIO

import numpy as np
from pypdf import PdfReader
from report_samples import findings

from workers.pictures.document import pdf_of
from workers.pictures.page import Page
from workers.pictures.panels import Panel
from workers.pictures.words import rows

POINTS = {"AS": (10.0, 10.0), "PS": (60.0, 10.0), "AI": (10.0, 50.0), "PI": (60.0, 50.0)}
PANEL = Panel(background=np.full((90, 80), 90, dtype=np.uint8), points={"T12": POINTS}, caption="A caption", images=())
PAGE = Page(head="head", rows=rows(findings("patient")), remarks=["Not measured: L4 & others < all."])


def test_its_text_can_be_searched() -> None:
    """Levels, numbers, flags and remarks are text, not pixels; signs of markup are what they are."""
    text = PdfReader(BytesIO(pdf_of([(PANEL, PAGE)]))).pages[0].extract_text()

    for words in ("T12", "24.0", "2 (50 %)", "LIMITED_SAMPLING", "A caption", "L4 & others < all.", "UNVERIFIED"):
        assert words in text


def test_what_is_missing_is_said_in_place_of_what_is_shown() -> None:
    """A picture without background is not called a part of an image."""
    text = PdfReader(BytesIO(pdf_of([(replace(PANEL, missing="Images not shown."), PAGE)]))).pages[0].extract_text()

    assert "Images not shown." in text
    assert "A caption" not in text


def test_the_same_pages_give_the_same_bytes() -> None:
    """Neither dates nor identifiers come from the clock, and no date is in it that somebody could take for one."""
    one, two = (pdf_of([(PANEL, PAGE)]) for _ in range(2))

    assert one == two
    assert b"2026" not in one


def test_each_picture_has_a_page() -> None:
    """Two pictures are two pages; without one the table stands alone."""
    assert 2 == len(PdfReader(BytesIO(pdf_of([(PANEL, PAGE), (None, PAGE)]))).pages)


def test_the_longest_table_fits_a_page() -> None:
    """26 vertebrae, each with more flags than any has: nothing is lost, and nothing fails."""
    row = rows(findings("patient"))[0]
    many = [replace(row, level=f"V{number}", detail="SOME_FLAG; " * 40) for number in range(26)]
    pages = PdfReader(BytesIO(pdf_of([(PANEL, replace(PAGE, rows=many))]))).pages
    text = " ".join(page.extract_text() for page in pages)

    assert 26 * 40 == text.count("SOME_FLAG")
    assert "V25" in text


def test_the_font_is_in_the_file() -> None:
    """It looks alike where no font is installed."""
    fonts = PdfReader(BytesIO(pdf_of([(PANEL, PAGE)]))).pages[0]["/Resources"]["/Font"]  # type: ignore[index]
    named = [font.get_object() for font in fonts.values()]

    assert any("/FontFile2" in font["/FontDescriptor"] for font in named if "/FontDescriptor" in font)
