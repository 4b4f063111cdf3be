#!/usr/bin/python3
"""Call flows and their races, against the real sluice-control and sluice-dataplane on loopback.

usage: flows.py BUILD-FOLDER [PART OF A TEST'S NAME...]

Each test plays both far ends of a call message by message (sip_peer.py), so that a race happens as
it is written. Every test dials a number of its own and so finds its own CDR.
"""
import json
import os
import random
import re
import signal
import sys
import time
import unittest

import capture
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, TcpPeer, incoming_dialog

gateway = None
build, failed = None, []
numbers = iter(range(100, 1000))


def setUpModule():
    start(Gateway(build))


def start(new):
    """What the tests of this or another file run against."""
    global gateway
    gateway = new
    try:
        gateway.start()
    except AssertionError:
        gateway.stop(keep=True)  # unittest tears down only what has been set up
        raise


def tearDownModule():
    gateway.stop(keep=bool(failed))


class Flow(unittest.TestCase):
    """A caller and a callee on fresh sockets, and a number that is routed to the callee."""

    callee_port = 5060
    prefix = "2"

    def setUp(self):
        self.numbers = set()
        self.dial_next()
        self.caller = Peer(gateway.caller_ip, 0, gateway.address)
        self.callee = Peer(gateway.callee_ip, self.callee_port, gateway.address, self.numbers)
        self.peers = [self.caller, self.callee]

    def tearDown(self):
        for peer in self.peers:
            peer.close()
        if not gateway.alive():
            self._outcome.result.stop()
            self.fail("a process has died")

    def dial_next(self):
        """From here on calls go to another number."""
        self.number = f"{self.prefix}{next(numbers)}"
        self.numbers.add(self.number)

    def peer(self, port):
        peer = Peer(gateway.callee_ip, port, gateway.address, self.numbers)
        self.peers.append(peer)
        return peer

    def invite(self, *args, **kwargs):
        """The caller's INVITE, and what of it reaches the callee."""
        call = OutgoingCall(self.caller, self.number, *args, **kwargs)
        return call, self.callee.expect("INVITE")

    def ring(self):
        call, invite = self.invite()
        self.callee.reply(invite, 180, "b1")
        self.caller.expect(180)
        return call, invite

    def answer(self, invite, body=None, tag="b1", **kwargs):
        self.callee.reply(invite, 200, tag, self.callee.sdp() if body is None else body, **kwargs)
        self.callee.expect("ACK")
        return incoming_dialog(self.callee, invite, tag)

    def establish(self):
        """A call that is up: both ends' dialogs."""
        call, invite = self.ring()
        callee = self.answer(invite)
        return call.answered(), callee

    def end(self, caller, callee):
        """The caller hangs up."""
        caller.bye()
        self.callee.reply(self.callee.expect("BYE"), 200)

    def reinvite(self, asker, other_peer, direction, answer_direction):
        """One end asks for a direction, the other answers. Returns what reached each."""
        asker.send("INVITE", asker.peer.sdp(direction=direction, version=2))
        invite = other_peer.expect("INVITE")
        other_peer.reply(invite, 200, body=other_peer.sdp(direction=answer_direction, version=2))
        other_peer.expect("ACK")
        answer = asker.peer.expect(200)
        asker.send("ACK")
        return invite, answer

    def expect_cdr(self, **wanted):
        cdr = gateway.cdr_of(self.number)
        self.assertEqual({key: cdr.get(key) for key in wanted}, wanted)
        return cdr


class SetUp(Flow):
    def test_caller_hangs_up(self):
        caller, callee = self.establish()
        self.end(caller, callee)
        cdr = self.expect_cdr(status=200, ended_by="a")
        self.assertIsNotNone(cdr["answered"])
        self.assertIsNotNone(cdr["ringing"])
        self.assertEqual([leg["codec"] for leg in cdr["legs"]], ["PCMU", "PCMU"])

    def test_callee_hangs_up(self):
        caller, callee = self.establish()
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_unknown_number_is_404(self):
        self.number = "9" + self.number
        OutgoingCall(self.caller, self.number).refused(404)
        self.expect_cdr(status=404)

    def test_busy_is_passed_on(self):
        call, invite = self.invite()
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)
        self.expect_cdr(status=486, ended_by="b", answered=None)

    def test_no_answer_is_cancelled_and_408(self):
        call, invite = self.ring()
        cancel = self.callee.expect("CANCEL", 8)
        self.callee.reply(cancel, 200)
        self.callee.reply(invite, 487, "b1")
        self.callee.expect("ACK")
        call.refused(408)
        self.expect_cdr(status=408, ended_by="sluice")

    def test_statuses_about_our_network_are_translated(self):
        for theirs, ours in ((302, 480), (401, 403), (407, 403), (420, 500), (481, 500),
                             (404, 404), (488, 488), (603, 603)):
            call, invite = self.invite()
            self.callee.reply(invite, theirs, "b1")
            self.callee.expect("ACK")
            response = call.refused(ours)
            self.assertNotIn(gateway.callee_ip, response.text)
            self.dial_next()

    def test_nothing_of_one_side_is_seen_by_the_other(self):
        call, invite = self.invite(extra=["X-Secret: of-a", "User-Agent: phone-of-a",
                                          f"P-Asserted-Identity: <sip:+4930@{self.caller.ip}>"])
        for secret in (self.caller.ip, call.call_id, call.tag, "of-a", call.branch):
            self.assertNotIn(secret, invite.text)
        self.assertIn("sip:alice@" + gateway.ip, invite["from"])
        self.assertIn("<sip:+4930@" + gateway.ip, invite["p-asserted-identity"])
        self.callee.reply(invite, 180, "b1", extra=["Server: of-b"])
        ringing = self.caller.expect(180)
        self.answer(invite, extra=["Server: of-b"])
        answer = self.caller.expect(200)
        for secret in (self.callee.ip, invite["call-id"], "tag=b1", "of-b"):
            self.assertNotIn(secret, ringing.text)
            self.assertNotIn(secret, answer.text)
        caller = call.dialog(answer)
        caller.send("ACK")
        self.end(caller, None)

    def test_max_forwards_is_counted_down(self):
        _, invite = self.invite(extra=["Max-Forwards: 12"])
        self.assertEqual(invite["max-forwards"], "11")
        self.callee.reply(invite, 486, "b1")
        self.caller.expect(486)

    def test_reason_of_bye_and_cancel_is_passed_on(self):
        call, invite = self.ring()
        call.cancel(["Reason: SIP;cause=200;text=\"Call completed elsewhere\""])
        self.assertIn("completed elsewhere", self.callee.expect("CANCEL")["reason"])
        self.caller.expect(487)
        self.dial_next()
        caller, _ = self.establish()
        caller.send("BYE", extra=["Reason: Q.850;cause=16"])
        self.caller.expect(200)
        self.assertEqual(self.callee.expect("BYE")["reason"], "Q.850;cause=16")


class EarlyMedia(Flow):
    def test_description_of_183_is_passed_on_and_stays(self):
        call, invite = self.invite()
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        progress = self.caller.expect(183)
        self.assertIn("m=audio", progress.body)
        self.callee.reply(invite, 180, "b1")
        self.caller.expect(180)
        self.answer(invite)
        caller = call.answered()
        self.assertEqual(caller.answer.body, progress.body)
        self.end(caller, None)

    def test_answer_may_describe_in_the_18x_only(self):
        call, invite = self.invite()
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        self.caller.expect(183)
        self.answer(invite, body="")
        self.end(call.answered(), None)
        self.expect_cdr(status=200)


class Cancel(Flow):
    def test_cancel_is_held_back_until_a_response(self):
        call, invite = self.invite()
        call.cancel()
        call.refused(487)
        self.callee.expect_nothing(0.3)
        self.callee.reply(invite, 180, "b1")
        self.callee.reply(self.callee.expect("CANCEL"), 200)
        self.callee.reply(invite, 487, "b1")
        self.callee.expect("ACK")
        self.expect_cdr(status=487, ended_by="a", answered=None)

    def test_cancel_while_ringing(self):
        call, invite = self.ring()
        call.cancel()
        self.callee.reply(self.callee.expect("CANCEL"), 200)
        self.callee.reply(invite, 487, "b1")
        self.callee.expect("ACK")
        call.refused(487)
        self.expect_cdr(status=487)

    def test_answer_that_crosses_the_cancel_is_ended(self):
        call, invite = self.ring()
        call.cancel()
        call.refused(487)
        cancel = self.callee.expect("CANCEL")
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.callee.reply(cancel, 481)
        self.callee.expect("ACK")
        self.callee.reply(self.callee.expect("BYE"), 200)
        # Its repetition is acknowledged, and ended no second time.
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.callee.expect("ACK", repeated=True)
        self.callee.expect_nothing(0.3)
        self.expect_cdr(status=487, answered=None)

    def test_cancel_after_the_answer_changes_nothing(self):
        call, invite = self.ring()
        self.answer(invite)
        answer = self.caller.expect(200)
        call.cancel()
        caller = call.dialog(answer)
        caller.send("ACK")
        self.callee.expect_nothing(0.2)
        self.end(caller, None)
        self.expect_cdr(status=200)

    def test_bye_in_an_early_dialog_is_taken_for_cancel(self):
        call = OutgoingCall(self.caller, self.number)
        invite = self.callee.expect("INVITE")
        self.callee.reply(invite, 180, "b1")
        caller = call.dialog(self.caller.expect(180))
        caller.send("BYE")
        self.caller.expect(200)
        self.caller.expect(487)
        self.callee.expect("CANCEL")


class Acknowledgement(Flow):
    def test_answer_is_repeated_until_its_ack(self):
        call, invite = self.ring()
        self.answer(invite)
        answer = self.caller.expect(200)
        for _ in range(2):
            again = self.caller.expect(200, repeated=True)
            self.assertEqual(again.text, answer.text)
        caller = call.dialog(answer)
        caller.send("ACK")
        self.caller.expect_nothing(1.2)
        self.end(caller, None)

    def test_repeated_answer_of_the_callee_is_acknowledged_again(self):
        caller, callee = self.establish()
        self.callee.reply(callee.invite, 200, "b1", self.callee.sdp())
        self.callee.expect("ACK", repeated=True)
        self.end(caller, callee)

    def test_bye_of_the_caller_before_its_ack(self):
        call, invite = self.ring()
        self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        caller.send("BYE")
        self.caller.expect(200)
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.caller.expect_nothing(1.2)
        self.expect_cdr(status=200, ended_by="a")

    def test_bye_to_the_caller_waits_for_its_ack(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        callee.bye()
        self.caller.expect_nothing(0.2)
        caller.send("ACK")
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")


class Forks(Flow):
    def test_first_answer_wins_and_others_are_ended(self):
        call, invite = self.invite()
        self.callee.reply(invite, 180, "b1")
        self.callee.reply(invite, 183, "b2", self.callee.sdp(port=41000))
        self.caller.expect(180)
        self.caller.expect(183)
        self.callee.reply(invite, 200, "b2", self.callee.sdp(port=41000))
        self.callee.expect("ACK")
        caller = call.answered()
        self.callee.reply(invite, 200, "b1", self.callee.sdp(port=42000))
        self.assertEqual(self.callee.expect("ACK").tag("to"), "b1")
        bye = self.callee.expect("BYE")
        self.assertEqual(bye.tag("to"), "b1")
        self.callee.reply(bye, 200)
        self.caller.expect_nothing(0.2)
        caller.send("BYE")
        self.caller.expect(200)
        self.assertEqual(self.callee.expect("BYE").tag("to"), "b2")
        self.expect_cdr(status=200)


class LateOffer(Flow):
    def test_caller_without_offer_answers_in_its_ack(self):
        call, invite = self.invite(body="")
        self.assertIn("m=audio", invite.body)
        self.callee.reply(invite, 183, "b1", self.callee.sdp())
        self.assertEqual(self.caller.expect(183).body, "")
        self.answer(invite)
        caller = call.answered(ack_body=self.caller.sdp())
        self.assertIn("m=audio", caller.answer.body)
        self.callee.expect_nothing(0.2)
        self.end(caller, None)
        cdr = self.expect_cdr(status=200)
        self.assertEqual([leg["codec"] for leg in cdr["legs"]], ["PCMU", "PCMU"])

    def test_ack_without_the_answer_ends_the_call(self):
        call, invite = self.invite(body="")
        self.answer(invite)
        call.answered()
        for peer in (self.caller, self.callee):
            self.assertEqual(peer.expect("BYE")["reason"], 'SIP;cause=488;text="Not Acceptable Here"')


class Modify(Flow):
    def test_hold_and_resume_from_either_side(self):
        caller, callee = self.establish()
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            invite, answer = self.reinvite(asker, other, "sendonly", "recvonly")
            self.assertEqual(invite.sdp_direction(), "sendonly")
            self.assertEqual(answer.sdp_direction(), "recvonly")
            invite, answer = self.reinvite(asker, other, "sendrecv", "sendrecv")
            self.assertEqual(invite.sdp_direction(), "sendrecv")
            self.assertEqual(answer.sdp_direction(), "sendrecv")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_descriptions_keep_their_origin_and_count_versions(self):
        call, first = self.ring()
        callee = self.answer(first)
        caller = call.answered()
        invite, _ = self.reinvite(caller, self.callee, "inactive", "inactive")
        self.assertEqual(invite.sdp_version(), first.sdp_version() + 1)
        self.assertEqual(invite.sdp_port(), first.sdp_port())
        self.end(caller, callee)

    def test_contact_of_a_reinvite_is_where_requests_go(self):
        caller, callee = self.establish()
        moved = Peer(gateway.caller_ip, 0, gateway.address)
        self.peers.append(moved)
        caller.peer = moved
        caller.send("INVITE", self.caller.sdp())
        moved.expect(200)
        caller.send("ACK")
        callee.bye()
        self.assertIn(f":{moved.port}", moved.expect("BYE").uri)

    def test_refresh_is_answered_without_the_other_side(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp())
        answer = self.caller.expect(200)
        self.assertEqual(answer.body, caller.answer.body)
        caller.send("ACK")
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)

    def test_refusal_is_passed_on_and_the_call_goes_on(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="inactive", version=2))
        self.callee.reply(self.callee.expect("INVITE"), 488)
        self.callee.expect("ACK")
        self.caller.expect(488)
        caller.send("ACK")
        self.callee.expect_nothing(0.1)
        invite, answer = self.reinvite(caller, self.callee, "inactive", "inactive")
        self.assertEqual(answer.sdp_direction(), "inactive")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_gone_dialog_ends_the_call(self):
        caller, _ = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="inactive", version=2))
        self.callee.reply(self.callee.expect("INVITE"), 481)
        self.callee.expect("ACK")
        self.caller.expect(487)
        self.caller.expect("BYE")

    def test_glare_is_491(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        invite = self.callee.expect("INVITE")
        callee.send("INVITE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        callee.send("ACK")
        self.callee.reply(invite, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.callee.expect("ACK")
        self.caller.expect(200)
        caller.send("ACK")
        self.end(caller, callee)

    def test_second_invite_of_the_same_side_is_500(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        first = self.callee.expect("INVITE")
        caller.send("INVITE", self.caller.sdp(direction="inactive", version=3))
        self.assertIsNotNone(self.caller.expect(500)["retry-after"])
        caller.send("ACK")
        self.callee.reply(first, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.callee.expect("ACK")
        self.caller.expect(200)
        caller.send("ACK", cseq=caller.cseq - 1)
        self.reinvite(callee, self.caller, "inactive", "inactive")
        self.end(caller, callee)

    def test_reinvite_without_offer_gets_one(self):
        caller, callee = self.establish()
        caller.send("INVITE")
        offer = self.caller.expect(200)
        self.assertIn("m=audio", offer.body)
        caller.send("ACK", self.caller.sdp(version=2))
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_resume_by_a_reinvite_without_offer_reaches_the_other_side(self):
        caller, callee = self.establish()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        caller.send("INVITE")
        self.assertEqual(self.caller.expect(200).sdp_direction(), "sendrecv")
        self.callee.expect_nothing(0.1)
        caller.send("ACK", self.caller.sdp(version=3))
        invite = self.callee.expect("INVITE")
        self.assertEqual(invite.sdp_direction(), "sendrecv")
        self.callee.reply(invite, 200, body=self.callee.sdp(version=3))
        self.callee.expect("ACK")
        self.reinvite(callee, self.caller, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_resume_that_the_other_side_refuses_leaves_the_call_up(self):
        caller, callee = self.establish()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        caller.send("INVITE")
        self.caller.expect(200)
        caller.send("ACK", self.caller.sdp(version=3))
        self.callee.reply(self.callee.expect("INVITE"), 491)
        self.callee.expect("ACK")
        self.reinvite(caller, self.callee, "sendrecv", "sendrecv")
        self.end(caller, callee)

    def test_reinvite_before_the_ack_is_491(self):
        call, invite = self.ring()
        callee = self.answer(invite)
        caller = call.dialog(self.caller.expect(200))
        callee.send("INVITE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        callee.send("ACK")
        caller.send("ACK")
        self.end(caller, callee)

    def test_bye_during_a_reinvite(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        self.callee.expect("INVITE")
        callee.bye()
        self.caller.expect(487)
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(ended_by="b", status=200)

    def test_cancel_of_a_reinvite(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        branch, cseq = caller.branch, caller.cseq
        invite = self.callee.expect("INVITE")
        self.callee.reply(invite, 180)
        values = (caller.call_id, caller.local, caller.remote)
        self.caller.send(self.caller.request("CANCEL", caller.target, values, cseq, branch))
        self.caller.expect(200)
        self.callee.reply(self.callee.expect("CANCEL"), 200)
        self.callee.reply(invite, 487)
        self.callee.expect("ACK")
        self.caller.expect(487)
        caller.send("ACK")
        self.end(caller, callee)
        self.expect_cdr(status=200)


class Transcoding(Flow):
    callee_port, prefix = 5061, "3"

    def test_each_side_is_offered_its_own_codecs(self):
        call, invite = self.invite()
        self.assertIn("opus/48000/2", invite.body)
        self.assertNotIn("PCMU", invite.body)
        opus = invite.sdp_formats()[0]
        body = self.callee.sdp(formats="96 101").replace("96", opus)
        self.answer(invite, body=body)
        caller = call.answered()
        self.assertEqual(caller.answer.sdp_formats()[0], "0")
        self.end(caller, None)
        cdr = self.expect_cdr(status=200)
        self.assertEqual([leg["codec"] for leg in cdr["legs"]], ["PCMU", "opus"])


class Foreign(Flow):
    callee_port, prefix = 5064, "5"

    def test_no_codec_in_common_is_488(self):
        OutgoingCall(self.caller, self.number).refused(488)
        self.callee.expect_nothing(0.1)
        self.expect_cdr(status=488)


class Failover(Flow):
    callee_port, prefix = 5062, "4"

    def setUp(self):
        super().setUp()
        self.second = self.peer(5063)

    def answer_at_second(self, call, timeout):
        invite = self.second.expect("INVITE", timeout)
        self.second.reply(invite, 200, "b2", self.second.sdp())
        self.second.expect("ACK")
        caller = call.answered()
        caller.bye()
        self.second.reply(self.second.expect("BYE"), 200)
        self.expect_cdr(status=200)

    def test_next_peer_on_503(self):
        call, invite = self.invite()
        self.callee.reply(invite, 503, "b1")
        self.callee.expect("ACK")
        self.answer_at_second(call, 2)

    def test_next_peer_on_silence_and_a_late_answer_is_ended(self):
        call, invite = self.invite()
        self.answer_at_second(call, 6)
        self.callee.drain()
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.callee.expect("ACK", repeated=True)
        self.callee.expect("BYE")

    def test_last_refusal_is_passed_on(self):
        call, invite = self.invite()
        self.callee.reply(invite, 503, "b1")
        self.callee.expect("ACK")
        self.second.reply(self.second.expect("INVITE"), 503, "b2")
        self.second.expect("ACK")
        self.assertIsNone(call.refused(503)["retry-after"])
        self.expect_cdr(status=503, far_status=503)

    def test_busy_is_not_retried(self):
        call, invite = self.invite()
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)
        self.second.expect_nothing(0.2)


class OutsideOfCalls(Flow):
    def request(self, method, to="<sip:x@y>", extra=(), cseq=1, uri=None):
        self.caller.send(self.caller.request(
            method, uri or f"sip:{gateway.ip}", (str(random.random()), "<sip:a@b>;tag=1", to), cseq,
            extra=extra))

    def test_options_is_answered(self):
        self.request("OPTIONS")
        response = self.caller.expect(200)
        self.assertIn("INVITE", response["allow"])
        self.assertEqual(response["accept"], "application/sdp, multipart/mixed")

    def test_methods_that_we_do_not_have(self):
        for method, status in (("REGISTER", 405), ("MESSAGE", 405),
                               ("NONSENSE", 501)):
            self.request(method)
            self.assertIn("INVITE", self.caller.expect(status)["allow"])

    def test_unknown_dialogs_are_481(self):
        for method in ("BYE", "INVITE", "UPDATE", "PRACK"):
            self.request(method, to="<sip:x@y>;tag=nobody")
            self.caller.expect(481)

    def test_unsupported_extension_is_420(self):
        call = OutgoingCall(self.caller, self.number, extra=["Require: 100rel, teleport"])
        response = call.refused(420)
        self.assertEqual(response["unsupported"], "teleport")

    def test_no_forwards_left_is_483(self):
        OutgoingCall(self.caller, self.number, extra=["Max-Forwards: 0"]).refused(483)

    def test_other_bodies_are_415(self):
        call = OutgoingCall(self.caller, self.number, body="")
        self.callee.expect("INVITE")
        call.cancel()
        self.caller.drain()
        text = call.text.replace("Content-Length: 0\r\n\r\n",
                                 "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")
        self.caller.send(text.replace(call.branch, call.branch + "x").replace(
            call.call_id, "other" + call.call_id))
        self.caller.expect(415)

    def test_description_that_is_none_is_400(self):
        OutgoingCall(self.caller, self.number, body="this is no description\r\n").refused(400)

    def test_strangers_hear_nothing(self):
        stranger = Peer(gateway.stranger_ip, 5060, gateway.address)
        self.peers.append(stranger)
        OutgoingCall(stranger, self.number)
        stranger.expect_nothing(0.4)
        self.callee.expect_nothing(0.1)
        self.assertTrue("event=unknown_source" in gateway.log("control"), "nothing was logged")

    def test_garbage_is_survived(self):
        with capture.paused():
            self.throw_garbage(random.Random(1))
        self.dial_next()
        self.end(*self.establish())

    def throw_garbage(self, generator):
        whole = OutgoingCall(self.caller, self.number).text
        invite = self.callee.expect("INVITE")
        for _ in range(300):
            data = bytearray(whole.encode())
            for _ in range(generator.randrange(1, 20)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            self.caller.socket.sendto(bytes(data[:generator.randrange(len(data))]), gateway.address)
            self.caller.socket.sendto(generator.randbytes(generator.randrange(200)),
                                      gateway.address)
        self.callee.reply(invite, 486, "b1")
        time.sleep(0.3)
        self.caller.drain()
        self.callee.drain()


class Restart(Flow):
    def test_control_is_killed_and_everything_still_works(self):
        caller, callee = self.establish()
        gateway.crash_control()
        gateway.start_control()
        self.assertTrue("event=recovered" in gateway.log("control"), "nothing was recovered")
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            invite, answer = self.reinvite(asker, other, "sendonly", "recvonly")
            self.assertEqual(answer.sdp_direction(), "recvonly")
            self.assertGreater(invite.cseq, 1)
            self.reinvite(asker, other, "sendrecv", "sendrecv")
        self.end(caller, callee)
        cdr = self.expect_cdr(status=200, recovered=True, ended_by="a")
        self.assertIsNotNone(cdr["ringing"])

    def test_control_is_killed_in_the_turn_in_which_it_answers(self):
        """The call's record is with the dataplane before the caller has its answer."""
        for _ in range(5):
            call, invite = self.ring()
            self.callee.reply(invite, 200, "b1", self.callee.sdp())
            answer = self.caller.expect(200)
            gateway.kill("control")
            self.callee.drain()
            gateway.start_control()
            caller = call.dialog(answer)
            caller.send("ACK")
            self.end(caller, None)
            self.expect_cdr(status=200, recovered=True)
            self.dial_next()

    def test_control_is_killed_twice_on_hold(self):
        caller, callee = self.establish()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        for _ in range(2):
            gateway.crash_control()
            gateway.start_control()
        invite, _ = self.reinvite(caller, self.callee, "sendrecv", "sendrecv")
        self.assertEqual(invite.sdp_direction(), "sendrecv")
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, recovered=True, ended_by="b")

    def test_bye_while_control_is_away_is_taken_after_it_is_back(self):
        caller, _ = self.establish()
        gateway.crash_control()
        caller.send("BYE")
        gateway.start_control()
        self.caller.send(self.caller.log[-1][2])  # as a transaction would
        self.caller.expect(200)
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_cdr(status=200)

    def test_unanswered_call_is_cleaned_up_after_a_kill(self):
        self.ring()
        gateway.crash_control()
        gateway.start_control()
        self.assertTrue("event=not_recovered" in gateway.log("control"), "nothing was deleted")
        self.dial_next()
        self.caller.drain()
        self.callee.drain()
        self.end(*self.establish())

    def test_planned_stop_keeps_answered_calls_and_ends_others(self):
        caller, callee = self.establish()
        held = self.number
        self.dial_next()
        call, _ = self.ring()
        self.assertEqual(gateway.kill("control", signal.SIGTERM), 0)
        call.refused(503)
        self.callee.expect("CANCEL")
        gateway.start_control()
        self.number = held
        self.callee.drain()
        self.end(caller, callee)
        self.expect_cdr(status=200, recovered=True)

    def test_dataplane_is_killed_and_gets_its_sessions_back(self):
        caller, callee = self.establish()
        port = caller.answer.sdp_port()
        gateway.kill("dataplane")
        gateway.wait(lambda: "event=dataplane_away" in gateway.log("control"), "the loss")
        other = OutgoingCall(self.caller, f"2{next(numbers)}")
        self.assertIsNotNone(other.refused(503)["retry-after"])
        gateway.start_dataplane()
        self.assertTrue(re.search("restored=[1-9]", gateway.log("control")), "nothing was restored")
        _, answer = self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.assertEqual(answer.sdp_port(), port)
        self.end(caller, callee)
        cdr = self.expect_cdr(status=200)
        self.assertIn("rx_packets", cdr["legs"][0])

    def test_call_ended_while_the_dataplane_is_away(self):
        caller, callee = self.establish()
        gateway.kill("dataplane")
        gateway.wait(lambda: "event=dataplane_away" in gateway.log("control"), "the loss")
        self.end(caller, callee)
        self.expect_cdr(status=200)
        gateway.start_dataplane()


    def test_dataplane_that_hangs_is_noticed_and_found_again(self):
        caller, callee = self.establish()
        with gateway.dataplane_paused():
            lost = self.number
            self.dial_next()
            call = OutgoingCall(self.caller, self.number)
            call.refused(503, 8)  # no ports within the time for that
            self.number = lost
            gateway.wait(lambda: "no answer" in gateway.log("control"), "the watchdog", 10)
            before = gateway.log("control").count("event=dataplane_up")
        gateway.wait(lambda: gateway.log("control").count("event=dataplane_up") > before, "contact")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_call_whose_record_is_written_is_not_recovered(self):
        """A crash between writing the CDR and deleting the session."""
        self.establish()
        call = next(call for call in gateway.ctl("calls") if call["to"] == self.number)
        gateway.crash_control()
        with open(gateway.path("cdr.json"), "a") as file:
            file.write(json.dumps({"call": call["call"], "to": self.number}) + "\n")
        gateway.start_control()
        self.assertNotIn(call["call"], [call["call"] for call in gateway.ctl("calls")])
        self.assertNotIn(call["call"], [session["session"] for session in gateway.ctl("sessions")])
        gateway.cdr_of(self.number)


class Admin(Flow):
    def call_now(self):
        return next((call for call in gateway.ctl("calls") if call["to"] == self.number), None)

    def test_call_is_shown_and_ended(self):
        caller, _ = self.establish()
        shown = gateway.ctl("call", self.call_now()["call"])
        self.assertEqual(shown["state"], "up")
        self.assertEqual([leg["trunk"] for leg in shown["legs"]], ["caller", "callee"])
        self.assertTrue(shown["legs"][0]["media_local"].endswith(f":{caller.answer.sdp_port()}"))
        gateway.ctl("hangup", shown["call"])
        for peer in (self.caller, self.callee):
            peer.reply(peer.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="sluice", why="hangup")
        self.assertIsNone(self.call_now())

    def test_ringing_call_is_ended(self):
        call, _ = self.ring()
        gateway.ctl("hangup", self.call_now()["call"])
        call.refused(480)
        self.callee.expect("CANCEL")
        self.expect_cdr(status=480, ended_by="sluice")

    def test_nothing_is_left_in_the_dataplane(self):
        """Of all calls so far: they are over."""
        self.end(*self.establish())
        gateway.wait(lambda: len(gateway.ctl("sessions")) == len(gateway.ctl("calls")), "deletion")


class MediaTimeout(unittest.TestCase):
    """No media comes in these tests; here that ends a call, also one that was recovered."""

    def test_call_without_media_ends(self):
        other = Gateway(build, 1, media_start_s=2)
        caller, callee = Peer(other.caller_ip, 0, other.address), Peer(other.callee_ip, 5060,
                                                                       other.address)
        try:
            other.start()
            call = OutgoingCall(caller, "2000")
            invite = callee.expect("INVITE")
            callee.reply(invite, 200, "b1", callee.sdp())
            callee.expect("ACK")
            call.answered()
            other.crash_control()
            other.start_control()
            caller.expect("BYE", 5)
            callee.expect("BYE")
            cdr = other.cdr_of("2000")
            self.assertEqual((cdr["status"], cdr["recovered"]), (408, True))
            self.assertTrue(cdr["why"].startswith("no_media_"))
        finally:
            other.stop(keep=False)
            caller.close()
            callee.close()


class OverConnection:
    """What holds for a caller on TCP and on TLS, which replaces `caller` in its setUp()."""

    def our_via(self):
        """How our requests to the caller begin theirs."""
        raise NotImplementedError

    def test_callee_hangs_up_over_the_callers_connection(self):
        _, callee = self.establish()
        callee.bye()
        bye = self.caller.expect("BYE")
        self.assertIn(self.our_via(), bye["via"])
        self.caller.reply(bye, 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_bye_opens_a_connection_where_the_callers_is_gone(self):
        _, callee = self.establish()
        self.caller.disconnect()
        time.sleep(0.1)
        callee.bye()
        self.caller.accept()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_call_survives_control_without_its_connection(self):
        _, callee = self.establish()
        gateway.crash_control()
        self.caller.disconnect()
        gateway.start_control()
        callee.bye()
        self.caller.accept()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b", recovered=True)


class Tcp(OverConnection, Flow):
    """A caller on TCP, a callee on UDP."""

    def our_via(self):
        return "SIP/2.0/TCP"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = TcpPeer(gateway.caller_ip, 0, gateway.address)
        self.peers[0] = self.caller

    def test_caller_on_tcp_hangs_up(self):
        call, invite = self.ring()
        self.assertIn("SIP/2.0/UDP", invite["via"])
        self.assertNotIn("transport=tcp", invite["contact"])
        callee = self.answer(invite)
        caller = call.answered()
        self.assertIn(";transport=tcp>", caller.answer["contact"])
        self.assertIn("SIP/2.0/TCP", caller.answer["via"])
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_call_goes_on_over_the_callers_next_connection(self):
        caller, callee = self.establish()
        self.caller.connect()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_contact_on_another_host_is_where_the_next_request_goes(self):
        caller, callee = self.establish()
        other = TcpPeer(gateway.callee_ip, 0, gateway.address)
        self.peers.append(other)
        self.caller.contact = other.contact
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        callee.bye()
        other.accept()
        other.reply(other.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_answer_and_cancel_cross_the_transports(self):
        call, invite = self.ring()
        call.cancel()
        cancel = self.callee.expect("CANCEL")
        self.callee.reply(cancel, 200)
        self.callee.reply(invite, 487, "b1")
        self.callee.expect("ACK")
        call.refused(487)
        self.expect_cdr(status=487, ended_by="a")


class TcpCallee(Flow):
    """A caller on UDP, a callee on TCP."""

    callee_port, prefix = 5066, "7"

    def setUp(self):
        super().setUp()
        self.callee.close()
        self.callee = TcpPeer(gateway.callee_ip, self.callee_port, gateway.address, self.numbers)
        self.peers[1] = self.callee

    def invite(self, *args, **kwargs):
        call = OutgoingCall(self.caller, self.number, *args, **kwargs)
        self.callee.accept()
        return call, self.callee.expect("INVITE")

    def test_callee_on_tcp_is_called_and_hangs_up(self):
        call, invite = self.ring()
        self.assertIn("SIP/2.0/TCP", invite["via"])
        self.assertIn(";transport=tcp>", invite["contact"])
        callee = self.answer(invite)
        call.answered()
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_callee_that_does_not_listen_is_503_at_once(self):
        self.callee.close()
        OutgoingCall(self.caller, self.number).refused(503)
        self.expect_cdr(status=503)


class TooLargeForUdp(Flow):
    """An INVITE of more than 1300 bytes to a callee on UDP (RFC 3261 18.1.1)."""

    large = ["User-to-User: " + "56" * 500 + ";encoding=hex"]

    def test_large_invite_takes_tcp_and_its_call_udp(self):
        tcp = TcpPeer(gateway.callee_ip, self.callee_port, gateway.address, self.numbers)
        self.peers.append(tcp)
        call = OutgoingCall(self.caller, self.number, extra=self.large)
        tcp.accept()
        invite = tcp.expect("INVITE")
        self.assertGreater(len(invite.text), 1300)
        self.assertIn("SIP/2.0/TCP", invite["via"])
        tcp.reply(invite, 200, "b1", tcp.sdp())
        self.callee.calls |= tcp.calls
        self.callee.expect("ACK")
        self.end(call.answered(), None)
        self.expect_cdr(status=200, ended_by="a")

    def test_large_invite_returns_to_udp_where_tcp_is_refused(self):
        call, invite = self.invite(extra=self.large)
        self.assertGreater(len(invite.text), 1300)
        self.assertIn("SIP/2.0/UDP", invite["via"])
        callee = self.answer(invite)
        self.end(call.answered(), callee)
        self.expect_cdr(status=200, ended_by="a")


class Patience(Flow):
    """What takes 64*T1 has a trunk of its own."""

    callee_port, prefix = 5065, "6"

    def test_ack_that_never_comes_ends_both_sides(self):
        _, invite = self.ring()
        self.answer(invite)
        self.caller.expect(200)
        self.caller.expect("BYE", 40)
        self.callee.expect("BYE")
        self.assertEqual(self.expect_cdr(status=408)["why"], "no_ack_a")


def wanted(suite, parts):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from wanted(test, parts)
        elif not parts or any(part in test.id() for part in parts):
            yield test


def run(module):
    global build, failed
    build, failed = sys.argv[1], []
    capture.start(build, os.path.basename(sys.argv[0]).removesuffix(".py"))
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    chosen = unittest.TestSuite(wanted(tests, sys.argv[2:]))

    class Result(unittest.TextTestResult):
        def addFailure(self, test, err):
            failed.append(test)
            super().addFailure(test, err)

        def addError(self, test, err):
            failed.append(test)
            super().addError(test, err)

    outcome = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(chosen)
    return 0 if outcome.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(run(sys.modules["__main__"]))
