"""What the tests drive the project with: real clients, real processes, real HTTP."""
