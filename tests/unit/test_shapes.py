"""What our JSON looks like: the published schemas, and what is really written."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison_samples import PRIOR, T12
from pydantic import ValidationError
from report_samples import Sample, findings

from service.shapes.answers import SHAPES, adapter, json_schema
from sr_templates.comparison import Comparison
from sr_templates.findings_json import to_json

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def _compared() -> Any:
    return to_json(replace(findings("patient"), comparison=Comparison(prior=PRIOR, levels=(T12,))))


@pytest.mark.parametrize("name", SHAPES)
def test_every_schema_is_published_as_it_is(name: str) -> None:
    """docs/schemas has what `spondyl schema` prints, and nothing else; `make schemas` writes it."""
    assert json_schema(name) == json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    assert set(SHAPES) == {path.stem for path in SCHEMAS.iterdir()}


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
def test_findings_are_as_their_schema_says(sample: Sample) -> None:
    """Measured and unmeasurable vertebrae, in the patient and on an image, with and without mm."""
    adapter("findings").validate_json(json.dumps(to_json(findings(sample))), strict=True)


def test_a_comparison_is_as_the_schema_says() -> None:
    """Heights and losses then and now, levels that are compared and positions that are not."""
    adapter("findings").validate_json(json.dumps(_compared()), strict=True)


@pytest.mark.parametrize("path", ["summary.graded", "comparison.levels", "vertebrae"])
def test_a_key_that_is_gone_is_found(path: str) -> None:
    """Taken away, or called otherwise: the schema tells."""
    document = _compared()
    *parents, key = path.split(".")
    place = document
    for each in parents:
        place = place[each]
    place[f"{key}_else"] = place.pop(key)

    with pytest.raises(ValidationError):
        adapter("findings").validate_python(document)
