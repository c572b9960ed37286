"""Connects Python's websockets to $URL and prints each frame until $COUNT have come."""
import asyncio
import os

import websockets


# The option for headers was renamed in version 14.
HEADERS = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"


async def main():
    options = {HEADERS: {"Authorization": "Bearer " + os.environ["TOKEN"]}}
    async with websockets.connect(os.environ["URL"], **options) as ws:
        print("open", flush=True)
        await asyncio.wait_for(await ws.ping(), 10)
        print("pong", flush=True)
        for _ in range(int(os.environ["COUNT"])):
            print(await ws.recv(), flush=True)
        await ws.close(1000)
        print("close", ws.close_code, flush=True)


asyncio.run(main())
