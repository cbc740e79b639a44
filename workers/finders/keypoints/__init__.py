"""Keypoint networks for lateral radiographs: a file in the format ONNX, described by a TOML file beside it."""
