"""The switchboard: who is where now, as a page in hosts that render any, at /board in a browser, and as a table."""
