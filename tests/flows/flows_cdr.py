#!/usr/bin/python3
"""Call detail records: what they say, and that each is there once, however their file is moved.

usage: flows_cdr.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import glob
import json
import os
import signal
import sys

import flows
from flows import Flow
from gateway import Gateway

tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 4)
    gateway.cdr = ", rotate_megabytes: 1, rotate_s: 86400, sync: line"
    gateway.trunks = f"""\
  - name: national
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: 5071}}]
    codecs: [PCMU]
    numbers: {{country_code: "49", national_prefix: "0", out: {{format: national}}}}
"""
    gateway.routes = """\
  - {prefix: "+49", trunk: national}
"""
    flows.start(gateway)


def lines():
    """Of all files of CDRs."""
    found = []
    for path in glob.glob(flows.gateway.path("cdr.json*")):
        with open(path) as file:
            found += [json.loads(line) for line in file]
    return found


class Fields(Flow):
    def test_call_that_was_answered(self):
        extra = ["P-Asserted-Identity: <sip:+4930123@hidden.example>", "Session-ID: abc;remote=def",
                 "Diversion: <sip:1234@hidden.example>;reason=no-answer"]
        call, invite = self.invite(extra=extra)
        self.callee.reply(invite, 183, "b1")
        self.caller.expect(183)
        callee = self.answer(invite)
        caller = call.answered()
        caller.send("BYE", extra=['Reason: Q.850;cause=31;text="Normal, unspecified"'])
        self.caller.expect(200)
        self.callee.reply(self.callee.expect("BYE"), 200)
        cdr = self.expect_cdr(node="flows", status=200, cause=31, ended_by="a", tries=1)
        self.assertEqual({"pdd_ms", "ring_ms", "setup_ms"} - set(cdr), set())
        self.assertEqual(cdr["setup_ms"], cdr["pdd_ms"] + cdr["ring_ms"])
        a, b = cdr["legs"]
        self.assertEqual({key: a.get(key) for key in (
            "peer", "transport", "call_id", "number", "caller", "asserted", "diversion", "session_id")}, {
            "peer": f"{self.caller.ip}:{self.caller.port}", "transport": "UDP", "call_id": call.call_id,
            "number": self.number, "caller": "alice", "asserted": "<sip:+4930123@hidden.example>",
            "diversion": "<sip:1234@hidden.example>;reason=no-answer", "session_id": "abc;remote=def"})
        self.assertEqual({key: b.get(key) for key in (
            "peer", "host", "transport", "call_id", "number", "caller", "asserted", "codec")}, {
            "peer": f"{self.callee.ip}:5060", "host": f"{self.callee.ip}:5060", "transport": "UDP",
            "call_id": invite["call-id"], "number": self.number, "caller": "alice",
            "asserted": f"<sip:+4930123@{flows.gateway.ip}:5060>", "codec": "PCMU"})

    def test_cause_of_a_refusal(self):
        for extra, cause in (([], 17), (["Reason: Q.850;cause=34"], 34)):
            self.dial_next()
            call, invite = self.invite()
            self.callee.reply(invite, 486, "b1", extra=extra)
            self.callee.expect("ACK")
            call.refused(486)
            cdr = self.expect_cdr(status=486, far_status=486, cause=cause, ended_by="b", answered=None)
            self.assertNotIn("setup_ms", cdr)

    def test_who_gives_up_while_it_rings(self):
        call, invite = self.ring()
        call.cancel()
        call.refused(487)
        self.callee.reply(self.callee.expect("CANCEL"), 200)
        self.callee.reply(invite, 487, "b1")
        cdr = self.expect_cdr(status=487, cause=16, ended_by="a")
        self.assertLessEqual(cdr["pdd_ms"] + cdr["ring_ms"], 5000)

    def test_numbers_before_and_after(self):
        self.number = "+4930999"
        self.numbers |= {"030999", "+4930999"}
        callee = self.peer(5071)
        call = flows.OutgoingCall(self.caller, self.number)
        invite = callee.expect("INVITE")
        callee.reply(invite, 404, "b1")
        callee.expect("ACK")
        call.refused(404)
        cdr = self.expect_cdr(status=404, cause=1)
        self.assertEqual([leg["number"] for leg in cdr["legs"]], ["+4930999", "030999"])

    def test_restart_keeps_what_is_known(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        caller = call.answered()
        flows.gateway.crash_control()
        flows.gateway.start_control()
        flows.gateway.wait(lambda: flows.gateway.ctl("calls"), "the call to come back")
        self.end(caller, callee)
        cdr = self.expect_cdr(recovered=True, cause=16)
        self.assertEqual([leg["peer"] for leg in cdr["legs"]],
                         [f"{self.caller.ip}:{self.caller.port}", f"{self.callee.ip}:5060"])


class Files(Flow):
    def refused_call(self):
        self.dial_next()
        call, invite = self.invite()
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)

    def assert_each_once(self, before, n):
        flows.gateway.wait(lambda: len(lines()) >= before + n, "all CDRs")
        ids = [line["call"] for line in lines()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(len(ids), before + n)

    def test_command_rotates(self):
        before = len(lines())
        for _ in range(3):
            self.refused_call()
            flows.gateway.ctl("cdr", "rotate")
            self.refused_call()
        self.assert_each_once(before, 6)
        self.assertGreaterEqual(len(glob.glob(flows.gateway.path("cdr.json.*Z"))), 3)

    def test_hangup_signal_reopens_what_was_moved_away(self):
        gateway, before = flows.gateway, len(lines())
        for n in range(3):
            self.refused_call()
            os.rename(gateway.path("cdr.json"), gateway.path(f"cdr.json.{n}"))
            reopened = gateway.log("control").count("event=cdr_reopened")
            self.refused_call()
            gateway.processes["control"].send_signal(signal.SIGHUP)
            gateway.wait(lambda: gateway.log("control").count("event=cdr_reopened") > reopened,
                         "the new file")
            self.refused_call()
            gateway.wait(lambda: os.path.getsize(gateway.path("cdr.json")), "a line in it")
        self.assert_each_once(before, 9)

    def test_crash_after_rotation_doubles_nothing(self):
        before = len(lines())
        self.refused_call()
        flows.gateway.wait(lambda: len(lines()) == before + 1, "the CDR")
        flows.gateway.ctl("cdr", "rotate")
        flows.gateway.crash_control()
        flows.gateway.start_control()
        self.refused_call()
        self.assert_each_once(before, 2)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
