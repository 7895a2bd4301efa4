"""Use cases: ingest, query, directory, accounts. No SQL and no HTTP; ``now`` is an argument."""
