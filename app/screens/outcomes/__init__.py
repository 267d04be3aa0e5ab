"""The screens of outcomes, and the API that takes them."""
