"""How is a recorded flight looked at? The object that a page plays, and the page's own files, for live page and report.

Knows no server and no report.
"""
