"""The finder `onnx-keypoints`: a site's keypoint network on lateral radiographs, by ONNX Runtime on the CPU."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pydicom

from service.errors import Misconfigured
from sr_templates import headers
from sr_templates.findings import Space
from workers.finders.keypoints.decode import by_level, decoded
from workers.finders.keypoints.description import Description, Input, read_description
from workers.finders.keypoints.fit import fitted
from workers.finders.keypoints.radiograph import SOP_CLASSES, lateral_plane, must_be_mirrored, values_of
from workers.finders.protocol import (
    CannotRun,
    FinderAnswer,
    FinderSetup,
    FinderTask,
    NoSuitableImage,
    NothingFound,
)
from workers.landmarks.document import SCHEMA
from workers.landmarks.points import ImagePlane

_EXTRA: Final = "ONNX Runtime is not installed: install spondyl[onnx]"
#: Digits of a file's SHA-256 that name it.
_DIGITS: Final = 16
#: Decimals of a pixel: what two processors may differ by lies far below.
_DECIMALS: Final = 3
_Points = Mapping[str, tuple[float, float]]


class OnnxKeypoints:
    """A network and its description; `model` is its file, the description lies beside it as .toml."""

    sop_classes: Collection[str] = SOP_CLASSES

    def __init__(self, setup: FinderSetup) -> None:
        """Load both; raises CannotRun where one is missing, or they do not fit each other."""
        if setup.model is None:
            raise CannotRun("finder.model: expected a file in the format ONNX, found none named")
        if setup.command or setup.options:
            raise CannotRun("finder.command, finder.options: expected none, a keypoint network has neither")
        beside = setup.model.with_suffix(".toml")
        try:
            self._description = read_description(beside)
            digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS] for path in (setup.model, beside)]
        except Misconfigured as error:
            raise CannotRun(str(error)) from error
        except OSError as error:
            raise CannotRun(f"finder.model: {setup.model}: cannot be read: {error.strerror}") from error
        self._session = _session(setup.model)
        _check(self._session, self._description)
        model = self._description.model
        self._said = f"{model.name} {model.version} (SHA-256 of model {digests[0]}, of description {digests[1]})"

    def find(self, task: FinderTask) -> FinderAnswer:
        """Return the points on the radiograph that shows the most vertebrae; of equals, that of the lowest UID."""
        answers = [self._looked(path, uid, plane) for uid, path, plane in _laterals(task.images)]
        if not answers:
            raise NoSuitableImage
        uid, vertebrae = max(answers, key=lambda answer: len(answer[1]))
        if not vertebrae:
            raise NothingFound
        document = {
            "schema": SCHEMA,
            "study_instance_uid": task.study_instance_uid,
            "sop_instance_uid": uid,
            "space": Space.IMAGE.value,
            "source": "automatic",
            "vertebrae": [{"level": level, "points": points} for level, points in vertebrae.items()],
        }
        return FinderAnswer(said=self._said, landmarks=json.dumps(document).encode())

    def _looked(self, path: Path, uid: str, plane: ImagePlane) -> tuple[str, dict[str, _Points]]:
        """Return the vertebrae found on one radiograph, in (column, row) of it."""
        wanted, output = self._description.input, self._description.output
        fit = fitted(
            (plane.columns, plane.rows),
            (wanted.width, wanted.height),
            resize=wanted.resize,
            placed=wanted.placed,
            mirrored=must_be_mirrored(plane, wanted.anterior),
        )
        (found,) = self._session.run(
            [output.name], {wanted.name: _tensor(fit.resampled(values_of(path, wanted)), wanted)}
        )
        points = decoded(found, output, fit.target)
        places = np.round(fit.to_source(points.places), _DECIMALS)
        inside = ((places >= 0) & (places <= fit.source)).all(axis=1)
        return uid, by_level(places, points.placed & inside, output)


def _laterals(paths: Collection[Path]) -> list[tuple[str, Path, ImagePlane]]:
    """Return UID, file and plane of the images that are lateral radiographs, ordered by UID."""
    read = [(pydicom.dcmread(path, stop_before_pixels=True), path) for path in paths]
    found = [(headers.text(header, "SOPInstanceUID"), path, lateral_plane(header)) for header, path in read]
    return [(uid, path, plane) for uid, path, plane in sorted(found, key=lambda one: one[0]) if plane is not None]


def _tensor(image: npt.NDArray[np.float64], wanted: Input) -> npt.NDArray[np.float32]:
    """Return the image as (1, channels, height, width), less the mean, over the SD."""
    mean, std = (
        np.array(numbers).reshape(-1, 1, 1) for numbers in (wanted.normalisation.mean, wanted.normalisation.std)
    )
    channels = np.broadcast_to((image - mean) / std, (wanted.channels, *image.shape))
    return np.ascontiguousarray(channels[np.newaxis], dtype=np.float32)


def _session(model: Path) -> Any:  # noqa: ANN401 - ONNX Runtime publishes no types
    """Return the network, ready to run on one thread: the same input gives the same output on this machine."""
    try:
        import onnxruntime  # noqa: PLC0415 - an extra that only this finder needs
        from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 - as above
    except ImportError as error:
        raise CannotRun(_EXTRA) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # The levels above rewrite the network to fit the processor.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.use_deterministic_compute = True
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
    ) as error:
        raise CannotRun(f"finder.model: ONNX Runtime {onnxruntime.__version__} cannot load it: {error}") from error


def _check(session: Any, description: Description) -> None:  # noqa: ANN401 - ONNX Runtime publishes no types
    """Raise CannotRun where the network has other inputs or outputs than its description says."""
    wanted = description.input
    shape = (1, wanted.channels, wanted.height, wanted.width)
    inputs = {one.name: one for one in session.get_inputs()}
    if set(inputs) != {wanted.name}:
        raise CannotRun(f"input.name: expected the one input of the model, {', '.join(inputs)}, found {wanted.name}")
    fixed = inputs[wanted.name].shape
    if len(fixed) != len(shape) or any(isinstance(a, int) and a != b for a, b in zip(fixed, shape, strict=True)):
        raise CannotRun(f"input: expected the shape of the model, {fixed}, found {list(shape)}")
    if inputs[wanted.name].type != "tensor(float)":
        raise CannotRun(f"input: expected a model that takes tensor(float), found {inputs[wanted.name].type}")
    outputs = [one.name for one in session.get_outputs()]
    if description.output.name not in outputs:
        raise CannotRun(f"output.name: expected one of {', '.join(outputs)}, found {description.output.name}")
