"""Keep blocks and the directory in SQLite or PostgreSQL; the only package that imports SQLAlchemy."""
