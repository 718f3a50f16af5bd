"""The switchboard: who is in which conference or queue now, as JSON for its page and as a text table."""
