"""The weekly report: its figures, its wording, the PDF, and when and to whom it is sent."""
