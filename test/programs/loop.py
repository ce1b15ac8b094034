"""An event loop, which wakes itself up through a pair of sockets; tells both ends."""
import asyncio
import os

import victim


async def work():
    loop = asyncio.get_running_loop()
    victim.ready(f"{loop._ssock.fileno()} {os.fstat(loop._csock.fileno()).st_ino}")
    while not victim.may_go():
        await asyncio.sleep(0.005)


victim.main(lambda: asyncio.run(work()))
