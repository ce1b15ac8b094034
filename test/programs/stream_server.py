"""An asyncio server: each line comes back with its number, a hash made by a thread, and what a child process makes of it.

In between it sends numbered ticks, by its own clock.
"""
import asyncio
import hashlib
import sys


async def serve(reader, writer):
    """One connection."""
    loop = asyncio.get_running_loop()
    child = await asyncio.create_subprocess_exec("sed", "-u", "s/line/answer/", stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE)
    number = 0

    async def tick():
        ticks = 0
        while True:
            ticks += 1
            writer.write(b"tick %d\n" % ticks)
            await asyncio.sleep(0.02)

    clock = asyncio.create_task(tick())
    while line := await reader.readline():
        number += 1
        hashed = await loop.run_in_executor(None, lambda: hashlib.sha256(line).hexdigest())
        child.stdin.write(line)
        answer = await child.stdout.readline()
        writer.write(b"%d %s " % (number, hashed.encode()) + answer)
        await writer.drain()
    clock.cancel()
    child.stdin.close()
    writer.write(b"end %d %d\n" % (number, await child.wait()))
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1:], 7000)
    async with server:
        await server.serve_forever()


asyncio.run(main())
