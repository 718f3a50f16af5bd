"""`python -m telnyx_conferencing.server`: the command line."""

from .cli import main

main()
