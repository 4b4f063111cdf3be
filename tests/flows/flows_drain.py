#!/usr/bin/python3
"""A node that takes no new calls while those there go on, until it is empty or told otherwise.

usage: flows_drain.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 6)
    # A route of emergency is there in any state; registrations are refused by the same rule.
    gateway.routes = (f'  - {{number: "112", trunk: callee, emergency: yes}}\n'
                      f"drain: {{status: 480, retry_after_s: 7}}\nhttp: {{address: {gateway.ip}}}\n")
    flows.start(gateway)


class Draining(Flow):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.undrain)

    def undrain(self):
        flows.gateway.ctl("undrain")

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{flows.gateway.ip}:9090/ready", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    def options(self):
        peer = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(peer)
        values = (uuid.uuid4().hex, f"<sip:lb@{peer.ip}>;tag=1", f"<sip:{flows.gateway.ip}>")
        peer.send(peer.request("OPTIONS", f"sip:{flows.gateway.ip}", values, 1))
        return peer.expect_any()

    def refused(self, status=480, retry_after="7"):
        peer = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(peer)
        response = OutgoingCall(peer, self.number).refused(status)
        self.assertEqual(response["retry-after"], retry_after)

    def test_new_calls_are_refused_and_old_ones_go_on(self):
        caller, callee = self.establish()
        self.assertEqual((self.ready(), self.options().status), ((200, "ready"), 200))
        flows.gateway.ctl("drain")
        flows.gateway.ctl("drain")  # no harm in it
        self.assertTrue(flows.gateway.ctl("status")["draining"])
        self.assertEqual(self.ready(), (503, "draining"))
        options = self.options()
        self.assertEqual((options.status, options["retry-after"]), (480, "7"))
        self.refused()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        callee.send("OPTIONS")
        self.callee.expect(200)
        self.assertEqual(flows.gateway.ctl("counters")["call.draining_now"], 1)
        self.undrain()
        self.assertEqual((self.ready(), self.options().status), ((200, "ready"), 200))
        self.assertFalse(flows.gateway.ctl("status")["draining"])
        self.end(caller, callee)
        caller, callee = self.establish()
        self.end(caller, callee)

    def test_calls_that_ring_are_not_ended(self):
        call, invite = self.ring()
        flows.gateway.ctl("drain")
        callee = self.answer(invite)
        self.end(call.answered(), callee)

    def test_emergency_calls_are_taken(self):
        self.numbers.add("112")
        flows.gateway.ctl("drain")
        call = OutgoingCall(self.caller, "112")
        callee = self.answer(self.callee.expect("INVITE"))
        self.end(call.answered(), callee)

    def test_signals_do_the_same(self):
        control = flows.gateway.processes["control"]
        control.send_signal(signal.SIGUSR1)
        flows.gateway.wait(lambda: flows.gateway.ctl("status")["draining"], "the signal's work")
        self.refused()
        control.send_signal(signal.SIGUSR2)
        flows.gateway.wait(lambda: not flows.gateway.ctl("status")["draining"], "the signal's work")
        caller, callee = self.establish()
        self.end(caller, callee)

    def test_without_a_cluster_nothing_can_be_handed_over(self):
        with self.assertRaises(subprocess.CalledProcessError) as raised:
            flows.gateway.ctl("--hand-over", "drain")
        self.assertIn("there is no cluster", raised.exception.stderr)
        self.assertFalse(flows.gateway.ctl("status")["draining"])

    def test_options_of_drain_are_of_no_other_command(self):
        with self.assertRaises(subprocess.CalledProcessError) as raised:
            flows.gateway.ctl("--leave", "undrain")
        self.assertEqual(raised.exception.returncode, 2)


class Leaving(Flow):
    def restart(self):
        del flows.gateway.processes["control"]
        flows.gateway.start_control()

    def test_the_process_ends_after_the_last_call(self):
        caller, callee = self.establish()
        control = flows.gateway.processes["control"]
        flows.gateway.ctl("--leave", "drain")
        OutgoingCall(Peer(flows.gateway.caller_ip, 0, flows.gateway.address), self.number).refused(480)
        self.assertIsNone(control.poll())
        self.end(caller, callee)
        self.assertEqual(control.wait(10), 0)
        self.assertIn("event=drained", flows.gateway.log("control"))
        self.restart()
        caller, callee = self.establish()
        self.end(caller, callee)

    def test_at_once_where_there_is_none(self):
        control = flows.gateway.processes["control"]
        flows.gateway.ctl("drain", "--leave")
        self.assertEqual(control.wait(10), 0)
        self.restart()

    def test_a_node_that_begins_so_takes_no_calls(self):
        path = flows.gateway.path("control.yaml")
        with open(path) as file:
            before = file.read()
        with open(path, "w") as file:
            file.write(before.replace("drain: {", "drain: {at_start: yes, "))
        flows.gateway.kill("control", signal.SIGTERM)
        flows.gateway.start_control()
        OutgoingCall(self.caller, self.number).refused(480)
        flows.gateway.ctl("undrain")
        self.dial_next()
        caller, callee = self.establish()
        self.end(caller, callee)
        with open(path, "w") as file:
            file.write(before)
        flows.gateway.kill("control", signal.SIGTERM)
        flows.gateway.start_control()


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
