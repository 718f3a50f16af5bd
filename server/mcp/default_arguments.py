"""What an operator has set once, for arguments that a call leaves out and Telnyx needs."""

from collections.abc import Mapping

from ...tools.base import Command, Tool
from ..settings import Settings, name_of
from .validation import InvalidArguments

_MEANING = {
    "connection_id": "the id of the connection (Call Control application) to call with",
    "from_number": "the number of yours to call from, in E.164",
}


class DefaultArguments:
    """The operator's own values, by the names of the settings."""

    def __init__(self, settings: Settings) -> None:
        self.values: Mapping[str, str | None] = {
            "connection_id": settings.connection_id,
            "from_number": settings.from_number,
        }
        if settings.sandbox:
            from ..sandbox import CONNECTION_ID, NUMBER  # noqa: PLC0415 (only where it is used)

            own = {"connection_id": CONNECTION_ID, "from_number": NUMBER}
            self.values = {name: value or own[name] for name, value in self.values.items()}

    def fill(self, tool: Tool) -> Tool:
        """The call with the operator's values for what it leaves out. Raises `InvalidArguments` where there is none."""
        if not isinstance(tool, Command):
            return tool
        absent = [name for name in tool.settings if getattr(tool, name) is None]
        missing = [name for name in absent if self.values[tool.settings[name]] is None]
        if missing:
            said = " ".join(_missing(tool.wire_name(name), tool.settings[name]) for name in missing)
            raise InvalidArguments(f"{tool.tool_name()} was not called: {said}")
        return tool.model_copy(update={name: self.values[tool.settings[name]] for name in absent}) if absent else tool


def _missing(argument: str, setting: str) -> str:
    return (
        f"{argument} is missing: give {_MEANING[setting]}; ask the person for it, or have the operator set "
        f"{_variable(setting)} once for all calls."
    )


def _variable(setting: str) -> str:
    return name_of(str(Settings.model_fields[setting].validation_alias))
