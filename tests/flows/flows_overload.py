#!/usr/bin/python3
"""More calls than there is time for: what has begun goes on, what is too much hears 503.

usage: flows_overload.py BUILD-FOLDER [PART OF A TEST'S NAME...]

The load comes from tests/bench/call_load, which plays both ends. What the gateway can do is
measured where the test runs, and nothing is expected of times.
"""
import json
import os
import subprocess
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall

tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 9, max_duration_s=120)
    gateway.sessions_max = 4000
    gateway.routes = '  - {number: "112", trunk: slow, emergency: yes}\n'
    gateway.call_log = "warn"
    flows.start(gateway)


class Load:
    """call_load at work."""

    def __init__(self, *phases):
        gateway = flows.gateway
        self.process = subprocess.Popen(
            [os.path.join(flows.build, "tests/bench/call_load"), gateway.ip, gateway.caller_ip,
             gateway.ip, gateway.callee_ip, "2", "--", *phases],
            stdout=subprocess.PIPE, text=True)

    def results(self):
        """One for each phase."""
        text, _ = self.process.communicate(timeout=200)
        assert self.process.returncode == 0
        print(text)
        return [json.loads(line) for line in text.splitlines()]


class Overload(Flow):
    def setUp(self):  # the load has the caller's and the callee's port
        self.peers = []
        self.numbers = None

    def overloads(self):
        return flows.gateway.ctl("counters")["sip.overloads"]

    def expect_whole(self, result):
        """Each call has come to a good end: there was nothing else than 503."""
        self.assertEqual(result["completed"] + result["refused"], result["started"])
        self.assertEqual(result["failed"], 0)

    def test_what_is_too_much_is_refused_and_the_rest_completes(self):
        window, twice, after = Load("window:100:2", "times:2:4", "window:20:1").results()
        self.assertEqual(window["refused"], 0)
        self.expect_whole(twice)
        self.expect_whole(after)
        self.assertEqual(after["refused"], 0)
        capacity = window["in_time"] / window["seconds"]
        self.assertGreater(twice["in_time"] / twice["seconds"], 0.4 * capacity)

    def test_emergency_calls_pass_a_flood(self):
        before = self.overloads()
        service = self.peer(5065)
        load = Load("flood:15000")
        flows.gateway.wait(lambda: self.overloads() > before, "overload", 60)
        status = flows.gateway.ctl("status")["overload"]
        self.assertGreater(status["refused"], 0)
        for _ in range(10):
            caller = flows.Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
            self.peers.append(caller)
            call = OutgoingCall(caller, "112")
            invite = self.expect_again(service, call)
            service.reply(invite, 486, "b1")
            self.assertEqual(self.refusal_of(call).status, 486)
        [flood] = load.results()
        self.expect_whole(flood)
        self.assertGreater(flood["refused"], 0)
        flows.gateway.wait(lambda: "event=overload_over" in flows.gateway.log("control"),
                           "the end of the overload", 60)
        [after] = Load("window:20:1").results()
        self.assertEqual(after["refused"], 0)
        self.expect_whole(after)

    def expect_again(self, service, call):
        """Its INVITE, which is sent again as it must be where datagrams are lost."""
        for _ in range(60):
            message = service.receive(0.5)
            if message is None:
                call.peer.send(call.text)
            elif message.method == "INVITE":
                return message
        self.fail("no emergency call")

    def refusal_of(self, call):
        for _ in range(60):
            message = call.peer.receive(0.5)
            if message is None:
                call.peer.send(call.text)
            elif message.status >= 200:
                call.ack_refusal(message)
                return message
        self.fail("no answer")


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
