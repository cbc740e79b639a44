"""The sagittal sections that we compute: who refers to them, and when nobody may."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pictured import ct
from spooled import file_of, landmarks

from service.config import Report, Settings
from service.config_peers import Destination
from sr_templates.objects import ObjectKind
from workers.pipeline import Outcome, measure_files
from workers.reporting import ReportFile

#: What a destination that takes everything that may refer to a section gets.
ALL = ("sr", "gsps", "sagittal")


@dataclass(frozen=True, kw_only=True)
class Cited:
    """The sections of a study, and the kinds of the other objects that refer to one of them."""

    sections: list[ReportFile]
    by: set[ObjectKind]
    digest: str


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Cited]:
    """Give what measures thin slices, none of which shows a point, for destinations with these objects."""
    files = []
    for place in range(1, 5):
        image = ct(place, x_mm=3.0 * (place - 2))
        image.SliceThickness = 1.5
        files.append(tmp_path / f"{place}.dcm")
        files[-1].write_bytes(file_of(image))
        named = image.SOPInstanceUID

    def make(*objects: tuple[str, ...], fit: bool = True) -> Cited:
        settings = Settings(
            destinations=tuple(
                Destination.model_validate(
                    {"name": f"d{n}", "ae_title": "PACS", "host": "h", "port": 104, "send": kinds}
                )
                for n, kinds in enumerate(objects)
            ),
            report=Report(sop_classes=("comprehensive",)),
        )
        supplied = landmarks(sop_instance_uid=named)
        return _cited(measure_files(files, settings=settings, supplied=supplied, fit=lambda _file, _known: fit))

    return make


def _cited(outcome: Outcome) -> Cited:
    sections = [each for each in outcome.objects if each.kind is ObjectKind.SAGITTAL]
    uids = [each.sop_instance_uid.encode() for each in sections]
    others = [each for each in outcome.objects if each.kind is not ObjectKind.SAGITTAL]
    by = {each.kind for each in others if any(uid in each.data for uid in uids)}
    return Cited(sections=sections, by=by, digest=outcome.digest)


def test_who_gets_the_section_is_told_where_points_lie_on_it(made: Callable[..., Cited]) -> None:
    """Where every destination has it, report and presentation state refer to it."""
    found = made(ALL, ("sr", "sagittal"))

    assert 1 == len(found.sections)
    assert {ObjectKind.SR, ObjectKind.PRESENTATION} == found.by


def test_no_report_refers_to_what_its_archive_never_gets(made: Callable[..., Cited]) -> None:
    """There is one report for all destinations: where one of them is not to have the section nobody refers to it."""
    found = made(ALL, ("sr",))

    assert (1, set()) == (len(found.sections), found.by)
    assert made(ALL).digest != found.digest


def test_nothing_refers_to_a_section_that_is_held_back(made: Callable[..., Cited]) -> None:
    """What the gate does not let pass is kept, and nothing that is sent leads to it."""
    found = made(ALL, fit=False)

    assert (1, set()) == (len(found.sections), found.by)
    assert made(ALL).digest != found.digest
