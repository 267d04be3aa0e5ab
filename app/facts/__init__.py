"""Facts: typed, dated statements about leads, with their definitions, values and imports."""
