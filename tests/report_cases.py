"""Every kind of report that we send, as independent programs are asked about it: each built once a process.

The points are made up, no two levels alike; the numbers are what the method makes of them, so a number that turns up at
another level, or under another name, is seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import comparison_samples as then
import report_samples as samples
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from sr_templates.comparison import Comparison, LevelComparison, NotCompared, Remark
from sr_templates.context import Predecessor, ReportContext
from sr_templates.document import build_report, to_bytes
from sr_templates.findings import Landmarks, LandmarkSource, Point, Space, StudyFindings, Summary
from workers.landmarks.points import ImagePlane, PixelScale, VertebraLandmarks
from workers.morphometry.findings import Policy, measure

LEVELS: Final = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
_FEW: Final = ("T11", "T12", "L1", "L2", "L3")
STARTED: Final = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_STEP_MM: Final = 32.0
_HALF_DEPTH_MM: Final = 17.0
_ROWS: Final = 640
#: Heights, mm, of the vertebra that differs from its neighbours: anterior, middle, posterior.
_WEDGED: Final = (16.0, 21.0, 27.0)
_SCALE: Final = PixelScale(row_mm=0.2, column_mm=0.2, kind="detector_plane")
_FILM: Final = ImagePlane(
    rows=2000, columns=1000, scale=_SCALE, anterior=(-1.0, 0.0), superior=(0.0, -1.0), is_lateral=True
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one report is built from."""

    findings: StudyFindings
    context: ReportContext
    sop_class_uid: str = Comprehensive3DSRStorage


def _heights(level: str) -> tuple[float, float, float]:
    if level == "L1":
        return _WEDGED
    posterior = 19.5 + 0.53 * LEVELS.index(level)
    return posterior - 0.61, posterior - 1.37, posterior


def _offsets(level: str) -> dict[str, tuple[float, float]]:
    """Return (posterior, superior) of each point about the centre of the body, mm."""
    found: dict[str, tuple[float, float]] = {}
    for column, back, height in zip("AMP", (-_HALF_DEPTH_MM, 0.0, _HALF_DEPTH_MM), _heights(level), strict=True):
        found[f"{column}S"], found[f"{column}I"] = (back, height / 2), (back, -height / 2)
    return found


def _in_patient(level: str, names: str = "AMP") -> VertebraLandmarks:
    """Return points in the slab of the first slice; T3 leans out of it, so that no slice shows all of it."""
    lean = 0.2 if level == "T3" else 0.0
    top = 288.0 - _STEP_MM * LEVELS.index(level)
    points: dict[str, Point] = {
        name: (3.2 + lean * up, back, top + up) for name, (back, up) in _offsets(level).items() if name[0] in names
    }
    landmarks = Landmarks(
        space=Space.PATIENT,
        points=points,
        sop_instance_uid=f"{samples.STUDY}.3.1",
        frame_of_reference_uid=samples.FRAME_OF_REFERENCE,
    )
    source = LandmarkSource.SEGMENTATION
    return VertebraLandmarks(level=level, source=source, landmarks=landmarks, axial_spacing_mm=1.0)


def _on_film(level: str, names: str = "AMP", plane: ImagePlane = _FILM) -> VertebraLandmarks:
    """Return points on a radiograph of 0.2 mm a pixel, or, on a plane without a scale, as many pixels."""
    middle = 300.0 + 5 * _STEP_MM * (LEVELS.index(level) - LEVELS.index("T12"))
    points: dict[str, Point] = {
        name: (500 + 5 * back, middle - 5 * up) for name, (back, up) in _offsets(level).items() if name[0] in names
    }
    landmarks = Landmarks(space=Space.IMAGE, points=points, sop_instance_uid=f"{samples.STUDY}.2.1")
    return VertebraLandmarks(level=level, source=LandmarkSource.SUPPLIED_JSON, landmarks=landmarks, plane=plane)


def _findings(*given: VertebraLandmarks, modality: str) -> StudyFindings:
    vertebrae, summary = measure(given, Policy())
    return StudyFindings(
        study_instance_uid=samples.STUDY,
        software="spondyl 1.2.3",
        config_digest="c0ffee",
        landmark_protocol="spondyl-six-point/1",
        vertebrae=vertebrae,
        summary=summary,
        modalities=(modality,),
    )


def _slice(number: int) -> Dataset:
    ds = samples.ct_slice(number)
    ds.Rows, ds.SliceThickness = _ROWS, 3.0
    ds.ImagePositionPatient = [3.0 * number, -100.0, _ROWS / 2]
    return ds


def _ct_context() -> ReportContext:
    images = tuple(_slice(number) for number in (1, 2, 3))
    return ReportContext(images=images, others=(samples.segmentation(),), started_at=STARTED)


def _dx_context() -> ReportContext:
    return ReportContext(images=(samples.dx_lateral(),), started_at=STARTED)


@cache
def _spine(*levels: str) -> StudyFindings:
    return _findings(*(_in_patient(level) for level in levels), modality="CT")


def _ct(sop_class_uid: str, *levels: str) -> Case:
    return Case(findings=_spine(*levels), context=_ct_context(), sop_class_uid=sop_class_uid)


def _radiograph(sop_class_uid: str, *levels: str) -> Case:
    findings = _findings(*(_on_film(level) for level in levels), modality="DX")
    return Case(findings=findings, context=_dx_context(), sop_class_uid=sop_class_uid)


def _four_points() -> Case:
    findings = _findings(*(_in_patient(level, "AP") for level in ("T12", "L1", "L2")), modality="CT")
    return Case(findings=findings, context=_ct_context())


def _uncalibrated() -> Case:
    bare = replace(_FILM, scale=None)
    findings = _findings(*(_on_film(level, plane=bare) for level in ("T12", "L1", "L2")), modality="DX")
    return Case(findings=findings, context=_dx_context())


def _revision() -> Case:
    case = _radiograph(ComprehensiveSRStorage, "T12", "L1")
    earlier = Predecessor(
        sop_class_uid=Comprehensive3DSRStorage,
        sop_instance_uid=f"{samples.STUDY}.7.1",
        series_instance_uid=f"{samples.STUDY}.7",
    )
    return replace(case, context=replace(case.context, predecessors=(earlier,), revision=2))


def _not_analysable(sop_class_uid: str) -> Case:
    reason = "NO_LANDMARKS"
    summary = Summary(
        graded=0, deformed=0, ungradable=(), max_grade=None, spinal_deformity_index=None, sdi_is_lower_bound=True
    )
    findings = replace(_spine(*_FEW), vertebrae=(), summary=summary, reason=reason)
    return Case(findings=findings, context=_ct_context(), sop_class_uid=sop_class_uid)


def _comparison() -> Comparison:
    """Return L1 lower than it was, and L2 as a level that the prior study does not have."""
    wedged = replace(then.T12, level="L1", tracking_uid=f"{samples.STUDY}.8.1")
    missing = LevelComparison(level="L2", tracking_uid=None, reason=NotCompared.LEVEL_MISSING_THEN)
    return Comparison(prior=then.PRIOR, remarks=(Remark.POSTURE_NOT_STATED,), levels=(wedged, missing))


def _compared(sop_class_uid: str) -> Case:
    return replace(_ct(sop_class_uid), findings=replace(_spine(*_FEW), comparison=_comparison()))


def _reviewed() -> Case:
    """Return points that a reader went over, so that there is a person observer."""
    case = _ct(Comprehensive3DSRStorage, *_FEW)
    vertebrae = tuple(replace(one, landmark_source=LandmarkSource.REVIEWED) for one in case.findings.vertebrae)
    return replace(case, findings=replace(case.findings, vertebrae=vertebrae, observers=("Doe^Jane", "Roe^Rick")))


def _beside(sop_class_uid: str, *, has_section: bool) -> Case:
    """Return points 27 mm beside the slices, on a section of ours if there is one."""
    case, images = _ct(sop_class_uid, *_FEW), tuple(_slice(number) for number in (10, 11))
    section = _slice(1)
    section.SeriesInstanceUID, section.SOPInstanceUID = f"{samples.STUDY}.6", f"{samples.STUDY}.6.1"
    derived = (section,) if has_section else ()
    return replace(case, context=replace(case.context, images=images, derived=derived))


def _no_geometry() -> Case:
    """Return points of a segmentation whose images do not say where they lie: no coordinates in this class."""
    case, image = _ct(EnhancedSRStorage, *_FEW), _slice(1)
    del image.ImageOrientationPatient, image.ImagePositionPatient
    return replace(case, context=replace(case.context, images=(image,)))


def _none_measured() -> Case:
    case = _not_analysable(ComprehensiveSRStorage)
    vertebrae = (samples.unmeasured("L1"), samples.unmeasured("L4"))
    return replace(case, findings=replace(case.findings, vertebrae=vertebrae, reason="NO_VERTEBRA_MEASURED"))


#: What independent programs are asked about, by name.
CASES: Final[Mapping[str, Callable[[], Case]]] = {
    "ct-17-levels-3d": lambda: _ct(Comprehensive3DSRStorage, *LEVELS),
    "ct-17-levels-comprehensive": lambda: _ct(ComprehensiveSRStorage, *LEVELS),
    "ct-enhanced": lambda: _ct(EnhancedSRStorage, *_FEW),
    "dx-one-level-3d": lambda: _radiograph(Comprehensive3DSRStorage, "L4"),
    "dx-one-level-comprehensive": lambda: _radiograph(ComprehensiveSRStorage, "L4"),
    "dx-one-level-enhanced": lambda: _radiograph(EnhancedSRStorage, "L4"),
    "four-points": _four_points,
    "uncalibrated": _uncalibrated,
    "revision": _revision,
    "not-analysable-3d": lambda: _not_analysable(Comprehensive3DSRStorage),
    "not-analysable-comprehensive": lambda: _not_analysable(ComprehensiveSRStorage),
    "not-analysable-enhanced": lambda: _not_analysable(EnhancedSRStorage),
    "comparison-3d": lambda: _compared(Comprehensive3DSRStorage),
    "comparison-enhanced": lambda: _compared(EnhancedSRStorage),
    "reviewed-3d": _reviewed,
    "section-comprehensive": lambda: _beside(ComprehensiveSRStorage, has_section=True),
    "projection-only-enhanced": lambda: _beside(EnhancedSRStorage, has_section=False),
    "images-only-enhanced": _no_geometry,
    "not-analysable-no-vertebra-comprehensive": _none_measured,
}
#: Those with measured vertebrae.
MEASURED: Final = tuple(name for name in CASES if not name.startswith("not-analysable"))


@cache
def case(name: str) -> Case:
    """Return what the report of this name is built from."""
    return CASES[name]()


@cache
def report(name: str) -> Dataset:
    """Return the report of this name; it is shared, so no test may change it."""
    made = case(name)
    return build_report(made.findings, made.context, made.sop_class_uid)


@cache
def report_bytes(name: str) -> bytes:
    """Return the report of this name as a file."""
    return to_bytes(report(name))
