"""A rule between arguments that two commands share."""

from typing import Self

from pydantic import BaseModel, ValidationInfo, model_validator


class Whispers(BaseModel):
    """`whisper_call_control_ids` goes with the role whisper, and with no other.

    Telnyx makes a whisper without listeners a silent monitor; a model that asks for one is told instead.
    """

    @model_validator(mode="after")
    def _whisper_to_somebody(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        role = getattr(self, "supervisor_role", None)
        to = getattr(self, "whisper_call_control_ids", None)
        if role == "whisper" and to is None:
            raise ValueError("supervisor_role whisper needs whisper_call_control_ids, those who hear it")
        if role != "whisper" and to is not None:
            raise ValueError("whisper_call_control_ids goes with supervisor_role whisper only")
        return self
