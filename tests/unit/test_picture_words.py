"""What a page says."""

from dataclasses import replace

from comparison_samples import PRIOR
from report_samples import context, findings

from sr_templates.comparison import Comparison, NotCompared
from workers.pictures.words import remarks, rows


def test_a_row_has_the_numbers_that_the_report_prints() -> None:
    """Three heights, three losses, SD and grade with its probability, to one decimal; the form in words below."""
    first = rows(findings("patient"))[0]

    assert ("T12", "24.0", "21.0", "25.0", "20.0", "25.0", "0.0", "3.0", "2 (50 %)") == first.cells
    assert "Biconcave deformity; grade is borderline; wedging -4.0 %, angle -1.7 deg; LIMITED_SAMPLING" == first.detail
    assert 2 == first.severity


def test_without_a_spacing_there_are_no_heights() -> None:
    """A dash stands where there is no number; losses remain."""
    first = rows(findings("uncalibrated"))[0]

    assert (("-", "-", "-"), ("20.0", "25.0", "0.0")) == (first.heights, first.losses)


def test_what_has_no_grade_says_so() -> None:
    """No grade, no SD of a loss, no colour of a grade."""
    found = findings("patient")
    measured = found.vertebrae[0].measured
    assert measured is not None
    ungraded = replace(measured, genant_grade=None, grade_probabilities=None, deformity=None)
    found = replace(found, vertebrae=(replace(found.vertebrae[0], measured=ungraded),))
    (row,) = rows(found)

    assert ("not graded", "-", None) == (row.grade, row.loss_sd, row.severity)
    assert "Measured, not graded (see the flags): T12." in remarks(found, context("patient"))


def test_what_was_not_measured_stands_with_its_reason() -> None:
    """A level without numbers is named below the table, with a sentence and its coded word, never as a row."""
    said = remarks(findings("patient"), context("patient"))

    assert ["T12", "L1", "L6"] == [row.level for row in rows(findings("patient"))]
    assert "Not measured: L4: the body is cut off by the edge of the image (TOUCHES_BORDER)." in said
    assert any("Spinal deformity index T4 to L4: 4 (lower bound)" in line for line in said)
    assert any("L4 on L5 +3.2 mm" in line for line in said)


def test_a_page_says_what_its_flags_mean() -> None:
    """Whoever sees a coded word beside a level finds its meaning below; what it does not know it leaves out."""
    found = findings("patient")
    first, *rest = found.vertebrae
    flagged = replace(first, flags=("DETECTOR_PLANE", "PLANE_UNCERTAIN"))
    said = remarks(replace(found, vertebrae=(flagged, *rest)), context("patient"))
    (line,) = (line for line in said if line.startswith("Flags."))

    assert "DETECTOR_PLANE: mm are those of the detector, magnified by an unknown factor" in line
    assert "PLANE_UNCERTAIN" not in line


def test_text_is_in_letters_that_the_pictures_have() -> None:
    """The font has ASCII only: accents go, and what is no letter of ours is a question mark, not a box."""
    sources = replace(context("patient"), parameters=("source: Müller, 北京",))

    assert any("source: Muller, ??" in line for line in remarks(findings("patient"), sources))


def test_neither_patient_nor_reader_is_named() -> None:
    """No name, number or date of the source; the parameter that says who placed the points is left out."""
    sources = replace(context("patient"), parameters=("landmarks placed: reviewed, by Doe Jane", "a setting"))
    said = " ".join(remarks(findings("patient"), sources, origin="reviewed, by Doe Jane"))

    assert "a setting" in said
    for word in ("Doe", "ller", "Jörg", "P-4711", "A77", "1950", "2026"):
        assert word not in said


def test_no_page_says_that_a_grade_is_certain() -> None:
    """Nothing measured is 100 %: the page says it as the report's text does."""
    found = findings("image")
    first = found.vertebrae[0]
    assert first.measured is not None
    sure = replace(first, measured=replace(first.measured, grade_probabilities=(0.0, 0.0, 0.9999, 0.0001)))

    assert rows(replace(found, vertebrae=(sure,)))[0].grade == "2 (above 99 %)"


def test_a_prior_that_is_not_compared_is_said_so() -> None:
    """A page promises no comparison where the report has only the reason why there is none."""
    unlike = Comparison(prior=PRIOR, reason=NotCompared.OTHER_MODALITY)
    said = [
        line for line in remarks(replace(findings("image"), comparison=unlike), context("image")) if "earlier" in line
    ]

    assert ["An earlier study of the patient is known, and not compared: the report has the reason."] == said
