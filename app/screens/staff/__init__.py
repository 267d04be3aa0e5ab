"""Users, roles and their permissions, API keys, and the user's own profile and password."""
