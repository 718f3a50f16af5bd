"""Operator defaults for arguments that a call may leave out and Telnyx requires."""

from collections.abc import Mapping

from ...tools.base import Command, Tool
from ..settings import Settings, name_of
from .validation import InvalidArguments

_DESCRIPTIONS = {
    "connection_id": "the id of the connection (Call Control application) to call with",
    "from_number": "the number to call from, in E.164",
}


class DefaultArguments:
    """The operator's values, by setting name."""

    def __init__(self, settings: Settings) -> None:
        self.values: Mapping[str, str | None] = {
            "connection_id": settings.connection_id,
            "from_number": settings.from_number,
        }
        if settings.sandbox:
            from ..sandbox import CONNECTION_ID, NUMBER  # noqa: PLC0415 (for --sandbox only)

            defaults = {"connection_id": CONNECTION_ID, "from_number": NUMBER}
            self.values = {name: value or defaults[name] for name, value in self.values.items()}

    def fill(self, tool: Tool) -> Tool:
        """Add the operator's values for arguments left out. Raises `InvalidArguments` if the operator set none."""
        if not isinstance(tool, Command):
            return tool
        absent = [name for name in tool.settings if getattr(tool, name) is None]
        missing = [name for name in absent if self.values[tool.settings[name]] is None]
        if missing:
            sentences = " ".join(_missing(tool.wire_name(name), tool.settings[name]) for name in missing)
            raise InvalidArguments(f"{tool.tool_name()} was not called: {sentences}")
        return tool.model_copy(update={name: self.values[tool.settings[name]] for name in absent}) if absent else tool


def _missing(argument: str, setting: str) -> str:
    return (
        f"{argument} is missing: give {_DESCRIPTIONS[setting]}. Ask the person for it, or have the operator set "
        f"{_variable(setting)} as the default."
    )


def _variable(setting: str) -> str:
    """The option and the environment variable of a setting."""
    return name_of(str(Settings.model_fields[setting].validation_alias))
