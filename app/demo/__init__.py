"""The demo, for development only: an invented bank, its customers, a month of call logs and their hits."""
