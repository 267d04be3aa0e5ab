"""Work on hits: its steps, assignment, due dates, and the counts behind the workspace."""
