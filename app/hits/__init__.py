"""Working hits: steps, who works what, what is due, and the counts behind the workspace."""
