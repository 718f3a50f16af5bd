"""Alerts: what the operator wants to hear of, raised and cleared as events, and sent as signed webhooks."""
