"""T+1 runs: ingest, activity, completeness and evaluation of a day, resumable and safe to repeat."""
