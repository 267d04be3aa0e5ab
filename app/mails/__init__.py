"""The mail queue: one table of outgoing mails of every kind, and the loop that sends them."""
