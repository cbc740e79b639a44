"""Write the JSON Schemas of what the commands print into docs/schemas: `make schemas`."""

import json
from pathlib import Path

from service.shapes.answers import SHAPES, json_schema

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in SHAPES:
        text = json.dumps(json_schema(name), indent=2, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
