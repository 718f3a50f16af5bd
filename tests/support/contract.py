"""The facts of Telnyx's published OpenAPI document that the sandbox serves."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Json = dict[str, Any]

UNDOCUMENTED_CODES = {"10010", "10023"}
"""Codes of Telnyx's general list of errors, which the document leaves out."""


@cache
def contract() -> Json:
    """`operations`, `webhooks`, `error_codes` and `components`: arguments, answers and schemas, without prose.

    `without_schema` of an operation lists the arguments whose schemas are left out.
    """
    return json.loads((Path(__file__).parents[1] / "sandbox" / "telnyx_contract.json").read_text())


def mismatches(schema: Json, value: Any) -> list[str]:
    """Why a value does not fit a schema of the contract."""
    whole = {**schema, "components": contract()["components"]}
    errors = Draft202012Validator(whole).iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:150]}" for error in errors]


def resolve_schema(schema: Json) -> Json:
    """The schema that a schema refers to, or the schema itself."""
    while "$ref" in schema:
        schema = contract()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
