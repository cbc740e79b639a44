"""The digest of what the configuration lets a report say; it stands in every report and seeds its UIDs."""

import hashlib
import json

from service.config import Settings


def config_digest(settings: Settings) -> str:
    """Return the SHA-256, hex, of [measure], of what [report] says of the objects, and of the finder that is asked.

    Two configurations with the same digest write the same bytes for the same inputs. What a finder's files hold is
    not part of the configuration: a report that rests on a finder names its version.
    """
    report = settings.report.model_dump(mode="json", exclude={"not_analysable", "dciodvfy"})
    said = {"measure": settings.measure.model_dump(mode="json"), "report": report}
    if settings.finder.name:
        said["finder"] = settings.finder.model_dump(mode="json", include={"name", "command", "model", "options"})
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
