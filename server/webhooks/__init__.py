"""Webhooks from Telnyx: received over HTTP, verified, and handed to the event store."""
