"""Pages for people in a browser: the operator page and the switchboard."""
