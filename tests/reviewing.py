"""What a reader's workstation writes into a report that it saves."""

from pydicom.dataset import Dataset


def verified(report: Dataset, reader: str) -> Dataset:
    """Verify a report in the name of `reader` (PS3.3 C.17.2)."""
    report.VerificationFlag = "VERIFIED"
    verifier = Dataset()
    verifier.VerifyingObserverName, verifier.VerifyingOrganization = reader, "Hospital"
    verifier.VerificationDateTime = "20260305101500"
    verifier.VerifyingObserverIdentificationCodeSequence = []
    report.VerifyingObserverSequence = [verifier]
    return report
