#!/usr/bin/python3
"""Calls that need codecs when the transcoders are nearly full, and calls that do not.

usage: flows_load.py BUILD-FOLDER [PART OF A TEST'S NAME...]

What a codec costs is measured at start, so how many calls there is room for is found out, not
assumed. Room is made very small.
"""
import sys
import time

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

MOST = 60  # calls that a hundredth of any core is too little for
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 8)
    gateway.dataplane = "transcoding: {refuse_at: 0.01}\n"
    flows.start(gateway)


class FullTranscoders(Flow):
    """The caller has PCMU only, the callee opus only."""

    callee_port, prefix = 5061, "3"

    def ring_or_refused(self):
        """A call from a caller of its own: what its INVITE leads to, at either end."""
        peer = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(peer)
        call = OutgoingCall(peer, self.number)
        end = time.time() + 10
        while time.time() < end:
            invite, answer = self.callee.receive(0.05), peer.receive(0.05)
            if invite:
                self.callee.reply(invite, 180, "b1")
            if invite or (answer and answer.status != 100):
                return call, invite, answer
        self.fail("neither heard of nor refused")

    def fill(self):
        """Ring until a call is refused. Returns what rings."""
        ringing = []
        while len(ringing) < MOST:
            call, invite, answer = self.ring_or_refused()
            if not invite:
                self.assertEqual(answer.status, 503)
                self.assertIsNotNone(answer["retry-after"])
                call.ack_refusal(answer)
                return ringing
            ringing.append((call, invite))
        self.fail("never full")

    def refuse(self, call, invite):
        """The callee does not want it."""
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.peer.expect(180)
        call.refused(486)

    def refused_until_now(self):
        return flows.gateway.ctl("counters")["transcoder.0.refused"]

    def test_calls_that_need_codecs_are_refused_and_others_are_not(self):
        ringing = self.fill()
        self.assertGreater(len(ringing), 0)
        self.callee.expect_nothing(0.2)
        self.assertEqual(self.refused_until_now(), 1)
        self.assertGreater(flows.gateway.ctl("transcoders")["transcoder.0.expected_permille_now"], 0)
        cdr = [cdr for cdr in flows.gateway.cdrs() if cdr["why"] == "transcoders_full"]
        self.assertEqual([one["status"] for one in cdr], [503])
        plain = self.peer(5060)
        self.numbers.add("2999")
        relayed = OutgoingCall(self.caller, "2999")
        invite = plain.expect("INVITE")
        plain.reply(invite, 486, "b2")
        plain.expect("ACK")
        relayed.refused(486)
        self.refuse(*ringing.pop())
        again = self.fill()  # there is room for one, as soon as the workers let go of the other
        end = time.time() + 10
        while not again and time.time() < end:
            again = self.fill()
        self.assertEqual(len(again), 1)
        ringing += again
        for one in ringing:
            self.refuse(*one)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
