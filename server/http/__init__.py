"""The server over HTTP: the ASGI app, its middleware, probes and the HTTP server process."""
