"""The base of every screen on Flask-AppBuilder: views, lists, forms, filters, pages and error pages."""
