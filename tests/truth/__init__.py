"""A sea with labelled faults, and what the product makes of it: `make truth SEED=n`.

faults    a simulated fleet, and for each of its groups a fault put into what it sends
pure      the reports through assembly, decoder and rule alone, without a server
scores    how many of each fault were refused or mended, and what it cost the true reports
"""
