"""What came of hits: the funnel with its costs, and the comparison with the holdout group."""
