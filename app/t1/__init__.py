"""The T+1 run of a day: ingest, activity, completeness, evaluation; resumable and safe to repeat."""
