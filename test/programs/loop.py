"""An event loop that is woken up by a thread, through a pair of sockets, and talks to itself through another one."""
import asyncio
import socket
import threading
import time

import victim

woken = 0


def wake():
    global woken
    woken += 1


def knock(loop, over):
    while not over.is_set():
        loop.call_soon_threadsafe(wake)
        time.sleep(0.002)


async def work():
    over = threading.Event()
    threading.Thread(target=knock, args=(asyncio.get_running_loop(), over), daemon=True).start()
    here, there = socket.socketpair()
    reader, answers = await asyncio.open_connection(sock=here)
    questions, writer = await asyncio.open_connection(sock=there)
    writer.write(b"before\n")
    victim.ready()
    while not victim.may_go():
        await asyncio.sleep(0.005)
    writer.write(b"behind\n")
    said = await reader.readline()
    assert said == b"before\n", said
    assert await reader.readline() == b"behind\n"
    was = woken
    while woken < was + 10:
        await asyncio.sleep(0.005)
    over.set()
    assert not answers.is_closing() and not questions.at_eof()


victim.main(lambda: asyncio.run(work()))
