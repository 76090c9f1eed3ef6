"""Both sides of a WebSocket, for the tests; needs python3-websockets.

usage: websocket.py serve     prints its port, echoes; "close me" closes with 4001, "codes" tells the
                              codes that clients closed with, /push is spoken to first
       websocket.py talk URL  a line for everything that went well
       websocket.py wait URL  a line when it is open, and one with the code that it ended with"""
import asyncio
import os
import sys

import websockets

LARGE = 1 << 20
codes = []


async def serve_one(socket):
    if socket.path == "/push":
        await socket.send("first")
    try:
        async for message in socket:
            if message == "close me":
                await socket.close(4001, "as you wished")
            elif message == "codes":
                await socket.send(" ".join(map(str, codes)))
            else:
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    codes.append(socket.close_code)


async def serve():
    async with websockets.serve(serve_one, "127.0.0.1", 0, max_size=2 * LARGE) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


def connect(url, **more):
    return websockets.connect(url, max_size=2 * LARGE, open_timeout=20, **more)


async def comes_back(socket, message, name):
    await socket.send(message)
    if await asyncio.wait_for(socket.recv(), 20) == message:
        print(name)


async def messages(url):
    large = os.urandom(LARGE)
    async with connect(url, compression=None) as socket:
        await comes_back(socket, "text", "text")
        await comes_back(socket, large, "large")
        await socket.send([large[at:at + 4096] for at in range(0, LARGE, 4096)])
        if await asyncio.wait_for(socket.recv(), 20) == large:
            print("fragments")
        await asyncio.wait_for(await socket.ping(), 20)
        print("pong")
    async with connect(url) as socket:
        await comes_back(socket, "the same again " * 5000, "deflate")


async def one_of_many(url, number):
    async with connect(url) as socket:
        for i in range(10):
            await socket.send(f"{number} {i}")
            if await asyncio.wait_for(socket.recv(), 30) != f"{number} {i}":
                return False
    return True


async def closes(url):
    async with connect(url + "push") as socket:
        if await asyncio.wait_for(socket.recv(), 20) == "first":
            print("pushed")
    async with connect(url) as socket:
        await socket.send("close me")
        try:
            await asyncio.wait_for(socket.recv(), 20)
        except websockets.ConnectionClosed as end:
            print("closed", end.rcvd.code, "by the server")
    socket = await connect(url)
    await socket.close(4002)
    async with connect(url) as socket:
        await socket.send("codes")
        if "4002" in (await asyncio.wait_for(socket.recv(), 20)).split():
            print("told 4002 by the client")


async def talk(url):
    await messages(url)
    if all(await asyncio.gather(*[one_of_many(url, number) for number in range(100)])):
        print("many")
    await closes(url)


async def wait(url):
    async with connect(url) as socket:
        print("open", flush=True)
        try:
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        print("closed", socket.close_code)


def main():
    what = {"serve": serve, "talk": talk, "wait": wait}[sys.argv[1]]
    asyncio.run(what(*sys.argv[2:]))


if __name__ == "__main__":
    main()
