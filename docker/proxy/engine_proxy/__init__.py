"""A Docker engine with most of it taken away: what the scheduler needs to run stages, and nothing else.

Whoever can write to an engine's socket is root on its machine. This proxy alone holds the socket; it lets a fixed list
of calls through, on containers that carry its label, made from images and with limits that its policy names. Everything
else is refused: the default is no. Standard library only, so that it can be read in one sitting.

    policy.py      what is allowed here, from the environment
    creation.py    the body of `create`: field by field, rebuilt from what was understood
    calls.py       which calls exist, and what is sent on for each
    server.py      HTTP in, HTTP out; nothing of the client's request is passed on as it came
"""
