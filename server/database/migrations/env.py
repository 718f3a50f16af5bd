"""Runs the migrations on the connection that the store hands over, inside its transaction."""

from alembic import context

context.configure(**context.config.attributes)
context.run_migrations()
