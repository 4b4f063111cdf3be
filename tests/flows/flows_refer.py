#!/usr/bin/python3
"""REFER passed on to the other side (`refer: pass`), and its NOTIFYs back.

usage: flows_refer.py BUILD-FOLDER [PART OF A TEST'S NAME...]

The caller asks, the callee is to do it.
"""
import re
import sys

import flows
from flows import Flow
from flows_messages import trunk
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog

ASKER, DOER, NEAR = 5090, 5070, 5071
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 8)
    gateway.trunks = (
        trunk("asker", gateway.caller_ip, ASKER, refer="pass", trusted="yes") +
        trunk("doer", gateway.callee_ip, DOER) +
        trunk("near", gateway.callee_ip, NEAR, refer_to="peer"))
    gateway.routes = """\
  - {prefix: "81", trunk: doer}
  - {prefix: "82", trunk: near}
"""
    flows.start(gateway)


class Passed(Flow):
    callee_port, prefix = DOER, "81"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, ASKER, flows.gateway.address)

    def refer(self, caller, to="sip:+49301234@10.1.2.3;user=phone", extra=()):
        caller.send("REFER", extra=[f"Refer-To: <{to}>", *extra])
        return self.callee.expect("REFER")

    def notify(self, callee, status, state, extra=(), event="refer", fragment=None):
        callee.send("NOTIFY", fragment or f"SIP/2.0 {status} Whatever\r\nContact: <sip:x@10.9.9.9>\r\n",
                    [f"Event: {event}", f"Subscription-State: {state}",
                     "Content-Type: message/sipfrag", *extra])

    def notified(self, status, state):
        notify = self.caller.expect("NOTIFY")
        self.assertTrue(notify.body.startswith(f"SIP/2.0 {status} "), notify.body)
        self.assertEqual(notify.body.count("\r\n"), 1)
        self.assertEqual(notify["subscription-state"], state)
        self.caller.reply(notify, 200)
        self.callee.expect(200)
        return notify

    def test_other_side_is_asked_and_its_progress_comes_back(self):
        caller, callee = self.establish()
        refer = self.refer(caller, extra=["X-Secret: of-a", f"Referred-By: <sip:alice@{self.caller.ip}>"])
        self.assertEqual(refer["refer-to"], f"<sip:+49301234@{flows.gateway.ip}:5060>")
        self.assertEqual(refer["referred-by"], f"<sip:alice@{flows.gateway.ip}:5060>")
        for secret in (self.caller.ip, "10.1.2.3", "of-a", caller.call_id):
            self.assertNotIn(secret, refer.text)
        self.notify(callee, 100, "active;expires=60")  # before the answer
        early = self.notified(100, "active;expires=60")
        self.assertEqual(early["event"], "refer")
        self.callee.reply(refer, 202)
        accepted = self.caller.expect(202)
        self.assertIn(flows.gateway.ip, accepted["contact"])
        self.assertNotIn(self.callee.ip, accepted.text)
        self.notify(callee, 180, "active;expires=60")
        self.assertNotIn("10.9.9.9", self.notified(180, "active;expires=60").text)
        self.notify(callee, 200, "terminated;reason=noresource")
        self.notified(200, "terminated;reason=noresource")
        self.notify(callee, 200, "terminated")  # of nothing any more
        self.callee.expect(481)
        self.end(caller, callee)

    def test_callee_may_be_the_one_who_is_asked_by_id(self):
        caller, callee = self.establish()
        first = self.refer(caller)
        self.callee.reply(first, 202)
        self.caller.expect(202)
        second = self.refer(caller)
        self.callee.reply(second, 202)
        self.caller.expect(202)
        for refer, cseq in ((second, caller.cseq), (first, caller.cseq - 1)):
            self.notify(callee, 200, "terminated", event=f"refer;id={refer.cseq}")
            self.assertEqual(self.notified(200, "terminated")["event"], f"refer;id={cseq}")
        self.notify(callee, 200, "active", event="refer;id=99")
        self.callee.expect(481)
        self.notify(callee, 200, "active", event="presence")
        self.callee.expect(481)
        self.end(caller, callee)

    def test_refusals_come_back_and_leave_nothing(self):
        caller, callee = self.establish()
        for theirs, ours in ((603, 603), (405, 500)):
            self.callee.reply(self.refer(caller), theirs)
            self.caller.expect(ours)
            self.notify(callee, 200, "active")
            self.callee.expect(481)
        for to, status in (("mailto:a@b", 416), ("sip:1@x;method=BYE", 501), ("sip:@x", 400)):
            caller.send("REFER", extra=[f"Refer-To: <{to}>"])
            self.caller.expect(status)
        self.end(caller, callee)

    def test_without_subscription(self):
        caller, callee = self.establish()
        refer = self.refer(caller, extra=["Refer-Sub: false", "Supported: norefersub"])
        self.assertEqual((refer["refer-sub"], refer["supported"]), ("false", "norefersub"))
        self.callee.reply(refer, 200, extra=["Refer-Sub: false"])
        self.assertEqual(self.caller.expect(200)["refer-sub"], "false")
        self.notify(callee, 200, "active")
        self.callee.expect(481)
        self.end(caller, callee)

    def test_no_more_than_four_at_once(self):
        caller, callee = self.establish()
        for _ in range(4):
            self.callee.reply(self.refer(caller), 202)
            self.caller.expect(202)
        caller.send("REFER", extra=["Refer-To: <sip:1@x>"])
        self.caller.expect(491)
        self.end(caller, callee)

    def test_asker_who_has_forgotten_is_told_on(self):
        caller, callee = self.establish()
        self.callee.reply(self.refer(caller), 202)
        self.caller.expect(202)
        self.notify(callee, 100, "active")
        self.caller.reply(self.caller.expect("NOTIFY"), 481)
        self.callee.expect(481)
        self.end(caller, callee)

    def replaces(self, call, swap=False):
        tags = [call.remote.partition(";tag=")[2], call.local.partition(";tag=")[2]]
        value = f"{call.call_id};to-tag={tags[swap]};from-tag={tags[not swap]}"
        for raw, escaped in (("@", "%40"), (";", "%3B"), ("=", "%3D")):
            value = value.replace(raw, escaped)
        return f"sip:{self.number}@{flows.gateway.ip}?Replaces={value}"

    def test_replaces_names_the_call_as_its_far_end_does(self):
        caller, callee = self.establish()
        self.dial_next()
        consult, consulted = self.establish()
        refer = self.refer(caller, to=self.replaces(consult))
        found = re.search(r"\?Replaces=(\S+?)%3Bto-tag%3D(\S+?)%3Bfrom-tag%3D([^>]+)>", refer["refer-to"])
        self.assertEqual(found.groups(), (consulted.call_id, "b1",
                                          consulted.remote.partition(";tag=")[2]))
        self.assertNotIn(consult.call_id, refer.text)
        self.callee.reply(refer, 202)
        self.caller.expect(202)
        caller.send("REFER", extra=[f"Refer-To: <{self.replaces(consult, True)}>"])
        self.caller.expect(404)
        for dialog, other in ((caller, callee), (consult, consulted)):
            self.end(dialog, other)


class Near(Passed):
    callee_port, prefix = NEAR, "82"

    def test_other_side_is_asked_and_its_progress_comes_back(self):
        """The host of Refer-To is the peer's own."""
        caller, callee = self.establish()
        refer = self.refer(caller)
        self.assertEqual(refer["refer-to"], f"<sip:+49301234@{self.callee.ip}:{NEAR}>")
        self.callee.reply(refer, 202)
        self.caller.expect(202)
        self.end(caller, callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
