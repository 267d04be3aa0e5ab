"""The homes of data operators, auditors and administrators."""
