"""MCP hosts: installing this server in their configurations, and checking the setup."""
