"""Telling of events: deliveries enter, notifications leave by apprise, each at most once.

sending     START HERE: what is due is taken, sent, and written down
addresses   which addresses of apprise are taken, and how they are shown
messages    what a notification says
waking      has the queue send at once what was just found
"""
