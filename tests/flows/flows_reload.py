#!/usr/bin/python3
"""Another configuration for a gateway that runs: all of it or nothing, and calls go on.

usage: flows_reload.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import signal
import socket
import subprocess
import sys
import time

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

tearDownModule = flows.tearDownModule


def setUpModule():
    flows.start(Gateway(flows.build, 4))


class WithFile(Flow):
    def setUp(self):
        super().setUp()
        self.original = self.read()
        self.addCleanup(self.put_back)

    def put_back(self):
        self.write(self.original)
        self.reload()

    def read(self):
        with open(flows.gateway.path("control.yaml")) as file:
            return file.read()

    def write(self, text):
        with open(flows.gateway.path("control.yaml"), "w") as file:
            file.write(text)

    def change(self, *pairs):
        text = self.read()
        for old, new in pairs:
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        self.write(text)

    def reload(self):
        return flows.gateway.ctl("reload")["needs_restart"]


class Reload(WithFile):
    def test_routes_change_and_calls_go_on(self):
        caller, callee = self.establish()
        peer = Peer(flows.gateway.callee_ip, 5091, flows.gateway.address)
        self.peers.append(peer)
        self.change(('prefix: "2", trunk: callee', 'prefix: "2", trunk: fresh'),
                    ("routes:\n", f"  - {{name: fresh, realm: lo, codecs: [PCMU], "
                                  f"peers: [{{address: {flows.gateway.callee_ip}, port: 5091}}]}}\nroutes:\n"))
        self.assertEqual(self.reload(), "")
        call = OutgoingCall(Peer(flows.gateway.caller_ip, 0, flows.gateway.address), "2999")
        invite = peer.expect("INVITE")
        peer.reply(invite, 486, "b1")
        peer.expect("ACK")
        call.refused(486)
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_trunk_of_a_call_goes_and_comes_back(self):
        caller, callee = self.establish()
        head, _, rest = self.read().partition("  - name: callee\n")
        rest = rest[rest.index("  - name: "):]
        self.write(head + rest.replace('  - {prefix: "2", trunk: callee}\n', ""))
        self.assertEqual(self.reload(), "")
        self.assertNotIn("callee", [one["trunk"] for one in flows.gateway.ctl("trunks")])
        other = OutgoingCall(Peer(flows.gateway.caller_ip, 0, flows.gateway.address), "2998")
        other.refused(404)
        callee.send("INVITE", self.callee.sdp(direction="sendonly", version=2))
        invite = self.caller.expect("INVITE")
        self.caller.reply(invite, 200, body=self.caller.sdp(direction="recvonly", version=2))
        self.caller.expect("ACK")
        self.callee.expect(200)
        callee.send("ACK")
        self.assertEqual(flows.gateway.ctl("calls")[0]["legs"][1]["trunk"], "callee")
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_load_and_limits_of_a_trunk_are_kept(self):
        caller, callee = self.establish()
        self.change(("- name: callee\n", "- name: callee\n    limits: {calls: 1}\n"))
        self.reload()
        trunk = next(one for one in flows.gateway.ctl("trunks") if one["trunk"] == "callee")
        self.assertEqual((trunk["calls"], trunk["calls_max"]), (1, 1))
        OutgoingCall(Peer(flows.gateway.caller_ip, 0, flows.gateway.address), self.number).refused(503)
        self.end(caller, callee)
        flows.gateway.wait(lambda: next(one for one in flows.gateway.ctl("trunks")
                                        if one["trunk"] == "callee")["calls"] == 0, "the trunk's end")

    def test_what_is_wrong_is_refused_whole_with_its_reason(self):
        before = [one["trunk"] for one in flows.gateway.ctl("trunks")]
        self.change(('{prefix: "3", trunk: opus}', '{prefix: "3", trunk: nobody}'),
                    ("- name: callee", "- name: renamed"),
                    ('{prefix: "2", trunk: callee}', '{prefix: "2", trunk: renamed}'))
        done = subprocess.run([flows.build + "/control/cli/sluicectl", "--socket",
                               flows.gateway.path("control.sock"), "reload"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("trunk: there is no trunk 'nobody'", done.stderr)
        self.assertIn("control.yaml:", done.stderr)
        self.assertIn("event=not_reloaded", flows.gateway.log("control"))
        self.assertEqual([one["trunk"] for one in flows.gateway.ctl("trunks")], before)
        caller, callee = self.establish()
        self.end(caller, callee)

    def test_listener_that_cannot_be_had_is_refused_whole(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((flows.gateway.ip, 5099))
            self.change(("sip: [", f"sip: [{{address: {flows.gateway.ip}, port: 5098}}, "
                                   f"{{address: {flows.gateway.ip}, port: 5099}}, "))
            with self.assertRaises(subprocess.CalledProcessError) as raised:
                self.reload()
        self.assertIn("cannot listen on", raised.exception.stderr)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((flows.gateway.ip, 5098))  # nothing of it is left
        caller, callee = self.establish()
        self.end(caller, callee)

    def test_listeners_come_and_go(self):
        self.change(("sip: [", f"sip: [{{address: {flows.gateway.ip}, port: 5097}}, "))
        self.assertEqual(self.reload(), "")
        caller = Peer(flows.gateway.caller_ip, 0, (flows.gateway.ip, 5097))
        self.peers.append(caller)
        self.caller = caller
        at_new, callee = self.establish()
        self.write(self.original)
        self.assertEqual(self.reload(), "")
        OutgoingCall(Peer(flows.gateway.caller_ip, 0, (flows.gateway.ip, 5097)), "2997").refused(403)
        self.end(at_new, callee)  # on the old socket
        where = f"udp={flows.gateway.ip}:5097"
        flows.gateway.wait(lambda: f"event=not_listening {where}" in flows.gateway.log("control"),
                           "the socket to be closed")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((flows.gateway.ip, 5097))
        self.change(("sip: [", f"sip: [{{address: {flows.gateway.ip}, port: 5097}}, "))
        self.assertEqual(self.reload(), "")
        self.dial_next()
        at_new, callee = self.establish()
        self.end(at_new, callee)

    def test_what_needs_a_restart_is_said_by_name(self):
        self.change(("node: flows", "node: others"), ("cdr.json", "other.json"))
        self.assertEqual(self.reload(), "node, cdr.file")

    def test_signal_reloads_too(self):
        before = flows.gateway.log("control").count("event=reloaded")
        flows.gateway.processes["control"].send_signal(signal.SIGHUP)
        flows.gateway.wait(
            lambda: flows.gateway.log("control").count("event=reloaded") > before, "the reload")

    def test_many_reloads_under_calls(self):
        calls = []
        for _ in range(5):
            self.dial_next()
            calls.append(self.establish())
            self.reload()
            time.sleep(0.02)
        for caller, callee in calls:
            self.end(caller, callee)
        self.reload()


class Access(WithFile):
    """Who is heard, by rules that come with a reload."""

    def access(self, rules):
        self.write(self.original + f"access: {rules}\n")
        self.reload()

    def stranger(self):
        peer = Peer(flows.gateway.stranger_ip, 0, flows.gateway.address)
        self.peers.append(peer)
        return peer

    def test_strangers_get_the_answer_that_is_configured(self):
        stranger = self.stranger()
        OutgoingCall(stranger, self.number)
        stranger.expect_nothing(0.3)
        self.access('{unknown: "404"}')
        OutgoingCall(stranger, self.number).refused(404)
        self.access(f'{{allow: [{flows.gateway.stranger_ip}]}}')
        OutgoingCall(stranger, self.number).refused(403)
        self.callee.expect_nothing(0.1)

    def test_denied_peer_is_not_heard(self):
        self.access(f'{{deny: [{flows.gateway.caller_ip}], unknown: "404"}}')
        OutgoingCall(self.caller, self.number)
        self.caller.expect_nothing(0.3)

    def test_calls_of_one_source_are_limited_but_emergency_ones(self):
        self.write(self.original.replace(
            "routes:\n", 'routes:\n  - {number: "112", trunk: callee, emergency: yes}\n')
            + "access: {calls_per_s: 1}\n")
        self.reload()
        self.numbers.add("112")
        call, invite = self.invite()
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)
        OutgoingCall(self.caller, self.number).refused(503)
        self.assertEqual(flows.gateway.ctl("counters")["guard.calls_refused"], 1)
        call = OutgoingCall(self.caller, "112")
        invite = self.callee.expect("INVITE")
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
