"""Findings in, DICOM datasets out; no I/O."""
