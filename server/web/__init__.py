"""Pages in a browser: the operator page and the switchboard."""
