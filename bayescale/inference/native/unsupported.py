"""What the compiler of this package cannot do; nutpie then compiles the model."""


class UnsupportedError(Exception):
    """A graph has an operation or a shape that no machine code is written for."""
