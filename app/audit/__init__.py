"""The change log: database triggers that note every change, events, the sealed chain and its verification."""
