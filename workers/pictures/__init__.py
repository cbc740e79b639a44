"""Pictures of what was measured: the sagittal reformat or the radiograph with points, lines and numbers drawn on it."""
