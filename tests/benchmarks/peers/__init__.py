"""How others do the same work: a module each, which alone imports what it is named for.

Each is used as its documentation has it, with telemetry, dashboards and output turned off. Where
workers are started once and used again, they are two processes that have each run a job before the
clock is read; `whole` adds starting them.
"""
