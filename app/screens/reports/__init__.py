"""The weekly reports: the list and page of reports, their files, and the settings of sending them."""
