"""A tiny keypoint network, its description and a radiograph whose points it finds, all made from closed form.

The radiograph is dark but for a Gaussian spot at each point. The network multiplies it by one window a point: so its
heatmap is that spot, and where its peak must be is known without asking the network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import dx_lateral

LEVELS: Final = ("L3", "L4")
CORNERS: Final = ("AS", "PS", "AI", "PI")
#: (column, row) of the spots in the radiograph, 0, 0 at the corner of the first pixel; anterior is on the left.
SPOTS: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "L3": {"AS": (60.25, 50.5), "PS": (130.0, 55.75), "AI": (62.5, 118.0), "PI": (128.4, 121.3)},
    "L4": {"AS": (58.6, 150.2), "PS": (131.1, 152.9), "AI": (61.7, 219.5), "PI": (129.9, 214.1)},
}
#: Columns and rows of the radiograph, and of the network's input.
SOURCE: Final = (200, 280)
INPUT: Final = (160, 144)
_SPOT_SD: Final = 5.0
_BRIGHT: Final = 4000.0


def radiograph(path: Path, *, inverted: bool = False, mirrored: bool = False, **changes: Any) -> Dataset:
    """Write and return the radiograph: MONOCHROME1 where `inverted`, anterior on the right where `mirrored`."""
    columns, rows = (np.arange(size) + 0.5 for size in SOURCE)
    image = np.zeros(SOURCE[::-1])
    for column, row in (spot for spots in SPOTS.values() for spot in spots.values()):
        squared = (columns[np.newaxis] - column) ** 2 + (rows[:, np.newaxis] - row) ** 2
        image += _BRIGHT * np.exp(-squared / (2 * _SPOT_SD**2))
    image = image[:, ::-1] if mirrored else image
    ds = dx_lateral()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PatientOrientation = ["A" if mirrored else "P", "F"]
    ds.Columns, ds.Rows = SOURCE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if inverted else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.rint(4095 - image if inverted else image).astype("<u2").tobytes()
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    ds.save_as(path, enforce_file_format=True)
    return ds


def heatmap_network(path: Path, centres: Sequence[tuple[float, float]], *, half: float = 14.0) -> None:
    """Write a network that gives the image within `half` pixels of each of the `centres`, (x, y) of the input."""
    x, y = (np.arange(size) + 0.5 for size in INPUT)
    windows = [(np.abs(x[np.newaxis] - cx) < half) & (np.abs(y[:, np.newaxis] - cy) < half) for cx, cy in centres]
    node = helper.make_node("Mul", ["image", "windows"], ["found"])
    _write(path, [node], [1, len(windows), INPUT[1], INPUT[0]], windows=np.array(windows)[np.newaxis])


def point_network(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write a network that gives the same points for every image, (1, n, 2 or 3)."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["points", "zero"], ["found"]),
    ]
    _write(path, nodes, [1, len(rows), len(rows[0])], points=np.array(rows)[np.newaxis], nothing=np.array(0.0))


def description(**output: Any) -> str:
    """Return the TOML text that fits the networks; `output` replaces keys of [output], None leaves one out."""
    keys = {
        "name": "found",
        "kind": "heatmaps",
        "levels": list(LEVELS),
        "points": list(CORNERS),
        "score_threshold": 0.5,
        **output,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in keys.items() if value is not None]
    return (
        'format = "spondyl.keypoints/1"\n[model]\nname = "Spots"\nversion = "3"\n'
        f'[input]\nname = "image"\nwidth = {INPUT[0]}\nheight = {INPUT[1]}\nanterior = "left"\n'
        '[input.normalisation]\nrange = "min_max"\n[output]\n' + "\n".join(lines) + "\n"
    )


def _toml(value: object) -> str:
    return (
        str(value).replace("'", '"')
        if isinstance(value, list)
        else f'"{value}"'
        if isinstance(value, str)
        else f"{value}"
    )


def _write(path: Path, nodes: Sequence[onnx.NodeProto], shape: Sequence[int], **constants: npt.NDArray[Any]) -> None:
    """Write a model of one input, `image`, (1, 1, height, width), and one output, `found`, of this shape."""
    graph = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, INPUT[1], INPUT[0]])],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
