"""A rule between arguments that several commands share."""

from typing import Self

from pydantic import BaseModel, ValidationInfo, model_validator


class WhisperRule(BaseModel):
    """The role whisper requires `whisper_call_control_ids`, and no other role accepts it.

    Telnyx treats a whisper without listeners as a silent monitor, so such a call is refused.
    """

    @model_validator(mode="after")
    def _has_listeners(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        role = getattr(self, "supervisor_role", None)
        listeners = getattr(self, "whisper_call_control_ids", None)
        if role == "whisper" and listeners is None:
            raise ValueError("supervisor_role whisper needs whisper_call_control_ids: the call legs that hear it")
        if role != "whisper" and listeners is not None:
            raise ValueError("whisper_call_control_ids is only for supervisor_role whisper")
        return self
