"""Slices, read one at a time."""

from pathlib import Path

import numpy as np
import pytest
from pictured import ct, ramp, with_pixels, written
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLosslessSV1
from report_samples import ct_slice

from workers.pictures import stack as module
from workers.pictures.stack import Stack, decoded, stack_of

#: On a slice, between two, at the corner of one, LPS mm.
INSIDE = np.array([(0.0, 0.0, 0.0), (1.0, -20.25, 30.5), (7.5, 99.0, 128.0)])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return four slices at x = 0, 3, 6, 9 mm, in any order of files."""
    inputs = written(tmp_path_factory.mktemp("study"), *(ct(number) for number in (2, 0, 3, 1)))
    found = stack_of(inputs.headers, inputs.files)
    assert found is not None
    return found


def test_sampling_gives_back_what_is_linear(stack: Stack) -> None:
    """Between pixels and between slices a linear value comes back exactly, whatever slices are needed."""
    sampled = stack.sampled(INSIDE)

    assert sampled is not None
    assert ramp(INSIDE).tolist() == pytest.approx(sampled.values.tolist(), abs=1e-3)


def test_beside_the_slices_there_is_nothing(stack: Stack) -> None:
    """A place farther than half a slice from the first or last slice, or outside the image, has no value."""
    sampled = stack.sampled(np.array([(-1.4, 0.0, 0.0), (-1.6, 0.0, 0.0), (10.6, 0.0, 0.0), (3.0, 0.0, 129.0)]))

    assert sampled is not None
    assert [True, False, False, False] == np.isfinite(sampled.values).tolist()


def test_only_slices_that_gave_a_value_are_named(stack: Stack) -> None:
    """Of four slices two are beside the place, and the other two lie elsewhere; nothing is lacking."""
    sampled = stack.sampled(np.array([(4.0, 0.0, 0.0)]))

    assert sampled is not None
    assert {ct_slice(1).SOPInstanceUID, ct_slice(2).SOPInstanceUID} == {one.SOPInstanceUID for one in sampled.images}
    assert 2 == len(sampled.images)
    assert "" == sampled.remark


def test_one_slice_is_in_memory_at_a_time(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice is decoded once, and only where a pixel needs it."""
    read: list[str] = []

    def watched(header: Dataset, path: Path, frame: int = 1) -> object:
        read.append(str(header.SOPInstanceUID))
        return decoded(header, path, frame)

    monkeypatch.setattr(module, "decoded", watched)
    stack.sampled(np.array([(1.0, 0.0, 0.0), (2.0, 5.0, 5.0), (0.5, 7.0, -9.0)]))

    assert [ct_slice(0).SOPInstanceUID, ct_slice(1).SOPInstanceUID] == sorted(read)


def test_what_was_not_sent_stays_black(tmp_path: Path) -> None:
    """A gap of more than three slice distances is not filled in; a smaller one is."""
    inputs = written(tmp_path, *(ct(number) for number in (0, 1, 2, 4, 9)))
    found = stack_of(inputs.headers, inputs.files)
    assert found is not None
    sampled = found.sampled(np.array([(9.0, 0.0, 0.0), (18.0, 0.0, 0.0)]))

    assert sampled is not None
    assert [27.0, True] == [pytest.approx(sampled.values[0]), np.isnan(sampled.values[1])]


def test_a_damaged_slice_is_made_up_for_by_its_neighbour(tmp_path: Path) -> None:
    """Where one of two slices cannot be read, the other one is shown, and said; where none can, there is no picture."""
    first, second = ct(0), ct(1)
    second.PixelData = second.PixelData[:100]
    inputs = written(tmp_path, first, second)
    found = stack_of(inputs.headers, inputs.files)
    assert found is not None
    sampled = found.sampled(np.array([(1.0, 0.0, 0.0)]))

    assert sampled is not None
    assert [0.0] == pytest.approx(sampled.values.tolist())
    assert [first.SOPInstanceUID] == [image.SOPInstanceUID for image in sampled.images]
    assert "1 of 2 slices could not be read" == sampled.remark
    assert found.sampled(np.array([(3.0, 0.0, 0.0)])) is None


def test_a_missing_decoder_is_no_error(tmp_path: Path) -> None:
    """Pixels in a compression that nothing here decodes, or too many of them, are not shown."""
    image = ct(0)
    image.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    (tmp_path / "one.dcm").write_bytes(b"")
    inputs = written(tmp_path / "study", ct(1))
    path = next(iter(inputs.files.values()))

    assert decoded(image, tmp_path / "one.dcm") is None
    header = inputs.headers[0]
    header.Rows = header.Columns = 65535
    assert decoded(header, path) is None


def test_frames_of_an_enhanced_image_are_slices(tmp_path: Path) -> None:
    """Planes and rescaling come from the functional groups (PS3.3 C.7.6.16), each frame decoded by itself."""
    image = with_pixels(ct_slice(0), np.zeros((4, 4), dtype=np.int16))
    image.NumberOfFrames, image.PixelData = 2, np.array([[[10] * 4] * 4, [[30] * 4] * 4], dtype="<u2").tobytes()
    image.PerFrameFunctionalGroupsSequence = [_frame(x) for x in (0.0, 2.0)]
    del image.ImagePositionPatient
    found = stack_of(*_parts(tmp_path, image))
    assert found is not None
    sampled = found.sampled(np.array([(0.0, -98.0, 126.0), (1.0, -98.0, 126.0)]))

    assert sampled is not None
    # Rescaled by 2 x + 5: 25 and 65, and their mean between them.
    assert [25.0, 45.0] == pytest.approx(sampled.values.tolist())
    assert [image.SOPInstanceUID] == [one.SOPInstanceUID for one in sampled.images]


def _parts(folder: Path, image: Dataset) -> tuple[tuple[Dataset, ...], dict[str, Path]]:
    inputs = written(folder, image)
    return inputs.headers, dict(inputs.files)


def _frame(x: float) -> Dataset:
    group, position, values = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [x, -100.0, 128.0]
    values.RescaleSlope, values.RescaleIntercept = 2, 5
    group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [values]
    return group
