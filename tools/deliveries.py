"""Past webhook deliveries, from which missed events are fetched. Not a tool of the model."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .base import GET, Command, Retry, Risk
from .results import ToolResult


class _From(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    gte: str


class _Status(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    eq: Literal["delivered", "failed"]


class DeliveryFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    started_at: _From | None = None
    finished_at: _From | None = None
    status: _Status | None = None

    @classmethod
    def started_from(cls, moment: str) -> "DeliveryFilter":
        return cls(started_at=_From(gte=moment))

    @classmethod
    def failed_from(cls, moment: str) -> "DeliveryFilter":
        return cls(finished_at=_From(gte=moment), status=_Status(eq="failed"))


class ListWebhookDeliveries(Command):
    """List webhook deliveries, each with the whole event."""

    route = GET("/webhook_deliveries")
    risk = Risk.READ
    retry = Retry.IDEMPOTENT
    result = ToolResult
    does = "list webhook deliveries"

    filter: DeliveryFilter | None = None
    page_number: Annotated[int, Field(ge=1)] | None = None
    page_size: Annotated[int, Field(ge=1, le=250)] | None = None
    page_after: str | None = None
