"""Code that joins packages which must not know each other."""
