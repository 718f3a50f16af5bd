"""Prompts for the agent, one Markdown file each, and the approval questions for a person, one file a tool."""
