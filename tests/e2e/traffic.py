"""Traffic for the tests: HTTP requests without a pause, over connections that stay and over new ones,
each answer looked at; and what a gateway's processes are."""
import asyncio
import pathlib

import wire

PAUSE_S = 0.01
TIMEOUT_S = 30


def processes(pid):
    """{role: [pids]} of a gateway's children: there may be several generations."""
    found = {"worker": [], "attester": []}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        for role in found if parent == pid else ():
            if f"--role={role}".encode() in words:
                found[role].append(int(entry.name))
    return {role: sorted(pids) for role, pids in found.items()}


async def get(reader, writer, path, last=False):
    """One whole request; the body. Anything but a complete answer is an exception."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: app\r\n{'Connection: close' if last else 'X: y'}\r\n\r\n".encode())
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not head.startswith(b"HTTP/1.1 200 ") or not length:
        raise ValueError(head[:100])
    return await reader.readexactly(int(length[0].split(b":")[1]))


class Load(wire.Loop):
    """`stay` connections that make requests until stop(), and `fresh` clients of one request a
    connection. `good` counts; `failed` and `refused` have what went wrong: after the first byte of
    an answer or on a connection that worked before, and on a new connection that got none."""

    def __init__(self, endpoint, stay=20, fresh=4):
        super().__init__()
        self.endpoint = endpoint
        self.good, self.opened, self.failed, self.refused, self.over = 0, 0, [], [], False
        self.fresh_over = False
        self.tasks = [asyncio.run_coroutine_threadsafe(one(), self.loop)
                      for one in [self.staying] * stay + [self.coming] * fresh]

    async def request(self, reader, writer, last=False):
        path = f"/{self.good}"
        body = await asyncio.wait_for(get(reader, writer, path, last), TIMEOUT_S)
        if body != f"you asked for {path}\n".encode():
            raise ValueError(f"{path}: {body[:100]}")
        self.good += 1

    async def staying(self):
        begun = False
        try:
            reader, writer = await asyncio.open_connection(*self.endpoint)
            self.opened += 1
            while not self.over:
                await self.request(reader, writer)
                begun = True
                await asyncio.sleep(PAUSE_S)
            writer.close()
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as why:
            (self.failed if begun else self.refused).append(f"staying: {why!r}")

    async def coming(self):
        while not self.over and not self.fresh_over:
            reader = None
            try:
                reader, writer = await asyncio.open_connection(*self.endpoint)
                self.opened += 1
                await self.request(reader, writer, last=True)
                if await reader.read(1) != b"":
                    raise ValueError("more than the answer")
                writer.close()
            except (OSError, EOFError, ValueError, asyncio.TimeoutError) as why:
                part = getattr(why, "partial", b"") or b""
                (self.failed if part or isinstance(why, ValueError) else self.refused).append(f"fresh: {why!r}")
            await asyncio.sleep(PAUSE_S)

    def wait_for(self, more, seconds=60):
        """Until that many more requests are done."""
        goal = self.good + more

        async def reached():
            while self.good < goal and not self.failed:
                await asyncio.sleep(0.01)

        self.run(asyncio.wait_for(reached(), seconds))

    def stop(self):
        self.over = True
        for task in self.tasks:
            task.result(TIMEOUT_S * 2)
