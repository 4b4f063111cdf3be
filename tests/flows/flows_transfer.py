#!/usr/bin/python3
"""Transfers by REFER (RFC 3515, 5589), blind and attended, and what goes wrong with them.

usage: flows_transfer.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py. The caller asks, the callee is transferred, a third party is called.
"""
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog

tearDownModule = flows.tearDownModule
TARGET, OTHER = 5080, 5081


def setUpModule():
    gateway = Gateway(flows.build, 10)
    for port, name, prefix in ((TARGET, "target", "80"), (OTHER, "other", "81")):
        gateway.trunks += f"""\
  - name: {name}
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: {port}}}]
    codecs: [PCMU, PCMA]
"""
        gateway.routes += f'  - {{prefix: "{prefix}", trunk: {name}}}\n'
    gateway.trunks += f"""\
  - name: untrusted
    realm: lo
    peers: [{{address: {gateway.caller_ip}, port: 5090}}]
    codecs: [PCMU]
    refer: reject
"""
    flows.start(gateway)


class Transfer(Flow):
    def setUp(self):
        super().setUp()
        self.target_number = f"80{next(flows.numbers)}"
        self.numbers.add(self.target_number)
        self.target = self.peer(TARGET)

    def refer(self, dialog, to=None, extra=(), status=202, display=""):
        to = to or f"sip:{self.target_number}@{flows.gateway.ip}"
        dialog.send("REFER", extra=[f"Refer-To: {display}<{to}>", *extra])
        return dialog.peer.expect(status)

    def notified(self, peer, status, state="active"):
        notify = peer.expect("NOTIFY", 8)
        peer.reply(notify, 200)
        self.assertTrue(notify["event"].startswith("refer"), notify["event"])
        self.assertTrue(notify["subscription-state"].startswith(state))
        self.assertEqual(notify["content-type"], "message/sipfrag;version=2.0")
        self.assertTrue(notify.body.startswith(f"SIP/2.0 {status} "), notify.body)
        return notify

    def begin(self, **kwargs):
        """An established call whose caller has asked, and what reaches the target."""
        caller, callee = self.establish()
        self.refer(caller, **kwargs)
        self.notified(self.caller, 100)
        return caller, callee, self.target.expect("INVITE")

    def join(self, callee, invite):
        """The target answers and the callee is brought to it."""
        self.target.reply(invite, 200, "t1", self.target.sdp(port=46000))
        self.target.expect("ACK")
        again = self.callee.expect("INVITE")
        self.assertEqual(again["call-id"], callee.call_id)
        self.callee.reply(again, 200, body=self.callee.sdp(version=2))
        self.callee.expect("ACK")
        return again, incoming_dialog(self.target, invite, "t1")


class Blind(Transfer):
    def test_callee_is_brought_to_the_target_and_the_caller_is_let_go(self):
        caller, callee, invite = self.begin()
        self.assertIn(self.target_number, invite.uri)
        self.assertIn(self.number, invite["from"])  # the transferee calls
        self.assertIn(f"sip:alice@{flows.gateway.ip}", invite["referred-by"])
        for secret in (self.caller.ip, callee.call_id, caller.call_id):
            self.assertNotIn(secret, invite.text)
        self.target.reply(invite, 180, "t1")
        self.notified(self.caller, 180)
        again, target = self.join(callee, invite)
        self.assertEqual(again.sdp_version(), callee.invite.sdp_version() + 1)
        self.notified(self.caller, 200, "terminated")
        caller.bye()
        self.callee.expect_nothing(0.1)
        shown = next(c for c in flows.gateway.ctl("calls") if c["to"] == self.target_number)
        legs = flows.gateway.ctl("call", shown["call"])["legs"]
        self.assertTrue(legs[0]["media_remote"].startswith(f"{self.callee.ip}:"))
        self.assertEqual(legs[1]["media_remote"], f"{self.target.ip}:46000")
        # The new call is one like any other: hold, and its end.
        self.reinvite(target, self.callee, "sendonly", "recvonly")
        target.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="a")
        self.number = self.target_number
        self.expect_cdr(status=200, ended_by="b")

    def test_reload_meanwhile_changes_nothing(self):
        caller, callee, invite = self.begin()
        path = flows.gateway.path("control.yaml")
        with open(path) as file:
            before = file.read()
        with open(path, "w") as file:  # no way to the target any more
            file.write(before.replace('  - {prefix: "80"', '  - {prefix: "nowhere80"'))
        self.addCleanup(flows.gateway.ctl, "reload")
        self.addCleanup(self.write, path, before)
        flows.gateway.ctl("reload")
        self.target.reply(invite, 180, "t1")
        self.notified(self.caller, 180)
        again, target = self.join(callee, invite)
        flows.gateway.ctl("reload")
        self.notified(self.caller, 200, "terminated")
        caller.bye()
        self.reinvite(target, self.callee, "sendonly", "recvonly")
        target.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.number = self.target_number
        self.expect_cdr(status=200, ended_by="b")

    def write(self, path, text):
        with open(path, "w") as file:
            file.write(text)

    def test_callee_may_ask_as_well(self):
        caller, callee = self.establish()
        self.refer(callee)
        self.notified(self.callee, 100)
        invite = self.target.expect("INVITE")
        self.assertIn("sip:alice@", invite["from"])
        self.target.reply(invite, 200, "t1", self.target.sdp())
        self.target.expect("ACK")
        again = self.caller.expect("INVITE")
        self.caller.reply(again, 200, body=self.caller.sdp(version=2))
        self.caller.expect("ACK")
        self.notified(self.callee, 200, "terminated")
        self.callee.reply(self.callee.expect("BYE", 4), 200)  # it does not hang up: we do
        target = incoming_dialog(self.target, invite, "t1")
        caller.bye()
        self.target.reply(self.target.expect("BYE"), 200)
        self.assertEqual(self.expect_cdr(status=200)["why"], "transferred")
        self.assertIsNotNone(target)

    def test_caller_that_hangs_up_at_once_leaves_the_transfer_alone(self):
        caller, callee, invite = self.begin()
        caller.bye()
        self.callee.expect_nothing(0.2)
        _, target = self.join(callee, invite)
        target.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_cdr(status=200)

    def test_caller_that_has_hung_up_and_a_busy_target_end_the_callee(self):
        caller, callee, invite = self.begin()
        caller.bye()
        self.target.reply(invite, 486, "t1")
        self.target.expect("ACK")
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_cdr(status=200)

    def test_busy_target_is_told_and_the_call_goes_on(self):
        caller, callee, invite = self.begin()
        self.target.reply(invite, 486, "t1")
        self.target.expect("ACK")
        self.notified(self.caller, 486, "terminated")
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_second_transfer_after_a_failed_one_has_an_id(self):
        caller, callee, invite = self.begin()
        self.target.reply(invite, 486, "t1")
        self.target.expect("ACK")
        self.notified(self.caller, 486, "terminated")
        self.refer(caller)
        notify = self.notified(self.caller, 100)
        self.assertEqual(notify["event"], f"refer;id={caller.cseq}")
        invite = self.target.expect("INVITE")
        self.join(callee, invite)
        self.notified(self.caller, 200, "terminated")

    def test_callee_that_hangs_up_ends_the_call_to_the_target(self):
        caller, callee, invite = self.begin()
        self.target.reply(invite, 180, "t1")
        self.notified(self.caller, 180)
        callee.bye()
        self.notified(self.caller, 487, "terminated")
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.target.expect("CANCEL")

    def test_callee_that_refuses_to_move_stays_where_it_is(self):
        caller, callee, invite = self.begin()
        self.target.reply(invite, 200, "t1", self.target.sdp())
        self.target.expect("ACK")
        self.callee.reply(self.callee.expect("INVITE"), 488)
        self.callee.expect("ACK")
        self.target.reply(self.target.expect("BYE"), 200)
        self.notified(self.caller, 488, "terminated")
        self.end(caller, callee)

    def test_held_callee_hears_the_target(self):
        caller, callee = self.establish()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.refer(caller)
        self.notified(self.caller, 100)
        invite = self.target.expect("INVITE")
        self.assertEqual(invite.sdp_direction(), "sendrecv")
        again, _ = self.join(callee, invite)
        self.assertEqual(again.sdp_direction(), "sendrecv")
        self.notified(self.caller, 200, "terminated")

    def test_number_that_leads_nowhere_is_404_in_the_notify(self):
        caller, callee = self.establish()
        self.refer(caller, to=f"sip:999@{flows.gateway.ip}")
        self.notified(self.caller, 100)
        self.notified(self.caller, 404, "terminated")
        self.end(caller, callee)

    def test_without_subscription_nothing_is_notified(self):
        caller, callee = self.establish()
        accepted = self.refer(caller, extra=["Refer-Sub: false", "Supported: norefersub"],
                              status=200)
        self.assertEqual(accepted["refer-sub"], "false")
        invite = self.target.expect("INVITE")
        self.join(callee, invite)
        self.assertEqual(self.caller.expect_any(5).method, "BYE")

    def test_refers_that_are_none(self):
        caller, callee = self.establish()
        for extra, status in (([], 400), (["Refer-To: <sip:1@x>", "Refer-To: <sip:2@x>"], 400),
                              (["Refer-To: <mailto:a@b>"], 416), (["Refer-To: nonsense"], 400),
                              (["Refer-To: <sip:2000@x;method=BYE>"], 501),
                              (["Refer-To: <sip:2000@x?Replaces=nonsense>"], 400)):
            caller.send("REFER", extra=extra)
            self.caller.expect(status)
        self.end(caller, callee)

    def test_two_at_once_are_one_too_many(self):
        caller, callee, invite = self.begin()
        self.refer(caller, status=491)
        self.refer(callee, status=491)
        self.join(callee, invite)
        self.notified(self.caller, 200, "terminated")

    def test_trunk_may_forbid_it(self):
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, 5090, flows.gateway.address)
        caller, callee = self.establish()
        self.refer(caller, status=403)
        self.end(caller, callee)

    def test_outside_of_a_call_it_is_forbidden(self):
        self.caller.send(self.caller.request(
            "REFER", f"sip:{flows.gateway.ip}", ("x", "<sip:a@b>;tag=1", "<sip:c@d>"), 1,
            extra=["Refer-To: <sip:2000@x>"]))
        self.caller.expect(403)

    def test_transferred_call_survives_a_crash_of_control(self):
        caller, callee, invite = self.begin()
        _, target = self.join(callee, invite)
        self.notified(self.caller, 200, "terminated")
        caller.bye()
        flows.gateway.crash_control()
        flows.gateway.start_control()
        target.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.number = self.target_number
        self.expect_cdr(status=200, recovered=True)


class Attended(Transfer):
    def setUp(self):
        super().setUp()
        self.second = Peer(flows.gateway.caller_ip, self.caller.port + 1
                           if self.caller.port < 65000 else 0, flows.gateway.address)
        self.peers.append(self.second)

    def consult(self):
        """The caller's second call, to the target."""
        call = OutgoingCall(self.second, self.target_number)
        invite = self.target.expect("INVITE")
        self.target.reply(invite, 200, "t1", self.target.sdp(port=46000))
        self.target.expect("ACK")
        return call.answered(), incoming_dialog(self.target, invite, "t1")

    def replaces(self, dialog, extra=""):
        to_tag = dialog.remote.partition(";tag=")[2]
        from_tag = dialog.local.partition(";tag=")[2]
        value = f"{dialog.call_id};to-tag={to_tag};from-tag={from_tag}{extra}"
        for raw, escaped in (("@", "%40"), (";", "%3B"), ("=", "%3D")):
            value = value.replace(raw, escaped)
        return f"sip:{self.target_number}@{flows.gateway.ip}?Replaces={value}"

    def test_callee_takes_the_callers_place_in_its_other_call(self):
        caller, callee = self.establish()
        consult, target = self.consult()
        self.refer(caller, to=self.replaces(consult))
        self.notified(self.caller, 100)
        self.second.reply(self.second.expect("BYE"), 200)
        again = self.callee.expect("INVITE")
        self.assertEqual(again["call-id"], callee.call_id)
        self.assertNotIn(target.call_id, again.text)
        self.callee.reply(again, 200, body=self.callee.sdp(version=2))
        self.callee.expect("ACK")
        self.notified(self.caller, 200, "terminated")
        caller.bye()
        self.target.expect_nothing(0.1)
        shown = next(c for c in flows.gateway.ctl("calls") if c["to"] == self.target_number)
        legs = flows.gateway.ctl("call", shown["call"])["legs"]
        self.assertTrue(legs[0]["media_remote"].startswith(f"{self.callee.ip}:"))
        self.assertEqual(legs[1]["media_remote"], f"{self.target.ip}:46000")
        callee.bye()
        self.target.reply(self.target.expect("BYE"), 200)
        self.expect_cdr(status=200)
        self.number = self.target_number
        self.expect_cdr(status=200, ended_by="a")

    def test_dialog_that_is_not_there_is_481_and_nothing_changes(self):
        caller, callee = self.establish()
        consult, target = self.consult()
        consult.local += "x"
        self.refer(caller, to=self.replaces(consult))
        self.notified(self.caller, 100)
        self.notified(self.caller, 481, "terminated")
        self.end(caller, callee)

    def test_early_only_is_486_once_answered(self):
        caller, callee = self.establish()
        consult, _ = self.consult()
        self.refer(caller, to=self.replaces(consult, ";early-only"))
        self.notified(self.caller, 100)
        self.notified(self.caller, 486, "terminated")
        self.end(caller, callee)

    def test_nobody_takes_a_call_of_another_trunk(self):
        """The callee names the caller's dialog."""
        caller, callee = self.establish()
        consult, target = self.consult()
        self.refer(callee, to=self.replaces(consult))
        self.notified(self.callee, 100)
        self.notified(self.callee, 481, "terminated")
        self.second.expect_nothing(0.1)
        self.end(caller, callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
