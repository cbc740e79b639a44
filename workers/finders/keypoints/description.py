"""What a keypoint network takes and gives: the TOML file beside the model file (docs/finders.md).

Read strictly: a wrong guess about an axis, a scale or a half pixel is a wrong height.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.types import StringConstraints

from service.config_reading import explain, read_toml
from service.errors import Misconfigured
from sr_templates.findings import POINT_NAMES
from sr_templates.levels import LEVELS
from workers.landmarks.document import CORNERS

#: Largest side of a network's input, pixels.
_LARGEST: Final = 8192
_Name = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,64}$", strip_whitespace=True)]
_Version = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,32}$", strip_whitespace=True)]
_Side = Annotated[int, Field(ge=8, le=_LARGEST)]
_Percentile = Annotated[float, Field(ge=0, le=100)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Table):
    """[model]: what the report calls it."""

    name: _Name
    version: _Version


class Normalisation(_Table):
    """[input.normalisation]: from pixel values to what the network takes: to 0..1, less `mean`, over `std`."""

    #: What becomes 0 and 1: the lowest and highest value of the image, or two of its percentiles (what lies beyond is
    #: cut off), or the two values of `limits`.
    range: Literal["min_max", "percentile", "limits"] = "percentile"
    percentiles: tuple[_Percentile, _Percentile] = (1.0, 99.0)
    limits: tuple[float, float] | None = None
    #: One number, or one a channel.
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0.0,)
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3)] = (1.0,)

    @model_validator(mode="after")
    def _limits_where_they_are_meant(self) -> Self:
        if (self.range == "limits") != (self.limits is not None):
            raise ValueError('limits: expected with range = "limits", and only then')
        low, high = self.limits or self.percentiles
        if low >= high:
            raise ValueError(f"expected the lower value first, found {low:g} before {high:g}")
        return self


class Input(_Table):
    """[input]: the image as the network wants it, (1, channels, height, width)."""

    name: str
    height: _Side
    width: _Side
    #: 3: the same grey in each.
    channels: Literal[1, 3] = 1
    #: "pad" keeps the aspect ratio and fills up with the darkest value of 0..1; "stretch" does not keep it.
    resize: Literal["pad", "stretch"] = "pad"
    #: Where the image lies in the padded one: at the top left corner, or in the middle.
    placed: Literal["top_left", "centre"] = "centre"
    #: Which side anterior must be on; an image that says the other one is mirrored. "any" leaves it.
    anterior: Literal["left", "right", "any"] = "any"
    #: Whether bone is bright, as on a screen (MONOCHROME2), or dark.
    bone: Literal["bright", "dark"] = "bright"
    #: Whether the window that the image states is applied (PS3.3 C.11.2), or its values as stored and rescaled.
    window: bool = False
    normalisation: Normalisation = Normalisation()


class Output(_Table):
    """[output]: which point is where in what the network gives; levels first, in each the points."""

    name: str
    #: "heatmaps": (1, levels x points, h, w), of any h and w, peaks of any height. "points": (1, levels x points, 2)
    #: or (1, levels, points, 2) of x and y; with 3 in the place of 2 the third is the score.
    kind: Literal["heatmaps", "points"]
    levels: Annotated[tuple[str, ...], Field(min_length=1)]
    points: tuple[str, ...]
    #: Below it a point is not placed; None where there is no score.
    score_threshold: float | None = None
    #: Of kind "points": pixels of the network's input, or shares of its width and height.
    coordinates: Literal["pixels", "normalised"] = "pixels"
    #: Of pixels: what the network calls the centre of the first one. 0.5 where 0 is its corner.
    first_pixel_centre: float | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels: expected each of {', '.join(LEVELS)} once at most, found {self.levels}")
        if set(self.points) not in (set(POINT_NAMES), CORNERS) or len(set(self.points)) < len(self.points):
            raise ValueError(f"points: expected {', '.join(POINT_NAMES)}, or these without MS and MI, each once")
        in_pixels = self.kind == "points" and self.coordinates == "pixels"
        if self.first_pixel_centre not in ({0.0, 0.5} if in_pixels else {None}):
            raise ValueError("first_pixel_centre: expected 0.0 or 0.5 for points in pixels, and only for these")
        if self.kind == "heatmaps" and self.score_threshold is None:
            raise ValueError("score_threshold: expected a number, since every heatmap has a highest pixel")
        return self


class Description(_Table):
    """The whole file."""

    format: Literal["spondyl.keypoints/1"]
    model: Model
    input: Input
    output: Output

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> Self:
        for name in ("mean", "std"):
            found = len(getattr(self.input.normalisation, name))
            if found not in {1, self.input.channels}:
                raise ValueError(
                    f"input.normalisation.{name}: expected 1 or {self.input.channels} numbers, found {found}"
                )
        return self


def read_description(path: Path) -> Description:
    """Read the file; raises Misconfigured with a line for each problem: the key, the value, what is allowed."""
    try:
        return Description.model_validate(read_toml(path))
    except ValidationError as error:
        raise Misconfigured(f"{path.name}: {explain(error, {}, Description)}") from None
