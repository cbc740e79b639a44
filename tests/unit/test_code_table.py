import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from comparison_samples import PRIOR, T12
from publish_codes import FILES, FOLDER
from pydicom.dataset import Dataset
from report_samples import COMPREHENSIVE, build, context, findings, report

from sr_templates import codes
from sr_templates.code_table import code_system, code_table, published_table
from sr_templates.comparison import Comparison
from sr_templates.findings import LandmarkSource

TABLE = {(one.scheme, one.value): one.meaning for one in code_table()}


def _codes(item: Dataset) -> Iterator[tuple[tuple[str, str], str]]:
    if "CodeValue" in item:
        yield (item.CodingSchemeDesignator, item.CodeValue), item.CodeMeaning
    for element in item:
        if element.VR == "SQ":
            for nested in element.value:
                yield from _codes(nested)


def _reviewed() -> Dataset:
    """Return a report on points that a reader reviewed, beside a prior study."""
    found = findings("image")
    vertebrae = tuple(replace(one, landmark_source=LandmarkSource.REVIEWED) for one in found.vertebrae)
    compared = Comparison(prior=PRIOR, levels=(T12,))
    return build(replace(found, vertebrae=vertebrae, observers=("Doe^Jane",), comparison=compared), context("image"))


@pytest.mark.parametrize(
    "made",
    [report("patient"), report("patient", COMPREHENSIVE), report("uncalibrated"), _reviewed()],
    ids=["patient", "projected", "uncalibrated", "reviewed"],
)
def test_every_code_of_a_report_is_in_the_table(made: Dataset) -> None:
    """Scheme, value and meaning of all that a report holds, also of what highdicom writes itself, are in the table."""
    written = dict(_codes(made))

    assert written
    assert {key: TABLE.get(key) for key in written} == written


def test_every_code_has_a_source() -> None:
    """A code that nobody confirms does not ship; a private one says that none was found."""
    assert [one for one in code_table() if not one.source] == []
    assert {one.source.startswith("Spondyl") for one in code_table() if one.scheme == codes.SCHEME} == {True}
    assert {one.source.startswith("Spondyl") for one in code_table() if one.scheme != codes.SCHEME} == {False}


@pytest.mark.parametrize("name", FILES)
def test_the_published_files_are_the_table(name: str) -> None:
    """What travels in the package is what reports are written with; `make codes` writes it again."""
    assert (FOLDER / name).read_text(encoding="utf-8") == FILES[name]


def test_the_code_system_is_the_private_scheme() -> None:
    """FHIR R4: type, status and content are required; codes are unique, and every private code is there."""
    system = json.loads(FILES["CodeSystem-99SPONDYL.json"])
    values = [concept["code"] for concept in system["concept"]]

    assert (system["resourceType"], system["status"], system["content"]) == ("CodeSystem", "active", "complete")
    assert system["url"] == f"urn:oid:{codes.SCHEME_UID}"
    assert system["count"] == len(set(values)) == len(values)
    assert {value for scheme, value in TABLE if scheme == codes.SCHEME} == set(values)


def test_radelement_is_a_mapping_only() -> None:
    """The set RDES150 is confirmed, its element is not: no report holds a RadElement code, and the table says so."""
    (mapping,) = published_table()["mappings"]
    (concept,) = [one for one in code_system()["concept"] if "property" in one]

    assert (mapping["value"], mapping["set"], mapping["element"]) == ("GENANT_GRADE", "RDES150", None)
    assert concept["code"] == "GENANT_GRADE"
    assert "RADELEMENT" not in {scheme for scheme, _ in TABLE}


def test_a_report_names_the_scheme_by_its_oid() -> None:
    """The Coding Scheme Identification has the OID that the CodeSystem is known by (PS3.3 C.12.1.1.4), then IHE's."""
    scheme, other = report("image").CodingSchemeIdentificationSequence

    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeUID) == ("99SPONDYL", codes.SCHEME_UID)
    assert other.CodingSchemeDesignator == "99IHE"
