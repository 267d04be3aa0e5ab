"""The change log: its entries and their history, verification of the hash chain, exports with proof."""
