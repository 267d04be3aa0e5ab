"""The queue of mails to people: rows that one sender loop works off, whatever they are about."""
