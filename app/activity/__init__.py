"""Call logs in, activity rows out: ingest, the Parquet cube and its queries. Knows neither Flask nor the database."""
