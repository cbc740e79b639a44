"""What independent readers of TID 1500 find in our reports, beside the findings that they were made from."""

import html
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from expected_numbers import TOLERANCE, Numbers, expected
from highdicom.sr import MeasurementReport, srread
from report_cases import CASES, LEVELS, MEASURED, case, report_bytes
from servers import program

#: Probabilities have one decimal of a percent in the report, more in the findings; none is printed as certain.
_PRINTED: Final = {f"GRADE_{grade}_PROB" for grade in range(4)} | {"GRADE_CERTAINTY"}
_MOST: Final = 99.9
#: What a report says of grade 2, for people (docs/report.md, private scheme).
_GRADE_2: Final = "Grade 2: height loss from 25 % to the severe border of 40 %"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the file of each report."""
    made = tmp_path_factory.mktemp("reports")
    for name in CASES:
        (made / f"{name}.dcm").write_bytes(report_bytes(name))
    return made


def _run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8")


def _assert_same(found: Mapping[str, Sequence[tuple[str, float, str]]], name: str) -> None:
    """Every number of the findings is there once, under its level, with its unit, and there are no others."""
    numbers = expected(case(name).findings)
    assert list(numbers) == list(found)
    for level, given in found.items():
        codes = [code for code, _, _ in given]
        assert sorted(numbers[level]) == sorted(codes)
        assert [] == [item for item in given if not _is(*item, numbers[level])]


def _is(code: str, value: float, unit: str, numbers: Numbers) -> bool:
    wanted, wanted_unit = numbers[code]
    wanted = min(wanted, _MOST) if code in _PRINTED else wanted
    tolerance = 0.05 if code in _PRINTED else TOLERANCE * max(1.0, abs(wanted))
    return unit == wanted_unit and abs(value - wanted) <= tolerance


@pytest.mark.parametrize("name", MEASURED)
def test_dcmqi_gives_back_every_number(name: str, folder: Path) -> None:
    """What 3D Slicer reads TID 1500 with finds every vertebra with every number, in the unit it was written in."""
    out = folder / f"{name}.json"
    _run(program("tid1500reader"), "--inputDICOM", folder / f"{name}.dcm", "--outputMetadata", out)
    groups = json.loads(out.read_text(encoding="utf-8"))["Measurements"]

    assert [group["FindingSite"]["CodeMeaning"] for group in groups] == [
        group["TrackingIdentifier"] for group in groups
    ]
    found = {
        group["TrackingIdentifier"].removesuffix(" vertebra"): [
            (item["quantity"]["CodeValue"], float(item["value"]), item["units"]["CodeValue"])
            for item in group["measurementItems"]
        ]
        for group in groups
    }
    _assert_same(found, name)


@pytest.mark.parametrize("name", MEASURED)
def test_highdicom_gives_back_every_number(name: str, folder: Path) -> None:
    """The strictest reader of TID 1500 takes our hand-made parts for the templates they are, and reads every number."""
    content = srread(folder / f"{name}.dcm").content
    assert isinstance(content, MeasurementReport)

    groups = content.get_image_measurement_groups()
    assert [group.finding_sites[0].value.meaning for group in groups] == [group.tracking_identifier for group in groups]
    found = {
        str(group.tracking_identifier).removesuffix(" vertebra"): [
            (item.name.value, float(item.value), item.unit.value) for item in group.get_measurements()
        ]
        for group in groups
    }
    _assert_same(found, name)


@pytest.mark.parametrize("name", [name for name in CASES if name not in MEASURED])
def test_readers_find_no_vertebra_where_nothing_was_measured(name: str, folder: Path) -> None:
    """A report without numbers is read as one: no measurement group, and no reader stumbles."""
    out = folder / f"{name}.json"
    _run(program("tid1500reader"), "--inputDICOM", folder / f"{name}.dcm", "--outputMetadata", out)
    assert isinstance(srread(folder / f"{name}.dcm").content, MeasurementReport)

    assert [] == json.loads(out.read_text(encoding="utf-8"))["Measurements"]


def _text(folder: Path, name: str) -> str:
    """Return what dcmtk shows a person: the report as HTML, without its tags."""
    page = _run(program("dsr2html"), folder / f"{name}.dcm")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_dcmtk_shows_level_heights_and_grade(folder: Path) -> None:
    """The page that dsr2html makes names all levels, and of L1 the three heights and the grade, in words."""
    shown = _text(folder, "ct-17-levels-3d")

    assert [] == [level for level in LEVELS if f"{level} vertebra" not in shown]
    # L1 has heights of 16, 21 and 27 mm; its neighbours make it grade 2.
    wedged = shown.split("L1 vertebra", 1)[1].split("L2 vertebra", 1)[0]
    for name, height in (("Anterior", "16"), ("Middle", "21"), ("Posterior", "27")):
        assert re.search(rf"{name} vertebral body height\W+{height}(\.0+)? ", wedged), wedged[:600]
    assert _GRADE_2 in shown


def test_dcmtk_shows_why_nothing_was_measured(folder: Path) -> None:
    """A reader without any other viewer sees the coded reason."""
    assert "NO_LANDMARKS" in _text(folder, "not-analysable-3d")
