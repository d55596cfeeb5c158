"""How long tests wait, for all of them: a machine that is slow, or busy with something else, must not fail one.

Numbers leave. They bound waits for what comes by itself when all is well, so that their length costs nothing then.
"""

PATIENCE_SECONDS = 90.0
# Added to a time that the project promises before somebody is held to it: any process may be kept waiting for a core.
SLACK_SECONDS = 6.0
