from report_samples import ct_slice, segmentation

from sr_templates.evidence import Instance, hierarchical, instance_of


def test_references_stand_by_study_and_series() -> None:
    """Each study once, each series in it once, the instances in the order given (PS3.3 table C.17-3)."""
    other = Instance(study_instance_uid="1.2", series_instance_uid="1.3", sop_class_uid="1.4", sop_instance_uid="1.5")
    given = [instance_of(ct_slice(2)), other, instance_of(segmentation()), instance_of(ct_slice(1))]
    first, second = hierarchical(given)

    assert (first.StudyInstanceUID, second.StudyInstanceUID) == (ct_slice(1).StudyInstanceUID, "1.2")
    assert [ct_slice(1).SeriesInstanceUID, segmentation().SeriesInstanceUID] == [
        series.SeriesInstanceUID for series in first.ReferencedSeriesSequence
    ]
    assert [ct_slice(2).SOPInstanceUID, ct_slice(1).SOPInstanceUID] == [
        item.ReferencedSOPInstanceUID for item in first.ReferencedSeriesSequence[0].ReferencedSOPSequence
    ]
    assert second.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPClassUID == "1.4"


def test_nothing_gives_no_reference() -> None:
    """Without instances there is no item, so an optional sequence is left out."""
    assert hierarchical([]) == []
