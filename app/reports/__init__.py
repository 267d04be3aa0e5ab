"""The weekly report: made once a week and row scope, read on the screen, sent as mail with a PDF."""
