"""`make siege MINUTES=m`: honest traffic on four feeds while hostile senders attack them and the rest of the system.

__main__   the command: servers, options, the last line    run      the acts, and what is judged
honest     four senders, each message known                 arrivals when each message is in the database
attacks    what is sent to feeds, pushes and pages          hostile  what hostile web servers answer to polled feeds
hosts      workers with a wrong clock or without memory     watch    pages, memory and breakers meanwhile
"""
