"""How fast Gridlore is, always beside what it is compared with, in one run on one machine.

`python -m benchmarks` runs everything; docs/performance.md says how to read it. Servers run as processes
and are reached over HTTP; nothing of ``gridlore`` is imported but to fill large databases.
"""
