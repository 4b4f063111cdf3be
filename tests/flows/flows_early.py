#!/usr/bin/python3
"""Call flows before the answer: reliable provisional responses (RFC 3262), several early dialogs,
early media and who may be heard (RFC 5009), offers by PRACK and UPDATE (RFC 3311).

usage: flows_early.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with a gateway that has more trunks.
"""
import re
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog

tearDownModule = flows.tearDownModule
RELIABLE = ["Supported: 100rel"]
REQUIRED = ["Require: 100rel"]
UPDATE = ["Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE"]
# port of the callee: name and policy of its trunk, number prefix
CALLEES = {5080: ("strict", "100rel: required", "80"), 5081: ("plain", "100rel: never", "81"),
           5082: ("authorized", "early_media: authorized", "82"),
           5083: ("silent", "early_media: never", "83")}
CALLERS = {5090: ("demanding", "100rel: required"), 5091: ("old", "100rel: never")}


def setUpModule():
    gateway = Gateway(flows.build, 8, no_answer_s=60)
    for host, trunks in ((gateway.callee_ip, CALLEES), (gateway.caller_ip, CALLERS)):
        for port, (name, policy, *prefix) in trunks.items():
            gateway.trunks += f"""\
  - name: {name}
    realm: lo
    peers: [{{address: {host}, port: {port}}}]
    codecs: [PCMU, PCMA]
    {policy}
"""
            if prefix:
                gateway.routes += f'  - {{prefix: "{prefix[0]}", trunk: {name}}}\n'
    flows.start(gateway)


class Early(Flow):
    """Helpers for what the far ends of a reliable early dialog send."""

    def call_from(self, port, *args, **kwargs):
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, port, flows.gateway.address)
        return OutgoingCall(self.caller, self.number, *args, **kwargs)

    def progress(self, invite, status, rseq, tag="b1", body="", extra=()):
        """A reliable response of the callee."""
        self.callee.reply(invite, status, tag, body, [*REQUIRED, f"RSeq: {rseq}", *extra])

    def pracked(self, rseq, tag="b1", body="", status=200):
        prack = self.callee.expect("PRACK")
        self.assertEqual(prack["rack"], f"{rseq} 1 INVITE")
        self.assertEqual(prack.tag("to"), tag)
        self.callee.reply(prack, status, body=body)
        return prack

    def prack(self, dialog, response, body=""):
        """The caller acknowledges a reliable response; what comes of that."""
        dialog.send("PRACK", body, [f"RAck: {response['rseq']} 1 INVITE"])
        return self.caller.expect(200)

    def finish(self, dialog, body=""):
        """The caller has its 200: acknowledge and hang up."""
        answer = self.caller.expect(200)
        dialog.send("ACK", body, cseq=1)
        dialog.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)
        return answer


class Reliable(Early):
    def test_reliable_on_both_sides_is_acknowledged_end_to_end(self):
        call, invite = self.invite(extra=RELIABLE)
        self.assertIn("100rel", invite["supported"])
        self.progress(invite, 183, 77, body=self.callee.sdp())
        progress = self.caller.expect(183)
        self.assertIn("100rel", progress["require"])
        self.assertNotEqual(progress["rseq"], "77")
        self.callee.expect_nothing(0.2)  # no PRACK before the caller's
        caller = call.dialog(progress)
        self.prack(caller, progress)
        self.pracked(77)
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        answer = self.finish(caller)
        self.assertEqual(answer.body, "")  # it has the answer, reliably
        self.expect_cdr(status=200)

    def test_response_is_repeated_until_its_prack_and_doubling(self):
        call, invite = self.invite(extra=RELIABLE)
        self.progress(invite, 180, 1)
        ringing = self.caller.expect(180)
        times = [self.caller.log[-1][0]]
        for _ in range(3):
            again = self.caller.expect(180, 5, repeated=True)
            self.assertEqual(again.text, ringing.text)
            times.append(self.caller.log[-1][0])
        for gap, wanted in zip([b - a for a, b in zip(times, times[1:])], (0.5, 1, 2)):
            self.assertAlmostEqual(gap, wanted, delta=0.3)
        caller = call.dialog(ringing)
        self.prack(caller, ringing)
        self.pracked(1)
        self.caller.expect_nothing(1)
        self.answer(invite)
        self.finish(caller)

    def test_caller_without_100rel_gets_it_unreliably(self):
        call, invite = self.invite()
        self.progress(invite, 183, 5, body=self.callee.sdp())
        self.pracked(5)
        progress = self.caller.expect(183)
        self.assertIsNone(progress["require"])
        self.assertIsNone(progress["rseq"])
        self.assertIn("m=audio", progress.body)
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        caller = call.answered()
        self.assertEqual(caller.answer.body, progress.body)
        self.end(caller, None)

    def test_caller_that_requires_100rel_gets_it_of_a_callee_without(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        self.assertIn("100rel", progress["require"])
        caller = call.dialog(progress)
        self.prack(caller, progress)
        self.callee.expect_nothing(0.1)
        self.answer(invite)
        self.finish(caller)

    def test_repeated_and_disordered_responses_are_not_taken(self):
        call, invite = self.invite()
        self.progress(invite, 183, 10, body=self.callee.sdp())
        self.pracked(10)
        self.caller.expect(183)
        self.progress(invite, 183, 10, body=self.callee.sdp())
        self.progress(invite, 180, 12)
        self.callee.expect_nothing(0.2)
        self.caller.expect_nothing(0.1)
        self.progress(invite, 180, 11)
        self.pracked(11)
        self.caller.expect(180)
        call.cancel()

    def test_second_reliable_response_waits_for_the_first_prack(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 180, "b1")
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        ringing = self.caller.expect(180)
        self.caller.expect_nothing(0.2)
        caller = call.dialog(ringing)
        caller.send("PRACK", extra=[f"RAck: {ringing['rseq']} 1 INVITE"])
        self.caller.expect(200)
        progress = self.caller.expect(183)
        self.assertEqual(int(progress["rseq"]), int(ringing["rseq"]) + 1)
        self.prack(caller, progress)
        self.answer(invite)
        self.finish(caller)

    def test_prack_of_nothing_is_481(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 180, "b1")
        ringing = self.caller.expect(180)
        caller = call.dialog(ringing)
        for rack in (f"{int(ringing['rseq']) + 1} 1 INVITE", f"{ringing['rseq']} 2 INVITE",
                     f"{ringing['rseq']} 1 UPDATE", "nonsense"):
            caller.send("PRACK", extra=[f"RAck: {rack}"])
            self.caller.expect(481)
        self.prack(caller, ringing)
        caller.send("PRACK", extra=[f"RAck: {ringing['rseq']} 1 INVITE"])
        self.caller.expect(481)  # once is enough
        call.cancel()

    def test_answer_is_held_back_until_the_prack_of_the_description(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        self.answer(invite)
        self.caller.expect_nothing(0.3)
        caller = call.dialog(progress)
        self.prack(caller, progress)
        self.finish(caller)
        self.expect_cdr(status=200)

    def test_answer_is_not_held_back_by_ringing_without_description(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 180, "b1")
        ringing = self.caller.expect(180)
        self.answer(invite)
        answer = self.caller.expect(200)
        self.assertIn("m=audio", answer.body)
        caller = call.dialog(ringing)
        caller.send("ACK", cseq=1)
        self.prack(caller, ringing)  # late, and still answered
        self.end(caller, None)

    def test_cancel_of_an_answer_held_back(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        self.caller.expect(183)
        self.answer(invite)
        call.cancel()
        call.refused(487)
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_cdr(status=487, ended_by="a", answered=None)

    def test_callee_that_answers_before_its_prack_gets_it_still(self):
        call, invite = self.invite(extra=RELIABLE)
        self.progress(invite, 180, 3)
        ringing = self.caller.expect(180)
        self.answer(invite)
        answer = self.caller.expect(200)
        caller = call.dialog(answer)
        caller.send("ACK")
        self.prack(caller, ringing)
        self.pracked(3)
        self.end(caller, None)

    def test_late_offer_is_in_the_first_reliable_response_and_answered_in_the_prack(self):
        call, invite = self.invite(body="", extra=REQUIRED)
        self.callee.reply(invite, 180, "b1")
        self.caller.expect_nothing(0.2)  # without an offer it could not be reliable
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        self.assertIn("m=audio", progress.body)
        caller = call.dialog(progress)
        self.prack(caller, progress, self.caller.sdp())
        self.answer(invite)
        answer = self.finish(caller)
        self.assertEqual(answer.body, "")
        self.expect_cdr(status=200)

    def test_prack_without_the_answer_that_is_due_ends_the_call(self):
        call, invite = self.invite(body="", extra=REQUIRED)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        self.prack(call.dialog(progress), progress)
        call.refused(488)
        self.callee.expect("CANCEL")

    def test_offer_in_prack_is_asked_of_the_callee_in_its_prack(self):
        call, invite = self.invite(extra=RELIABLE)
        self.progress(invite, 183, 9, body=self.callee.sdp())
        progress = self.caller.expect(183)
        caller = call.dialog(progress)
        caller.send("PRACK", self.caller.sdp(direction="sendonly", version=2),
                    [f"RAck: {progress['rseq']} 1 INVITE"])
        prack = self.pracked(9, body=self.callee.sdp(direction="recvonly", version=2))
        self.assertEqual(prack.sdp_direction(), "sendonly")
        self.assertEqual(self.caller.expect(200).sdp_direction(), "recvonly")
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.finish(caller)

    def test_offer_in_prack_is_answered_here_where_the_callee_has_no_100rel(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        caller = call.dialog(progress)
        caller.send("PRACK", self.caller.sdp(port=45000, version=2),
                    [f"RAck: {progress['rseq']} 1 INVITE"])
        self.assertIn("m=audio", self.caller.expect(200).body)
        self.callee.expect_nothing(0.1)
        self.answer(invite)
        self.finish(caller)

    def test_prack_that_never_comes_ends_the_call_with_504(self):
        call, invite = self.invite(extra=REQUIRED)
        self.callee.reply(invite, 180, "b1")
        first = self.caller.expect(180)
        again = [self.caller.expect(180, 17, repeated=True).text for _ in range(5)]
        self.assertEqual(set(again), {first.text})  # at 0.5, 1.5, 3.5, 7.5 and 15.5 s
        call.refused(504, 18)
        self.callee.expect("CANCEL")
        self.assertEqual(self.expect_cdr(status=504)["why"], "no_prack")

    def test_extensions_that_the_trunk_forbids_and_demands(self):
        call = self.call_from(5091, extra=REQUIRED)
        self.assertEqual(call.refused(420)["unsupported"], "100rel")
        self.dial_next()
        call = self.call_from(5090)
        self.assertEqual(call.refused(421)["require"], "100rel")
        self.dial_next()
        call = self.call_from(5090, extra=RELIABLE)
        self.callee.reply(self.callee.expect("INVITE"), 180, "b1")
        self.assertIn("100rel", self.caller.expect(180)["require"])
        call.cancel()

    def test_trunk_without_100rel_gets_nothing_reliable(self):
        call = self.call_from(5091, extra=RELIABLE)
        invite = self.callee.expect("INVITE")
        self.progress(invite, 180, 1)
        self.pracked(1)
        self.assertIsNone(self.caller.expect(180)["require"])
        call.cancel()


class Strict(Early):
    callee_port, prefix = 5080, "80"

    def test_trunk_that_requires_100rel_is_asked_for_it(self):
        call, invite = self.invite()
        self.assertEqual(invite["require"], "100rel")
        self.callee.reply(invite, 420, "b1", extra=["Unsupported: 100rel"])
        self.callee.expect("ACK")
        call.refused(500)


class Plain(Early):
    callee_port, prefix = 5081, "81"

    def test_trunk_without_100rel_is_offered_none(self):
        call, invite = self.invite(extra=RELIABLE)
        self.assertNotIn("100rel", invite["supported"])
        self.assertIsNone(invite["require"])
        call.cancel()


class Forking(Early):
    def test_each_fork_has_a_dialog_and_a_count_of_its_own(self):
        call, invite = self.invite()
        self.progress(invite, 183, 100, "b1", self.callee.sdp(port=41000))
        self.pracked(100, "b1")
        self.progress(invite, 183, 500, "b2", self.callee.sdp(port=42000))
        self.pracked(500, "b2")
        self.progress(invite, 180, 101, "b1")
        self.pracked(101, "b1")
        for status in (183, 183, 180):
            self.caller.expect(status, repeated=True)
        self.callee.reply(invite, 200, "b1", self.callee.sdp(port=41000))
        self.assertEqual(self.callee.expect("ACK").tag("to"), "b1")
        self.end(call.answered(), None)

    def media_of_callee(self):
        shown = next(c for c in flows.gateway.ctl("calls") if c["to"] == self.number)
        return flows.gateway.ctl("call", shown["call"])["legs"][1]["media_remote"]

    def test_who_described_last_is_heard_and_who_answers_is_in_the_end(self):
        call, invite = self.invite()
        ports = []
        for tag, port in (("b1", 41000), ("b2", 42000)):
            self.callee.reply(invite, 183, tag, self.callee.sdp(port=port))
            self.caller.expect(183, repeated=True)
            ports.append(self.media_of_callee())
        self.callee.reply(invite, 180, "b1")  # no description: b2 is heard on
        self.caller.expect(180)
        ports.append(self.media_of_callee())
        # b1 has described in its 183 only.
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        caller = call.answered()
        ports.append(self.media_of_callee())
        self.assertEqual([port.rpartition(":")[2] for port in ports],
                         ["41000", "42000", "42000", "41000"])
        self.end(caller, None)

    def test_caller_sees_one_early_dialog_with_one_answer(self):
        call, invite = self.invite()
        tags, bodies = set(), set()
        for tag, port in (("b1", 41000), ("b2", 42000), ("b3", 43000)):
            self.callee.reply(invite, 183, tag, self.callee.sdp(port=port))
            progress = self.caller.expect(183, repeated=True)
            tags.add(progress.tag("to"))
            bodies.add(progress.body)
        self.assertEqual((len(tags), len(bodies)), (1, 1))
        self.callee.reply(invite, 200, "b3", self.callee.sdp(port=43000))
        self.callee.expect("ACK")
        caller = call.answered()
        self.assertEqual({caller.answer.body}, bodies)
        self.end(caller, None)

    def test_two_answers_of_forks_first_wins_second_is_acked_and_ended(self):
        call, invite = self.invite()
        for tag in ("b1", "b2"):
            self.callee.reply(invite, 180, tag)
            self.caller.expect(180, repeated=True)
        self.callee.reply(invite, 200, "b2", self.callee.sdp())
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.assertEqual(self.callee.expect("ACK").tag("to"), "b2")
        self.assertEqual(self.callee.expect("ACK").tag("to"), "b1")
        bye = self.callee.expect("BYE")
        self.assertEqual(bye.tag("to"), "b1")
        self.callee.reply(bye, 200)
        caller = call.answered()
        caller.bye()
        self.assertEqual(self.callee.expect("BYE").tag("to"), "b2")

    def test_update_and_prack_go_to_the_fork_that_is_heard(self):
        call, invite = self.invite(extra=RELIABLE)
        self.progress(invite, 183, 1, "b1", self.callee.sdp(port=41000), UPDATE)
        first = self.caller.expect(183)
        caller = call.dialog(first)
        self.prack(caller, first)
        self.pracked(1, "b1")
        self.progress(invite, 183, 1, "b2", self.callee.sdp(port=42000), UPDATE)
        second = self.caller.expect(183)
        self.prack(caller, second)
        self.pracked(1, "b2")
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        update = self.callee.expect("UPDATE")
        self.assertEqual(update.tag("to"), "b2")
        self.callee.reply(update, 200, body=self.callee.sdp(port=42000, direction="recvonly"))
        self.assertEqual(self.caller.expect(200).sdp_direction(), "recvonly")
        # The other one, which has not heard of that, answers.
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.caller.expect(200)
        self.assertEqual(self.media_of_callee().rpartition(":")[2], "41000")
        caller.send("ACK", cseq=1)
        self.end(caller, None)

    def test_a_flood_of_forks_is_bounded(self):
        call, invite = self.invite()
        for i in range(100):
            self.callee.reply(invite, 180, f"b{i}")
        self.callee.reply(invite, 200, "b99", self.callee.sdp())
        self.callee.expect("ACK")
        while self.caller.expect_any().status != 200:
            pass
        self.assertTrue("event=early_dialog_ignored" in flows.gateway.log("control"))
        call.cancel()


class EarlyMedia(Early):
    def media(self):
        shown = next(c for c in flows.gateway.ctl("calls") if c["to"] == self.number)
        return flows.gateway.ctl("session", shown["call"])

    def test_183_without_description_and_180_after_183_are_passed_on(self):
        call, invite = self.invite()
        self.callee.reply(invite, 183, "b1")
        self.assertEqual(self.caller.expect(183).body, "")
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        self.assertIn("m=audio", self.caller.expect(183).body)
        self.callee.reply(invite, 180, "b1")
        self.assertEqual(self.caller.expect(180).body, "")
        self.answer(invite)
        self.end(call.answered(), None)

    def test_p_early_media_is_passed_on_to_who_knows_it(self):
        call, invite = self.invite(extra=["P-Early-Media: supported"])
        self.callee.reply(invite, 183, "b1", self.callee.sdp(), ["P-Early-Media: sendonly"])
        self.assertEqual(self.caller.expect(183)["p-early-media"], "sendonly")
        call.cancel()
        self.dial_next()
        self.caller.drain()
        self.callee.drain()
        call, invite = self.invite()
        self.callee.reply(invite, 183, "b1", self.callee.sdp(), ["P-Early-Media: sendonly"])
        self.assertIsNone(self.caller.expect(183)["p-early-media"])
        call.cancel()


class Authorized(Early):
    callee_port, prefix = 5082, "82"

    def test_early_media_is_described_once_it_is_authorized(self):
        call, invite = self.invite()
        self.assertEqual(invite["p-early-media"], "supported")
        self.callee.reply(invite, 183, "b1", self.callee.sdp(), ["P-Early-Media: inactive"])
        self.assertEqual(self.caller.expect(183).body, "")
        self.callee.reply(invite, 183, "b1", extra=["P-Early-Media: sendrecv"])
        self.assertIn("m=audio", self.caller.expect(183).body)
        self.answer(invite)
        self.end(call.answered(), None)


class Silent(Early):
    callee_port, prefix = 5083, "83"

    def test_early_media_of_such_a_trunk_is_never_described(self):
        call, invite = self.invite()
        self.callee.reply(invite, 183, "b1", self.callee.sdp(), ["P-Early-Media: sendrecv"])
        self.assertEqual(self.caller.expect(183).body, "")
        self.answer(invite)
        caller = call.answered()
        self.assertIn("m=audio", caller.answer.body)
        self.end(caller, None)


class UpdateEarly(Early):
    def reliable_early(self, extra=()):
        """Both sides have an early dialog with a description, reliably."""
        call, invite = self.invite(extra=[*RELIABLE, *UPDATE])
        self.progress(invite, 183, 1, body=self.callee.sdp(), extra=extra)
        progress = self.caller.expect(183)
        caller = call.dialog(progress)
        self.prack(caller, progress)
        self.pracked(1)
        return caller, invite

    def test_update_of_the_caller_goes_through(self):
        caller, invite = self.reliable_early(UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="inactive", version=2))
        update = self.callee.expect("UPDATE")
        self.assertEqual(update.sdp_direction(), "inactive")
        self.callee.reply(update, 200, body=self.callee.sdp(direction="inactive", version=2))
        self.assertEqual(self.caller.expect(200).sdp_direction(), "inactive")
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.finish(caller)

    def test_update_of_the_callee_goes_through(self):
        caller, invite = self.reliable_early(UPDATE)
        callee = incoming_dialog(self.callee, invite, "b1")
        callee.send("UPDATE", self.callee.sdp(direction="sendonly", version=2))
        update = self.caller.expect("UPDATE")
        self.assertEqual(update.sdp_direction(), "sendonly")
        self.caller.reply(update, 200, body=self.caller.sdp(direction="recvonly", version=2))
        self.assertEqual(self.callee.expect(200).sdp_direction(), "recvonly")
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.finish(caller)

    def test_update_is_answered_here_where_the_callee_has_none(self):
        caller, invite = self.reliable_early(["Allow: INVITE, ACK, BYE, CANCEL, PRACK"])
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        self.assertEqual(self.caller.expect(200).sdp_direction(), "recvonly")
        self.callee.expect_nothing(0.1)
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.finish(caller)

    def test_update_before_the_answer_to_the_invite_is_500_with_retry_after(self):
        call, invite = self.invite(extra=UPDATE)
        self.callee.reply(invite, 180, "b1", extra=UPDATE)
        caller = call.dialog(self.caller.expect(180))
        caller.send("UPDATE", self.caller.sdp(version=2))
        self.assertTrue(re.fullmatch("[0-9]", self.caller.expect(500)["retry-after"]))
        self.callee.expect_nothing(0.1)
        self.answer(invite)
        self.finish(caller)

    def test_update_of_the_callee_before_its_answer_is_491(self):
        call, invite = self.invite(extra=UPDATE)
        self.callee.reply(invite, 180, "b1", extra=UPDATE)
        self.caller.expect(180)
        callee = incoming_dialog(self.callee, invite, "b1")
        callee.send("UPDATE", self.callee.sdp(version=2))
        self.callee.expect(491)
        self.answer(invite)
        self.end(call.answered(), None)

    def test_refused_update_leaves_the_early_dialog_as_it_was(self):
        caller, invite = self.reliable_early(UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="inactive", version=2))
        self.callee.reply(self.callee.expect("UPDATE"), 488)
        self.caller.expect(488)
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.finish(caller)

    def test_answer_that_crosses_an_update_waits_for_its_end(self):
        """RFC 5407 3.1.4 and 3.1.5: UPDATE and the 200 of the INVITE cross."""
        caller, invite = self.reliable_early(UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="inactive", version=2))
        update = self.callee.expect("UPDATE")
        self.callee.reply(invite, 200, "b1")
        self.callee.expect("ACK")
        self.caller.expect_nothing(0.2)
        self.callee.reply(update, 200, body=self.callee.sdp(direction="inactive", version=2))
        self.assertEqual(self.caller.expect(200).method, "UPDATE")
        self.finish(caller)

    def test_update_without_offer_moves_the_target_in_an_early_dialog(self):
        call, invite = self.invite()
        self.callee.reply(invite, 180, "b1")
        caller = call.dialog(self.caller.expect(180))
        moved = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(moved)
        caller.peer = moved
        caller.send("UPDATE")
        moved.expect(200)
        callee = self.answer(invite)
        caller.peer = self.caller
        self.caller.expect(200)
        caller.send("ACK", cseq=1)
        callee.bye()
        self.assertIn(f":{moved.port}", moved.expect("BYE").uri)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
