"""Write the published tables of codes into the package: `make codes`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sr_templates
from sr_templates.code_table import code_system, published_table

FOLDER = Path(sr_templates.__file__).parent / "published"


def as_text(table: Mapping[str, Any]) -> str:
    """Return a table as the text of its file."""
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


#: The files by name.
FILES = {
    "codes.json": as_text(published_table()),
    "CodeSystem-99SPONDYL.json": as_text(code_system()),
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
