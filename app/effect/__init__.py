"""What came of hits: how far they got, what contact is worth against the holdout groups, what it cost."""
