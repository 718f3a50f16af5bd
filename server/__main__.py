"""`python -m telnyx_conferencing.server`: the command line."""

from .cli.main import main

main()
