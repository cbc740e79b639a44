"""The JSON that we print and answer, described once: what a program may rely on, published as JSON Schema."""
