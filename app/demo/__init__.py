"""The demo for development: an invented bank with customers, a month of call logs, hits and work on them."""
