"""Synthetic voices: the languages, and the settings of each provider."""

import json
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


def _from_string(value: Any) -> Any:
    """A number or boolean that was sent as a string: a tool's schema does not list these fields."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


Float = Annotated[float, BeforeValidator(_from_string)]


class Aws(_Settings):
    type: Literal["aws"]


class Azure(_Settings):
    type: Literal["azure"]
    api_key_ref: str | None = None
    deployment_id: str | None = None
    effect: Literal["eq_car", "eq_telecomhp8k"] | None = None
    gender: Literal["Male", "Female"] | None = None
    region: str | None = None


class ElevenLabs(_Settings):
    type: Literal["elevenlabs"]
    api_key_ref: str | None = None


class Inworld(_Settings):
    type: Literal["inworld"]
    delivery_mode: Literal["STABLE", "BALANCED", "CREATIVE"] | None = None


Language = Literal[
    "arb",
    "cmn-CN",
    "cy-GB",
    "da-DK",
    "de-DE",
    "en-AU",
    "en-GB",
    "en-GB-WLS",
    "en-IN",
    "en-US",
    "es-ES",
    "es-MX",
    "es-US",
    "fr-CA",
    "fr-FR",
    "hi-IN",
    "is-IS",
    "it-IT",
    "ja-JP",
    "ko-KR",
    "nb-NO",
    "nl-NL",
    "pl-PL",
    "pt-BR",
    "pt-PT",
    "ro-RO",
    "ru-RU",
    "sv-SE",
    "tr-TR",
]
"""Languages of speech. Polly voices ignore it."""

LanguageBoost = Literal[
    "auto",
    "Chinese",
    "Chinese,Yue",
    "English",
    "Arabic",
    "Russian",
    "Spanish",
    "French",
    "Portuguese",
    "German",
    "Turkish",
    "Dutch",
    "Ukrainian",
    "Vietnamese",
    "Indonesian",
    "Japanese",
    "Italian",
    "Korean",
    "Thai",
    "Polish",
    "Romanian",
    "Greek",
    "Czech",
    "Finnish",
    "Hindi",
    "Bulgarian",
    "Danish",
    "Hebrew",
    "Malay",
    "Persian",
    "Slovak",
    "Swedish",
    "Croatian",
    "Filipino",
    "Hungarian",
    "Norwegian",
    "Slovenian",
    "Catalan",
    "Nynorsk",
    "Tamil",
    "Afrikaans",
]


class Minimax(_Settings):
    type: Literal["minimax"]
    language_boost: LanguageBoost | None = None
    pitch: Annotated[int, BeforeValidator(_from_string)] | None = None
    speed: Float | None = None
    vol: Float | None = None


class Resemble(_Settings):
    type: Literal["resemble"]
    format: Literal["wav", "mp3"] | None = None
    precision: Literal["PCM_16", "PCM_24", "PCM_32", "MULAW"] | None = None
    sample_rate: Literal["8000", "16000", "22050", "32000", "44100", "48000"] | None = None


class Soniox(_Settings):
    type: Literal["soniox"]
    reduce_silence: Annotated[bool, BeforeValidator(_from_string)] | None = None
    speed: Float | None = None


class Telnyx(_Settings):
    type: Literal["telnyx"]
    voice_speed: Annotated[Float, Field(ge=0.1, le=2)] | None = None


class Xai(_Settings):
    type: Literal["xai"]
    language: str | None = None


_Provider = Aws | Azure | ElevenLabs | Inworld | Minimax | Resemble | Soniox | Telnyx | Xai

PROVIDER_FIELDS: dict[str, tuple[str, ...]] = {
    get_args(provider.model_fields["type"].annotation)[0]: tuple(
        name for name in provider.model_fields if name != "type"
    )
    for provider in get_args(_Provider)
}
"""The fields of each provider, besides `type`."""

VoiceSettings = Annotated[
    _Provider,
    Field(discriminator="type"),
    # The fields of the nine providers would cost every conversation as much as three tools. The server checks them, and
    # a refusal names the provider's fields.
    WithJsonSchema(
        {
            "type": "object",
            "description": "Fields of the voice's provider, beside type, as voice_speed of telnyx.",
            "properties": {"type": {"type": "string", "enum": list(PROVIDER_FIELDS), "description": "The provider."}},
            "required": ["type"],
        }
    ),
]


def require_voice(payload: str | None, voice: str | None) -> None:
    """Raise `ValueError` unless a text to say and a voice are given together, or neither is."""
    if (payload is None) is not (voice is None):
        raise ValueError("payload and voice go together")
