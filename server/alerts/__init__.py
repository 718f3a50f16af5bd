"""Alerts on conditions of the policy: raised and cleared as events, and sent as signed webhooks."""
