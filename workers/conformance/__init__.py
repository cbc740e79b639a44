"""The DICOM conformance statement of a configuration (PS3.2): what is negotiated, and what our objects hold."""
