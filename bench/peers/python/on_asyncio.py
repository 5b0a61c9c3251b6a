"""asyncio, on its own event loop or, with --uvloop as the first argument, on uvloop's."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from measure import CONTENDERS, LIMIT, TIMEOUT_S, WORKERS, deal, echo_load, main, sleep_s


async def ready(i):
    return i


async def stepped(i):
    await asyncio.sleep(0)
    return i


def at_once(task):
    async def adapter(n, span):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(task(i)) for i in range(n)]
        return sum(task.result() for task in tasks)

    return adapter


async def spawn_one(n, span):
    total = 0
    async with asyncio.TaskGroup() as group:
        for i in range(n):
            total += await group.create_task(stepped(i))
    return total


async def group_open(n, span):
    total = 0
    for i in range(n):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(stepped(i))
        total += task.result()
    return total


async def tree(first, end):
    if end - first == 1:
        return await stepped(first)
    middle = (first + end) // 2
    async with asyncio.TaskGroup() as group:
        left = group.create_task(tree(first, middle))
        right = group.create_task(tree(middle, end))
    return left.result() + right.result()


async def sleepers(n, span):
    total = 0

    async def sleeper(i):
        nonlocal total
        await asyncio.sleep(sleep_s(i))
        total += i

    async with asyncio.TaskGroup() as group:
        for i in range(n):
            group.create_task(sleeper(i))
    return total


async def cancel(n, span):
    started = ended = 0

    async def wait():
        nonlocal started, ended
        started += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended += 1

    async def parent():
        async with asyncio.TaskGroup() as group:
            for _ in range(n):
                group.create_task(wait())

    task = asyncio.create_task(parent())
    while started < n:
        await asyncio.sleep(0.01)
    span.begin()
    task.cancel()
    await asyncio.wait([task])
    return ended


async def timeout(n, span):
    total = 0
    for i in range(n):
        async with asyncio.timeout(TIMEOUT_S):
            total += await stepped(i)
    return total


async def mutex(n, span):
    lock = asyncio.Lock()
    total = 0
    for i in range(n):
        async with lock:
            total += i
    return total


async def mutex_contended(n, span):
    lock = asyncio.Lock()
    total = 0

    async def contend(share):
        nonlocal total
        for i in share:
            async with lock:
                value = await stepped(i)
                total += value

    async with asyncio.TaskGroup() as group:
        for share in deal(n, CONTENDERS):
            group.create_task(contend(share))
    return total


async def limiter(n, span):
    semaphore = asyncio.Semaphore(LIMIT)

    async def limited(i):
        async with semaphore:
            return await stepped(i)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(limited(i)) for i in range(n)]
    return sum(task.result() for task in tasks)


async def map_range(n, span):
    items = iter(range(n))
    results = [0] * n

    async def work():
        for i in items:
            results[i] = await stepped(i)

    async with asyncio.TaskGroup() as group:
        for _ in range(LIMIT):
            group.create_task(work())
    return sum(results)


def channel(capacity, sides):
    async def adapter(n, span):
        queue = asyncio.Queue(capacity)
        total = 0

        async def produce(share):
            for i in share:
                await queue.put(i)

        async def consume():
            nonlocal total
            while (item := await queue.get()) is not None:
                total += item

        async with asyncio.TaskGroup() as group:
            for _ in range(sides):
                group.create_task(consume())
            async with asyncio.TaskGroup() as producers:
                for share in deal(n, sides):
                    producers.create_task(produce(share))
            for _ in range(sides):
                await queue.put(None)
        return total

    return adapter


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def tcp_echo(n, span):
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        load = await asyncio.create_subprocess_exec(*echo_load(port, n), stdin=PIPE, stdout=PIPE)
        await load.stdout.readline()
        span.begin()
        answered, _ = await load.communicate(b"\n")
        return int(answered)


SCENARIOS = {
    "spawn-ready": at_once(ready),
    "spawn-suspend": at_once(stepped),
    "spawn-one": spawn_one,
    "group-open": group_open,
    "tree": lambda n, span: tree(0, n),
    "sleepers": sleepers,
    "cancel": cancel,
    "timeout": timeout,
    "mutex": mutex,
    "mutex-contended": mutex_contended,
    "limiter": limiter,
    "map-range": map_range,
    "channel-1": channel(1, 1),
    "channel-100": channel(100, 1),
    "channel-10x10-1": channel(1, WORKERS),
    "channel-10x10-100": channel(100, WORKERS),
    "tcp-echo": tcp_echo,
}

if sys.argv[1] == "--uvloop":
    import uvloop

    uvloop.install()
    del sys.argv[1]

main(SCENARIOS, lambda adapter, n, span: asyncio.run(adapter(n, span)))
