"""The findings as a visitor may have them: when a patient had an earlier study is an operator's to know."""

from collections.abc import Mapping
from typing import Any

from service.web.visitor import Visitor


def seen_by(visitor: Visitor, findings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the findings (`spondyl.findings/1`), the date of the earlier study null for who sees no patients."""
    comparison = findings.get("comparison")
    if visitor.sees_patients or not comparison:
        return dict(findings)
    return {**findings, "comparison": {**comparison, "prior": {**comparison["prior"], "study_date": None}}}
