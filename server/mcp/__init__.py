"""MCP over the Python SDK: tools, resources, prompts, elicitation and notifications."""
