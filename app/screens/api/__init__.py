"""The base classes of the API, its OpenAPI description, and the page that documents it."""
