from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from report_samples import Sample, build, context, findings, groups, named

from sr_templates.findings import LandmarkSource, StudyFindings


def _placed(source: LandmarkSource, *observers: str) -> StudyFindings:
    found = findings("image")
    vertebrae = tuple(replace(vertebra, landmark_source=source) for vertebra in found.vertebrae)
    return replace(found, vertebrae=vertebrae, observers=observers)


def _persons(made: Dataset) -> list[str]:
    return [str(item.PersonName) for item in named(made, "Person Observer Name")]


def test_the_reader_of_reviewed_points_is_an_observer() -> None:
    """Device and person are observers each with their type (TID 1001, 1002, 1003), the device first."""
    made = build(_placed(LandmarkSource.REVIEWED, "Doe^Jane"), context("image"))
    kinds = [item.ConceptCodeSequence[0].CodeMeaning for item in named(made, "Observer Type")]

    assert _persons(made) == ["Doe^Jane"]
    assert kinds == ["Device", "Person"]
    assert made.VerificationFlag == "UNVERIFIED"


def test_one_word_is_a_family_name() -> None:
    """A name without a caret is marked as one component, so nobody quotes it in a warning."""
    assert _persons(build(_placed(LandmarkSource.REVIEWED, "Doe"), context("image"))) == ["Doe^"]


def test_of_several_readers_one_is_the_observer() -> None:
    """TID 1003 stands once, as PixelMed asks; the algorithm's parameters name all readers."""
    assert _persons(build(_placed(LandmarkSource.REVIEWED, "Doe^Jane", "Roe^Max"), context("image"))) == ["Doe^Jane"]


@pytest.mark.parametrize("source", [LandmarkSource.SUPPLIED_SR, LandmarkSource.MODEL])
def test_who_only_supplied_points_observed_nothing(source: LandmarkSource) -> None:
    """A person stands in a report as its observer only where the points were reviewed."""
    assert _persons(build(_placed(source, "Doe^Jane"), context("image"))) == []


def _tracking(made: Dataset) -> list[str]:
    return [named(group, "Tracking Unique Identifier")[0].UID for group in groups(made)]


@pytest.mark.parametrize("sample", ["patient", "image"])
def test_a_vertebra_keeps_its_tracking_uid(sample: Sample) -> None:
    """The UID that the prior gave goes before the one that follows from the study; other levels keep theirs."""
    plain = _tracking(build(findings(sample), context(sample)))
    kept = _tracking(build(findings(sample), replace(context(sample), tracking={"L1": "1.2.9"})))

    assert kept == [plain[0], "1.2.9", plain[2]]


def test_a_tracking_uid_of_the_findings_is_used() -> None:
    """What the findings say of a vertebra holds where the context says nothing else."""
    found = findings("image")
    named_so = replace(found, vertebrae=(replace(found.vertebrae[0], tracking_uid="1.2.10"), *found.vertebrae[1:]))

    assert _tracking(build(named_so, context("image")))[0] == "1.2.10"
    assert _tracking(build(named_so, replace(context("image"), tracking={"T12": "1.2.9"})))[0] == "1.2.9"


def test_a_report_needs_no_table_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of highdicom has 22 MB, and each copy of a process that writes a report would read it anew."""

    def read() -> object:
        raise AssertionError("the table is read")

    monkeypatch.setattr("highdicom._standard_utils.get_module_attribute_map", read)

    assert "SR" == build(findings("patient"), context("patient")).Modality
