"""Rules: definitions, versions, checks, coverage, back-tests and the evaluation that creates hits."""
