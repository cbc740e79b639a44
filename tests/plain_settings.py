"""Settings of a site that wants the report alone: tests that look at nothing else need no pictures made."""

from typing import Final

from service.config import Report, Settings
from service.config_peers import Destination

REPORT_ALONE: Final = Settings(
    report=Report(sop_classes=("comprehensive_3d",)),
    destinations=(Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=104, send=("sr",)),),
)
