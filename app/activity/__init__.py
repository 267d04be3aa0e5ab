"""Call logs in, activity rows out: ingest, the Parquet cube and queries. No Flask, no database."""
