"""From an outline or a mask of a vertebra on a projection radiograph to its six points: docs/morphometry 3.3."""
