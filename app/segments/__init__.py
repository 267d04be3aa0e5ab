"""Classification of leads: saved segments and the value–potential matrix."""
