"""How the tables came to be, step by step. Alembic runs these; `schema.py` says what they lead to."""
