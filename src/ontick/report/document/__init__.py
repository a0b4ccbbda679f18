"""How do recorded runs become one page that works from disk, its tables as Markdown and its plots as pictures?"""
