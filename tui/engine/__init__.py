"""The embedded vector database: records, filters, scoring and fusion over SQLite and numpy. Synchronous, no HTTP."""
