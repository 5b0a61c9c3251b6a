"""Trio. Its nurseries give no handles: results are added up, or put where they belong, by the tasks themselves."""

from functools import partial
from subprocess import PIPE

import trio

from measure import CONTENDERS, LIMIT, TIMEOUT_S, WORKERS, deal, echo_load, main, sleep_s


async def ready(i):
    return i


async def stepped(i):
    await trio.lowlevel.checkpoint()
    return i


def at_once(task):
    async def adapter(n, span):
        results = [0] * n

        async def one(i):
            results[i] = await task(i)

        async with trio.open_nursery() as nursery:
            for i in range(n):
                nursery.start_soon(one, i)
        return sum(results)

    return adapter


async def group_open(n, span):
    total = 0

    async def child(i):
        nonlocal total
        value = await stepped(i)
        total += value

    for i in range(n):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, i)
    return total


async def sleepers(n, span):
    total = 0

    async def sleeper(i):
        nonlocal total
        await trio.sleep(sleep_s(i))
        total += i

    async with trio.open_nursery() as nursery:
        for i in range(n):
            nursery.start_soon(sleeper, i)
    return total


async def cancel(n, span):
    started = ended = 0

    async def wait():
        nonlocal started, ended
        started += 1
        try:
            await trio.sleep_forever()
        finally:
            ended += 1

    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(wait)
        while started < n:
            await trio.sleep(0.01)
        span.begin()
        nursery.cancel_scope.cancel()
    return ended


async def timeout(n, span):
    total = 0
    for i in range(n):
        with trio.fail_after(TIMEOUT_S):
            total += await stepped(i)
    return total


async def mutex(n, span):
    lock = trio.Lock()
    total = 0
    for i in range(n):
        async with lock:
            total += i
    return total


async def mutex_contended(n, span):
    lock = trio.Lock()
    total = 0

    async def contend(share):
        nonlocal total
        for i in share:
            async with lock:
                value = await stepped(i)
                total += value

    async with trio.open_nursery() as nursery:
        for share in deal(n, CONTENDERS):
            nursery.start_soon(contend, share)
    return total


async def limiter(n, span):
    limit = trio.CapacityLimiter(LIMIT)
    results = [0] * n

    async def limited(i):
        async with limit:
            results[i] = await stepped(i)

    async with trio.open_nursery() as nursery:
        for i in range(n):
            nursery.start_soon(limited, i)
    return sum(results)


async def map_range(n, span):
    items = iter(range(n))
    results = [0] * n

    async def work():
        for i in items:
            results[i] = await stepped(i)

    async with trio.open_nursery() as nursery:
        for _ in range(LIMIT):
            nursery.start_soon(work)
    return sum(results)


def channel(capacity, sides):
    async def adapter(n, span):
        total = 0

        async def produce(sending, share):
            async with sending:
                for i in share:
                    await sending.send(i)

        async def consume(receiving):
            nonlocal total
            async for item in receiving:
                total += item

        sending, receiving = trio.open_memory_channel(capacity)
        async with trio.open_nursery() as nursery, sending:
            for _ in range(sides):
                nursery.start_soon(consume, receiving)
            for share in deal(n, sides):
                nursery.start_soon(produce, sending.clone(), share)
        return total

    return adapter


async def echo(stream):
    while data := await stream.receive_some(65536):
        await stream.send_all(data)


async def tcp_echo(n, span):
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        load = await trio.lowlevel.open_process(echo_load(port, n), stdin=PIPE, stdout=PIPE)
        await load.stdout.receive_some()
        span.begin()
        await load.stdin.send_all(b"\n")
        answered = await load.stdout.receive_some()
        await load.wait()
        nursery.cancel_scope.cancel()
        return int(answered)


SCENARIOS = {
    "spawn-ready": at_once(ready),
    "spawn-suspend": at_once(stepped),
    "group-open": group_open,
    "sleepers": sleepers,
    "cancel": cancel,
    "timeout": timeout,
    "mutex": mutex,
    "mutex-contended": mutex_contended,
    "limiter": limiter,
    "map-range": map_range,
    "channel-0": channel(0, 1),
    "channel-1": channel(1, 1),
    "channel-100": channel(100, 1),
    "channel-10x10-0": channel(0, WORKERS),
    "channel-10x10-1": channel(1, WORKERS),
    "channel-10x10-100": channel(100, WORKERS),
    "tcp-echo": tcp_echo,
}

main(SCENARIOS, lambda adapter, n, span: trio.run(adapter, n, span))
