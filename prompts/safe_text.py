"""Text that a template may show."""


class SafeText(str):
    """Text on one line without invisible characters, in quotation marks if a caller or a model chose it."""

    __slots__ = ()
