"""Access: row scope, rights by role, sessions, API keys, and who could act under whose account."""
