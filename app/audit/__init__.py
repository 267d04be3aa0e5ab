"""The change log: triggers that record changes, events, the sealed chain, verification and archive."""
