"""Screens of personal data: revealed phone numbers, exports, and customer data requests."""
