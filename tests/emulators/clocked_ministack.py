"""ministack on a clock that its parent keeps.

It asks for the time on standard output, a line each: `now`, or `until <ms>` where it
would wait for so long. The answer on standard input is the time then, in milliseconds
since the epoch. What it prints goes to standard error.
"""

import asyncio
import math
import os
import sys
import threading
import time

from ministack import app
from ministack.services import sqs

QUESTIONS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
ASKING = threading.Lock()

# How long it really waits where the time stands still.
STILL_S = 0.01


def ask(question):
    with ASKING:
        QUESTIONS.write(question + "\n")
        answer = sys.stdin.readline()
    if not answer:
        os._exit(0)  # The parent has ended.
    return int(answer) / 1000


class Waiting:
    """asyncio, except that waiting for a message takes the parent's time."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds):
        until = math.ceil((time.time() + seconds) * 1000)
        passed = ask(f"until {until}") * 1000 >= until
        await asyncio.sleep(0 if passed else STILL_S)


time.time = lambda: ask("now")
sqs.asyncio = Waiting()
app.main()
