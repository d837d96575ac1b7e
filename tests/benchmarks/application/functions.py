"""What most tasks call; without annotations, since comparing types is not what is measured."""
# mypy: allow-untyped-defs, allow-untyped-calls

import os
from time import sleep, thread_time

BURNED = 0.05
"""Seconds of CPU that `burn` takes."""
NAP = 0.1
"""Seconds that `nap` takes."""


def add(a, b):
    return a + b


def increment(number):
    return number + 1


def burn():
    """Count until the time is over; the clock is a system call, so it is read rarely."""
    end = thread_time() + BURNED
    while thread_time() < end:
        number = 0
        while number < 500:
            number += 1
    return 1


def nothing():
    return None


def nap():
    sleep(NAP)
    return 1


def pause():
    """Take long enough that another worker takes the next; tell which this is."""
    sleep(0.02)
    return os.getpid()
