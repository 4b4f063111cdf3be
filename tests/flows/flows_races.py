#!/usr/bin/python3
"""Messages that cross each other (RFC 5407, by section) and calls that are sent on by 3xx.

usage: flows_races.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py. Races of CANCEL, ACK, forks and re-INVITEs are there, those of PRACK and early UPDATE
in flows_early.py, of refreshes in flows_timer.py, of REFER in flows_transfer.py.
"""
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, incoming_dialog

tearDownModule = flows.tearDownModule
TRUNKS = {5080: ("following", "follow", "80"), 5081: ("passing", "pass", "81"),
          5082: ("next", "follow", "82")}


def setUpModule():
    gateway = Gateway(flows.build, 11)
    for port, (name, policy, prefix) in TRUNKS.items():
        gateway.trunks += f"""\
  - name: {name}
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: {port}}}]
    codecs: [PCMU]
    redirects: {policy}
"""
        gateway.routes += f'  - {{prefix: "{prefix}", trunk: {name}}}\n'
    flows.start(gateway)


class Mortal(Flow):
    """RFC 5407 3.1 and 3.2: what comes while the call is about to begin or to end."""

    def test_3_1_1_repeated_invite_in_an_answered_call_changes_nothing(self):
        call, invite = self.ring()
        self.answer(invite)
        answer = self.caller.expect(200)
        self.caller.send(call.text)
        self.callee.expect_nothing(0.2)
        caller = call.dialog(answer)
        caller.send("ACK")
        self.caller.send(call.text)
        self.callee.expect_nothing(0.2)
        self.end(caller, None)

    def test_3_1_3_bye_of_the_callee_right_behind_its_200(self):
        call, invite = self.ring()
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        callee = incoming_dialog(self.callee, invite, "b1")
        callee.send("BYE")
        self.assertEqual({self.callee.expect_any().method for _ in range(2)}, {"ACK", "BYE"})
        caller = call.answered()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.assertIsNotNone(caller)
        self.expect_cdr(status=200, ended_by="b")

    def test_3_1_4_reinvite_of_the_callee_before_the_callers_ack(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        answer = self.caller.expect(200)
        callee.send("INVITE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        callee.send("ACK")
        caller = call.dialog(answer)
        caller.send("ACK")
        self.reinvite(callee, self.caller, "sendonly", "recvonly")
        self.end(caller, callee)

    def test_requests_before_the_ack_in_a_call_that_the_callee_has_ended(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        callee.bye()
        self.caller.expect_nothing(0.1)  # our BYE waits for the ACK (RFC 3261 15)
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        self.caller.expect(481)
        caller.send("ACK", cseq=1)
        self.caller.reply(self.caller.expect("BYE"), 200)

    def test_bye_before_the_ack_in_a_call_that_the_callee_has_ended(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        callee.bye()
        caller.send("BYE")
        self.caller.expect(200)
        caller.send("ACK", cseq=1)
        self.caller.expect_nothing(0.7)  # no BYE of ours, and no 200 again
        self.expect_cdr(status=200, ended_by="b")

    def test_3_2_1_bye_crosses_bye(self):
        caller, callee = self.establish()
        caller.send("BYE")
        callee.send("BYE")
        for peer in (self.caller, self.callee):
            first = peer.expect_any()
            second = peer.expect_any() if peer is self.callee else first
            for message in (first, second):
                self.assertIn(message.status or message.method, (200, "BYE"))
        self.expect_cdr(status=200)

    def test_3_2_1_bye_crosses_bye_when_all_else_is_over(self):
        caller, callee = self.establish()
        caller.bye()
        ours = self.callee.expect("BYE")
        self.expect_cdr(status=200, ended_by="a")
        callee.bye()
        self.callee.reply(ours, 200)
        callee.send("BYE")
        self.callee.expect(481)

    def test_3_2_2_reinvite_crosses_bye(self):
        caller, callee = self.establish()
        caller.send("BYE")
        self.caller.expect(200)
        bye = self.callee.expect("BYE")
        callee.send("INVITE", self.callee.sdp(version=2))
        self.callee.expect(481)
        callee.send("ACK")
        self.callee.reply(bye, 200)
        self.expect_cdr(status=200, ended_by="a")

    def test_3_2_3_answer_to_a_reinvite_crosses_bye_and_is_acknowledged(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        invite = self.callee.expect("INVITE")
        caller.send("BYE")
        bye = self.callee.expect("BYE")
        self.callee.reply(invite, 200, body=self.callee.sdp(direction="recvonly", version=2))
        ack = self.callee.expect("ACK")
        self.assertEqual((ack.cseq, ack["call-id"]), (invite.cseq, invite["call-id"]))
        self.callee.reply(bye, 200)
        self.expect_cdr(status=200, ended_by="a")

    def test_3_2_4_late_ack_after_bye_is_swallowed(self):
        call, invite = self.ring()
        self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        caller.send("BYE")
        self.caller.expect(200)
        caller.send("ACK", cseq=1)
        self.caller.expect_nothing(0.2)
        self.callee.reply(self.callee.expect("BYE"), 200)

    def test_3_3_3_refer_crosses_bye(self):
        caller, callee = self.establish()
        caller.send("BYE")
        self.caller.expect(200)
        self.callee.expect("BYE")
        callee.send("REFER", extra=[f"Refer-To: <sip:2000@{flows.gateway.ip}>"])
        self.callee.expect(481)

    def test_update_crosses_bye(self):
        caller, callee = self.establish()
        caller.send("BYE")
        self.caller.expect(200)
        self.callee.expect("BYE")
        callee.send("UPDATE", self.callee.sdp(version=2))
        self.callee.expect(481)

    def test_cancel_of_a_reinvite_crosses_its_answer(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        branch, cseq = caller.branch, caller.cseq
        invite = self.callee.expect("INVITE")
        self.callee.reply(invite, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.callee.expect("ACK")
        answer = self.caller.expect(200)
        values = (caller.call_id, caller.local, caller.remote)
        self.caller.send(self.caller.request("CANCEL", caller.target, values, cseq, branch))
        self.assertEqual(self.caller.expect(200, repeated=True).status, 200)
        caller.send("ACK")
        self.assertEqual(answer.sdp_direction(), "recvonly")
        self.end(caller, callee)

    def test_request_with_a_lower_cseq_is_500(self):
        caller, callee = self.establish()
        caller.send("UPDATE", cseq=9)
        self.caller.expect(200)
        caller.send("UPDATE", cseq=5)
        self.caller.expect(500)
        caller.cseq = 9
        self.end(caller, callee)

    def test_tag_with_odd_characters_is_kept(self):
        call, invite = self.invite()
        tag = "a.b!%*_+`'~-1"
        self.callee.reply(invite, 200, tag, self.callee.sdp())
        self.assertEqual(self.callee.expect("ACK")["to"].partition(";tag=")[2], tag)
        caller = call.answered()
        caller.bye()
        self.assertEqual(self.callee.expect("BYE")["to"].partition(";tag=")[2], tag)


class Redirect(Flow):
    callee_port, prefix = 5080, "80"

    def redirect(self, invite, *contacts, status=302):
        self.callee.reply(invite, status, "b1", contact=False,
                          extra=[f"Contact: {', '.join(contacts)}"] if contacts else [])
        self.callee.expect("ACK")

    def test_redirection_is_followed_by_the_dial_plan_best_first(self):
        number = f"82{next(flows.numbers)}"
        self.numbers.add(number)
        other = self.peer(5082)
        call, invite = self.invite()
        self.redirect(invite, "<sip:2000@192.0.2.99>;q=0.5", f"<sip:{number}@192.0.2.99>;q=0.9",
                      "<mailto:a@b>")
        again = other.expect("INVITE")
        self.assertIn(f"sip:{number}@{other.ip}", again.uri)
        other.reply(again, 200, "c1", other.sdp())
        other.expect("ACK")
        caller = call.answered()
        caller.bye()
        other.reply(other.expect("BYE"), 200)
        self.assertEqual(flows.gateway.cdr_of(number)["status"], 200)

    def test_redirection_loop_ends(self):
        call, invite = self.invite()
        other = f"80{next(flows.numbers)}"
        self.numbers.add(other)
        hops = 0
        for target in (other, self.number, other, self.number, other, self.number, other):
            self.redirect(invite, f"<sip:{target}@x>")
            hops += 1
            message = self.callee.receive(0.5)
            if message is None:
                break
            invite = message
        self.assertLess(hops, 5)
        call.refused(480)

    def test_redirections_without_end_are_given_up(self):
        call, invite = self.invite()
        for i in range(5):
            target = f"80{next(flows.numbers)}"
            self.numbers.add(target)
            self.redirect(invite, f"<sip:{target}@x>")
            invite = self.callee.expect("INVITE")
        self.redirect(invite, f"<sip:80{next(flows.numbers)}@x>")
        call.refused(480)

    def test_redirection_to_nowhere_is_480(self):
        for contacts in ((), ("<sip:999@x>",), ("<mailto:a@b>",), ("<sip:x>",)):
            call, invite = self.invite()
            self.redirect(invite, *contacts)
            call.refused(480)
            self.dial_next()


class PassRedirect(Redirect):
    callee_port, prefix = 5081, "81"
    test_redirection_is_followed_by_the_dial_plan_best_first = None
    test_redirection_loop_ends = None
    test_redirections_without_end_are_given_up = None
    test_redirection_to_nowhere_is_480 = None

    def test_redirection_is_passed_on_with_a_host_of_ours(self):
        call, invite = self.invite()
        self.redirect(invite, "<sip:2000@192.0.2.99;user=phone>", status=301)
        response = call.refused(301)
        self.assertIn(f"<sip:2000@{flows.gateway.ip}:5060>", response["contact"])
        self.assertNotIn("192.0.2.99", response.text)
        self.expect_cdr(status=301, far_status=301)

    def test_redirection_without_a_number_is_480(self):
        call, invite = self.invite()
        self.redirect(invite)
        call.refused(480)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
