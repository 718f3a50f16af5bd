"""What an agent can be asked to do: one Markdown file a prompt."""
