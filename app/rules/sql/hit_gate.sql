-- Moves of leads wait until these hits are stored, and the next statement sees those before (see migration 0023).
LOCK TABLE hit_gate IN ROW EXCLUSIVE MODE
