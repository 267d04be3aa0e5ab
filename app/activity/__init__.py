"""The activity cube: ingest of call logs, Parquet storage and queries, without Flask or a database."""
