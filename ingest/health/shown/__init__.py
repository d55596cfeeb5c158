"""The health of feeds, shown.

admin     the page of a feed         api      the same as JSON, and statistics
panels    on the desk                sections on `/status` and `/metrics`
heard     which feeds were heard lately, for the map
standings how feeds and the clocks of their stations are, for the map
"""
