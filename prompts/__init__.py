"""What an agent can be asked to do, one Markdown file a prompt; what a person is asked, one a question."""
