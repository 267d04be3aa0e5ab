"""The mails of reminders and of weekly reports, with their state and retries."""
