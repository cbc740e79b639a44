"""The digest of what the configuration lets a report say; it stands in every report and seeds its UIDs."""

import hashlib
import json

from service.config import Settings


def config_digest(settings: Settings) -> str:
    """Return the SHA-256, hex, of [measure] and [report], all of their keys.

    Two configurations with the same digest write the same bytes for the same inputs.
    """
    said = {"measure": settings.measure.model_dump(mode="json"), "report": settings.report.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
