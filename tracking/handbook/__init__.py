"""The handbook: pages in Markdown beside this module, and what renders them at `/handbook/`.

`pages` reads and renders, `views` answers. A page is a file and a line in `pages.PAGES`.
"""
