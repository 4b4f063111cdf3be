#!/usr/bin/python3
"""Call flows of established calls in time: session timers on either side (RFC 4028), UPDATE, glare.

usage: flows_timer.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with a gateway that has more trunks. The far ends ask for less than the 90 s that RFC
4028 allows where that saves a test its time: the gateway believes them.
"""
import sys
import time

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog

tearDownModule = flows.tearDownModule
TIMER = ["Supported: timer"]
UPDATE = ["Allow: INVITE, ACK, BYE, CANCEL, UPDATE"]
TRUNKS = {5080: ("us", "session_timer: {expires: 600, min: 300, refresher: us}", "80"),
          5081: ("off", "session_timer: {expires: 0}", "81"),
          5082: ("peer", "session_timer: {refresher: peer}", "82")}


def setUpModule():
    gateway = Gateway(flows.build, 9)
    for port, (name, policy, prefix) in TRUNKS.items():
        for side, host in (("caller", gateway.caller_ip), ("callee", gateway.callee_ip)):
            gateway.trunks += f"""\
  - name: {side}-{name}
    realm: lo
    peers: [{{address: {host}, port: {port}}}]
    codecs: [PCMU]
    {policy}
"""
        gateway.routes += f'  - {{prefix: "{prefix}", trunk: callee-{name}}}\n'
    flows.start(gateway)


class Timed(Flow):
    def call_from(self, port, *args, **kwargs):
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, port, flows.gateway.address)
        return OutgoingCall(self.caller, self.number, *args, **kwargs)

    def up(self, extra=(), answer_extra=()):
        """A call with these headers of the caller's INVITE and the callee's 200."""
        call, invite = self.invite(extra=extra)
        callee = self.answer(invite, extra=answer_extra)
        return call.answered(), callee

    def expect_refresh(self, peer, method, seconds):
        begin = time.time()
        request = peer.expect(method, seconds + 2)
        self.assertAlmostEqual(time.time() - begin, seconds, delta=1)
        return request


class Granted(Timed):
    """What a caller gets, and what a callee is asked."""

    def granted(self, extra, port=None):
        call = self.call_from(port, extra=extra) if port else OutgoingCall(
            self.caller, self.number, extra=extra)
        invite = self.callee.expect("INVITE")
        callee = self.answer(invite)
        caller = call.answered()
        self.end(caller, callee)
        self.dial_next()
        return caller.answer

    def test_callers_get_what_rfc_4028_says(self):
        answer = self.granted([])
        self.assertEqual(answer["session-expires"], "1800;refresher=uas")
        self.assertIsNone(answer["require"])
        answer = self.granted(TIMER)
        self.assertEqual(answer["session-expires"], "1800;refresher=uac")
        self.assertEqual(answer["require"], "timer")
        answer = self.granted([*TIMER, "Session-Expires: 900;refresher=uas"])
        self.assertEqual(answer["session-expires"], "900;refresher=uas")
        answer = self.granted(["k: timer", "x: 7200", "Min-SE: 3600"])
        self.assertEqual(answer["session-expires"], "3600;refresher=uac")
        answer = self.granted(TIMER, 5080)
        self.assertEqual(answer["session-expires"], "600;refresher=uas")
        answer = self.granted(TIMER, 5081)
        self.assertIsNone(answer["session-expires"])
        answer = self.granted([*TIMER, "Session-Expires: 700"], 5081)
        self.assertEqual(answer["session-expires"], "700;refresher=uac")

    def test_interval_too_small_is_422_with_the_least(self):
        call = self.call_from(5080, extra=[*TIMER, "Session-Expires: 299"])
        self.assertEqual(call.refused(422)["min-se"], "300")
        self.callee.expect_nothing(0.1)
        self.dial_next()
        call = self.call_from(5080, extra=[*TIMER, "Session-Expires: 300"])
        callee = self.answer(self.callee.expect("INVITE"))
        caller = call.answered()
        for method in ("UPDATE", "INVITE"):
            caller.send(method, "", [*TIMER, "Session-Expires: 90"])
            self.assertEqual(self.caller.expect(422)["min-se"], "300")
            if method == "INVITE":
                caller.send("ACK")
        self.end(caller, callee)

    def test_callee_is_asked_by_the_trunk_and_422_is_tried_again(self):
        call, invite = self.invite()
        self.assertEqual(invite["session-expires"], "1800")
        self.assertIn("timer", invite["supported"])
        self.assertIsNone(invite["min-se"])
        self.callee.reply(invite, 422, "b1", extra=["Min-SE: 3600"])
        self.callee.expect("ACK")
        again = self.callee.expect("INVITE")
        self.assertEqual(again["session-expires"], "3600")
        self.assertEqual(again["min-se"], "3600")
        self.assertEqual((again["call-id"], again.cseq), (invite["call-id"], 2))
        self.assertEqual(again.body, invite.body)
        callee = self.answer(again)
        self.end(call.answered(), callee)
        self.expect_cdr(status=200)

    def test_422_without_end_is_given_up(self):
        call, invite = self.invite()
        for i in range(4):
            self.callee.reply(invite, 422, "b1", extra=[f"Min-SE: {2000 + i}"])
            self.callee.expect("ACK")
            if i < 3:
                invite = self.callee.expect("INVITE")
        call.refused(500)

    def test_422_that_says_nothing_new_is_passed_on(self):
        for extra in ([], ["Min-SE: 99999999"]):
            call, invite = self.invite()
            self.callee.reply(invite, 422, "b1", extra=extra)
            self.callee.expect("ACK")
            call.refused(500)
            self.dial_next()


class Off(Timed):
    callee_port, prefix = 5081, "81"

    def test_callee_of_a_trunk_without_timers_is_asked_for_none(self):
        call, invite = self.invite()
        self.assertIsNone(invite["session-expires"])
        callee = self.answer(invite, extra=["Session-Expires: 90;refresher=uac"])
        self.end(call.answered(), callee)


class PeerRefreshes(Timed):
    callee_port, prefix = 5082, "82"

    def test_callee_is_asked_to_refresh(self):
        call, invite = self.invite()
        self.assertEqual(invite["session-expires"], "1800;refresher=uas")
        call.cancel()


class UsRefreshes(Timed):
    callee_port, prefix = 5080, "80"

    def test_callee_is_told_that_we_refresh_and_what_we_accept(self):
        call, invite = self.invite()
        self.assertEqual(invite["session-expires"], "600;refresher=uac")
        self.assertEqual(invite["min-se"], "300")
        call.cancel()


class Refresh(Timed):
    def test_callee_is_refreshed_by_update_at_half_of_its_interval(self):
        caller, callee = self.up(answer_extra=[*UPDATE, "Session-Expires: 10;refresher=uac"])
        for _ in range(2):
            update = self.expect_refresh(self.callee, "UPDATE", 5)
            self.assertEqual(update["session-expires"], "10;refresher=uac")
            self.assertEqual(update.body, "")
            self.callee.reply(update, 200, extra=["Session-Expires: 10;refresher=uac"])
        self.caller.expect_nothing(0.1)  # its own timer is another
        self.end(caller, callee)

    def test_callee_without_update_is_refreshed_by_a_reinvite_that_changes_nothing(self):
        call, invite = self.invite()
        callee = self.answer(invite, extra=["Allow: INVITE, ACK, BYE",
                                            "Session-Expires: 10;refresher=uac"])
        caller = call.answered()
        again = self.expect_refresh(self.callee, "INVITE", 5)
        self.assertEqual(again.body, invite.body)
        self.assertEqual(again["session-expires"], "10;refresher=uac")
        self.callee.reply(again, 200, body=self.callee.sdp(),
                          extra=["Session-Expires: 10;refresher=uac"])
        self.callee.expect("ACK")
        self.caller.expect_nothing(0.1)
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_caller_is_refreshed_where_a_proxy_wants_it(self):
        """A caller that knows no timers cannot refresh."""
        caller, callee = self.up(extra=["Session-Expires: 10", *UPDATE])
        self.assertEqual(caller.answer["session-expires"], "10;refresher=uas")
        update = self.expect_refresh(self.caller, "UPDATE", 5)
        self.caller.reply(update, 200)
        self.end(caller, callee)

    def test_callee_that_does_not_refresh_ends_the_call(self):
        caller, callee = self.up(answer_extra=["Session-Expires: 12;refresher=uas"])
        begin = time.time()
        self.caller.expect("BYE", 12)  # a third of the interval before its end
        self.callee.expect("BYE")
        self.assertAlmostEqual(time.time() - begin, 8, delta=1)
        self.assertEqual(self.expect_cdr(status=408, ended_by="sluice")["why"], "session_expired")

    def test_refresh_of_the_callee_keeps_the_call(self):
        for method, body in (("UPDATE", ""), ("INVITE", self.callee.sdp())):
            caller, callee = self.up(answer_extra=["Session-Expires: 12;refresher=uas"])
            time.sleep(5)
            callee.send(method, body, [*TIMER, "Session-Expires: 90;refresher=uac"])
            answer = self.callee.expect(200)
            self.assertEqual(answer["session-expires"], "90;refresher=uac")
            self.assertEqual(answer["require"], "timer")
            if method == "INVITE":
                callee.send("ACK")
            self.caller.expect_nothing(4)
            self.end(caller, callee)
            self.dial_next()

    def test_refresh_that_finds_no_dialog_ends_the_call(self):
        caller, callee = self.up(answer_extra=[*UPDATE, "Session-Expires: 10;refresher=uac"])
        self.callee.reply(self.expect_refresh(self.callee, "UPDATE", 5), 481)
        self.caller.expect("BYE")
        self.assertEqual(self.expect_cdr()["why"], "session_gone")

    def test_refresh_in_glare_is_tried_again_after_the_wait_of_who_made_the_call_id(self):
        caller, callee = self.up(answer_extra=[*UPDATE, "Session-Expires: 26;refresher=uac"])
        update = self.expect_refresh(self.callee, "UPDATE", 13)
        begin = time.time()
        self.callee.reply(update, 491)
        self.callee.reply(self.callee.expect("UPDATE", 5), 200,
                          extra=["Session-Expires: 26;refresher=uac"])
        self.assertTrue(2 <= time.time() - begin <= 4.3)  # ours: 2.1 to 4 s
        self.end(caller, callee)

    def test_refresh_in_glare_of_a_call_id_of_theirs_waits_less(self):
        caller, callee = self.up(extra=["Session-Expires: 10", *UPDATE])
        update = self.expect_refresh(self.caller, "UPDATE", 5)
        begin = time.time()
        self.caller.reply(update, 491)
        self.caller.reply(self.caller.expect("UPDATE", 5), 200)
        self.assertLess(time.time() - begin, 2.3)  # theirs: up to 2 s
        self.end(caller, callee)

    def test_refresh_of_a_far_end_that_takes_no_update_after_all_goes_on_by_reinvite(self):
        caller, callee = self.up(answer_extra=[*UPDATE, "Session-Expires: 20;refresher=uac"])
        update = self.expect_refresh(self.callee, "UPDATE", 10)
        self.callee.reply(update, 501)
        again = self.callee.expect("INVITE", 4)
        self.callee.reply(again, 200, body=self.callee.sdp())
        self.callee.expect("ACK")
        self.end(caller, callee)

    def test_refresh_by_reinvite_that_is_422_asks_for_more(self):
        caller, callee = self.up(answer_extra=["Session-Expires: 10;refresher=uac"])
        again = self.expect_refresh(self.callee, "INVITE", 5)
        self.callee.reply(again, 422, extra=["Min-SE: 100"])
        self.callee.expect("ACK")
        again = self.callee.expect("INVITE")
        self.assertEqual(again["session-expires"], "100;refresher=uac")
        self.assertEqual(again["min-se"], "100")
        self.callee.reply(again, 200, body=self.callee.sdp())
        self.callee.expect("ACK")
        self.end(caller, callee)

    def test_reinvite_of_ours_and_theirs_at_once_is_491(self):
        caller, callee = self.up(answer_extra=["Session-Expires: 10;refresher=uac"])
        ours = self.expect_refresh(self.callee, "INVITE", 5)
        callee.send("INVITE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        callee.send("ACK")
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        self.caller.expect(491)
        self.callee.reply(ours, 200, body=self.callee.sdp())
        self.callee.expect("ACK")
        self.end(caller, callee)

    def test_timer_survives_a_crash_of_control(self):
        caller, callee = self.up(answer_extra=[*UPDATE, "Session-Expires: 10;refresher=uac"])
        flows.gateway.crash_control()
        flows.gateway.start_control()
        update = self.expect_refresh(self.callee, "UPDATE", 5)
        self.callee.reply(update, 200, extra=["Session-Expires: 10;refresher=uac"])
        self.end(caller, callee)
        self.expect_cdr(status=200, recovered=True)


class Update(Timed):
    def test_update_is_passed_on_by_update_where_the_other_side_has_it(self):
        caller, callee = self.up(extra=UPDATE, answer_extra=UPDATE)
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            asker.send("UPDATE", asker.peer.sdp(direction="sendonly", version=2))
            update = other.expect("UPDATE")
            self.assertEqual(update.sdp_direction(), "sendonly")
            other.reply(update, 200, body=other.sdp(direction="recvonly", version=2))
            self.assertEqual(asker.peer.expect(200).sdp_direction(), "recvonly")
            self.reinvite(asker, other, "sendrecv", "sendrecv")
        self.end(caller, callee)

    def test_update_is_passed_on_by_reinvite_where_the_other_side_has_none(self):
        caller, callee = self.up()
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        invite = self.callee.expect("INVITE")
        self.assertEqual(invite.sdp_direction(), "sendonly")
        self.callee.reply(invite, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.callee.expect("ACK")
        answer = self.caller.expect(200)
        self.assertEqual((answer.method, answer.sdp_direction()), ("UPDATE", "recvonly"))
        self.end(caller, callee)

    def test_refused_update_changes_nothing(self):
        caller, callee = self.up(answer_extra=UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="inactive", version=2))
        self.callee.reply(self.callee.expect("UPDATE"), 488)
        self.caller.expect(488)
        _, answer = self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.assertEqual(answer.sdp_direction(), "recvonly")
        self.end(caller, callee)

    def test_glare_of_updates_is_491_and_two_of_one_side_500(self):
        caller, callee = self.up(answer_extra=UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        update = self.callee.expect("UPDATE")
        callee.send("UPDATE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        for body in (self.caller.sdp(direction="inactive", version=3), ""):
            caller.send("UPDATE", body)
            self.assertIsNotNone(self.caller.expect(500)["retry-after"])
        self.callee.reply(update, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.caller.expect(200)
        self.end(caller, callee)

    def test_update_that_crosses_a_reinvite_is_491(self):
        """RFC 5407 3.3.2."""
        caller, callee = self.up(answer_extra=UPDATE)
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        invite = self.callee.expect("INVITE")
        callee.send("UPDATE", self.callee.sdp(direction="sendonly", version=2))
        self.callee.expect(491)
        self.callee.reply(invite, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.callee.expect("ACK")
        self.caller.expect(200)
        caller.send("ACK")
        self.end(caller, callee)

    def test_update_without_offer_moves_the_target_and_touches_nobody_else(self):
        caller, callee = self.up()
        moved = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(moved)
        caller.peer = moved
        caller.send("UPDATE")
        moved.expect(200)
        self.callee.expect_nothing(0.1)
        callee.bye()
        self.assertIn(f":{moved.port}", moved.expect("BYE").uri)

    def test_bye_during_an_update(self):
        caller, callee = self.up(answer_extra=UPDATE)
        caller.send("UPDATE", self.caller.sdp(direction="sendonly", version=2))
        self.callee.expect("UPDATE")
        callee.bye()
        self.assertEqual(self.caller.expect(487).method, "UPDATE")
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(ended_by="b", status=200)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
