#!/usr/bin/python3
"""Calls over a network that loses packets: they come about, end as they should, and nothing is left.

usage: flows_loss.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with peers that repeat what is lost (lossy_agent.py). Each kind of call is made once for
each of its messages with that one lost, and many times with one message of twenty lost.
"""
import asyncio
import random
import sys
import time

import flows
from flows import Flow
from gateway import Gateway
from lossy_agent import Agent, Half
from sip_peer import Peer

tearDownModule = flows.tearDownModule
RATE, CALLS_EACH, SEED = 0.05, 50, 1

RARE = ("100", "491")  # come only where something has taken long


def setUpModule():
    flows.start(Gateway(flows.build, 12, no_answer_s=60))


async def hang_up(caller, callee):
    """The caller, at once: the ACK may be the one that is lost."""
    await caller.ask("BYE")


async def answered(caller, callee):
    await caller.call().final()
    await hang_up(caller, callee)


async def answers(callee):
    invite = await callee.asked("INVITE")
    callee.reply(invite, 180)
    await asyncio.sleep(0.05)
    await callee.reply_until_acked(invite, 200, callee.agent.sdp(callee.agent.ip))


async def a_hangs_up(caller, callee):
    async def b():
        await answers(callee)
        await callee.is_asked("BYE")
    await asyncio.gather(answered(caller, callee), b())


async def b_hangs_up(caller, callee):
    async def a():
        await caller.call().final()
        await caller.is_asked("BYE")

    async def b():
        await answers(callee)
        await callee.ask("BYE")
    await asyncio.gather(a(), b())


async def a_holds(caller, callee):
    async def a():
        await caller.call().final()
        await asyncio.sleep(0.6)
        while (await caller.request("INVITE", held(caller)).final()).status == 491:
            await asyncio.sleep(2.1)  # RFC 3261 14.1; one side may wait for its ACK yet
        await hang_up(caller, callee)

    async def b():
        await answers(callee)
        await callee.reply_until_acked(await callee.asked("INVITE"), 200, held(callee, "recvonly"))
        await callee.is_asked("BYE")
    await asyncio.gather(a(), b())


def held(half, direction="sendonly"):
    return half.agent.sdp(half.agent.ip).replace("a=sendrecv", "a=" + direction).replace("- 1 1 ", "- 1 2 ")


async def b_is_busy(caller, callee):
    async def a():
        assert (await caller.call().final()).status == 486

    async def b():
        await callee.reply_until_acked(await callee.asked("INVITE"), 486)
    await asyncio.gather(a(), b())


async def a_gives_up(caller, callee):
    async def a():
        invite = caller.call()
        while (await asyncio.wait_for(invite.responses.get(), 32)).status != 180:
            pass
        await caller.cancel(invite).final()
        assert (await invite.final()).status == 487

    async def b():
        invite = await callee.asked("INVITE")
        for _ in range(4):  # a provisional response is not repeated by itself
            callee.reply(invite, 180)
            await asyncio.sleep(0.1)
        await callee.is_asked("CANCEL")
        await callee.reply_until_acked(invite, 487)
    await asyncio.gather(a(), b())


async def b_tells_and_a_hangs_up(caller, callee):
    """INFO of the callee, UPDATE of the caller, BYE."""
    async def a():
        await caller.call().final()
        await caller.is_asked("INFO")
        await caller.ask("UPDATE")
        await hang_up(caller, callee)

    async def b():
        await answers(callee)
        await callee.ask("INFO", "x", extra=["Content-Type: application/x-thing"])
        await callee.is_asked("BYE")
    await asyncio.gather(a(), b())


async def b_rings_reliably(caller, callee):
    async def a():
        invite = caller.call(["Supported: 100rel"])
        await caller.prack(invite)
        await invite.final()
        await hang_up(caller, callee)

    async def b():
        invite, body = await callee.asked("INVITE"), callee.agent.sdp(callee.agent.ip)
        await callee.reply_until_pracked(invite, 183, body)
        await callee.reply_until_acked(invite, 200, body)
        await callee.is_asked("BYE")
    await asyncio.gather(a(), b())


KINDS = {b_rings_reliably: "200", a_hangs_up: "200", b_hangs_up: "200", a_holds: "200", b_is_busy: "486", a_gives_up: "487",
         b_tells_and_a_hangs_up: "200"}


class Loss(Flow):
    def setUp(self):
        super().setUp()
        for peer in self.peers:
            peer.close()  # the agents take their place
        self.peers = []

    def run_calls(self, plans):
        """`plans`: (kind, what is lost) of each call. Returns the labels of each call's messages."""
        return asyncio.run(self.run_all(plans))

    async def run_all(self, plans):
        gateway = flows.gateway
        sdp = lambda ip: Peer.sdp(self.caller, address=ip)
        self.a = await Agent("a", gateway.caller_ip, 0, gateway.address, sdp).open()
        self.b = await Agent("b", gateway.callee_ip, 5060, gateway.address, sdp).open()
        tasks, errors = [], []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        for kind, lost in plans:
            self.dial_next()
            halves = [Half(agent, self.number, lost) for agent in (self.a, self.b)]
            self.b.wanted[self.number] = halves[1]
            tasks.append((kind, self.number, halves, asyncio.ensure_future(kind(*halves))))
            await asyncio.sleep(0.01)
        await asyncio.wait([task for *_, task in tasks], timeout=50)
        for kind, number, halves, task in tasks:
            self.assertTrue(task.done() and not task.exception(),
                            f"{kind.__name__} {number}: {task}\n{halves[0].labels}\n{halves[1].labels}")
        self.assertEqual(errors, [])
        await self.nothing_is_left(len(plans))
        for kind, number, *_ in tasks:
            self.assertEqual(str(gateway.cdr_of(number)["status"]), KINDS[kind])
        for agent in (self.a, self.b):
            agent.transport.close()
        return [(kind, set(halves[0].labels + halves[1].labels)) for kind, _, halves, _ in tasks]

    async def nothing_is_left(self, n):
        """Meanwhile the agents go on answering what is repeated."""
        gateway, end = flows.gateway, time.time() + 40
        while gateway.ctl("calls") or gateway.ctl("sessions"):
            self.assertLess(time.time(), end, f"something is left: {gateway.ctl('calls')}")
            await asyncio.sleep(0.1)

    def test_any_one_message_may_be_lost(self):
        nothing = lambda label, nth: False
        whole = self.run_calls([(kind, nothing) for kind in KINDS])
        plans = []
        for kind, labels in whole:
            self.assertGreaterEqual(len(labels), 6)
            for label in sorted(label for label in labels if label.split()[1] not in RARE):
                plans.append((kind, lambda seen, nth, label=label: seen == label and nth == 1))
        self.run_calls(plans)
        self.assertEqual(self.a.n_lost + self.b.n_lost, len(plans))

    def test_one_message_of_twenty_is_lost(self):
        plans = []
        for kind in KINDS:
            for i in range(CALLS_EACH):
                seed = f"{SEED} {kind.__name__} {i} "
                plans.append((kind, lambda label, nth, seed=seed:
                              random.Random(f"{seed}{label} {nth}").random() < RATE))
        self.run_calls(plans)
        self.assertGreater(self.a.n_lost + self.b.n_lost, len(plans) / 4)
        self.assertGreater(self.a.n_repeated + self.b.n_repeated, 10)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
