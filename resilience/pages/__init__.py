"""What admin pages share: `confirmation` of what destroys, `forms`, `readable` texts, pages of no table."""
