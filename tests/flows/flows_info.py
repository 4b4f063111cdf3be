#!/usr/bin/python3
"""INFO in a call: digits in all forms that need no media, and bodies that go from end to end.

usage: flows_info.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import sys

import flows
from flows import Flow
from gateway import Gateway

EVENTS, NO_EVENTS = "0 101", "0"
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 6)
    for number, port, dtmf in (("82", 5070, "info"), ("83", 5071, "inband"), ("84", 5072, "none"),
                               ("85", 5073, "rfc4733")):
        gateway.trunks += f"""\
  - name: {dtmf}
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: {port}}}]
    codecs: [PCMU]
    dtmf: {dtmf}
"""
        gateway.routes += f'  - {{prefix: "{number}", trunk: {dtmf}}}\n'
    flows.start(gateway)


def relay_body(signal, duration=160):
    return f"Signal={signal}\r\nDuration={duration}\r\n"


class Info(Flow):
    """The callee's trunk takes digits as it can: `dtmf: auto`."""

    def up(self, caller_formats=EVENTS, callee_formats=EVENTS):
        call, invite = self.invite(body=self.caller.sdp(formats=caller_formats))
        callee = self.answer(invite, self.callee.sdp(formats=callee_formats))
        return call.answered(), callee

    def info(self, asker, body, content_type="application/dtmf-relay", extra=()):
        asker.send("INFO", body, [f"Content-Type: {content_type}", *extra])

    def passed_on(self, asker, other, body, content_type="application/dtmf-relay"):
        """The INFO reaches the other end as it is, which answers it."""
        self.info(asker, body, content_type)
        info = other.expect("INFO")
        self.assertEqual(info["content-type"], content_type)
        self.assertEqual(info.body, body)
        other.reply(info, 200)
        asker.peer.expect(200)
        return info

    def counter(self, name):
        return flows.gateway.ctl("counters")[f"call.{name}"]


class EndToEnd(Info):
    def test_body_and_type_come_through_unharmed_both_ways(self):
        caller, callee = self.up()
        body = "<?xml version=\"1.0\"?>\r\n<media_control>\u00fc\t  \r\n\r\n--x</media_control>"
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            info = self.passed_on(asker, other, body, 'application/media_control+xml; charset="utf-8"')
            self.assertNotIn(asker.peer.ip, info.text)
        self.end(caller, callee)

    def test_answer_comes_back_with_its_body(self):
        caller, callee = self.up()
        self.info(caller, "x", "application/x-question", ["Info-Package: survey",
                                                          "Content-Disposition: Info-Package"])
        info = self.callee.expect("INFO")
        self.assertEqual(info["info-package"], "survey")
        self.assertEqual(info["content-disposition"], "Info-Package")
        self.callee.reply(info, 200, body="yes", extra=["Content-Type: application/x-answer"])
        answer = self.caller.expect(200)
        self.assertEqual((answer["content-type"], answer.body), ("application/x-answer", "yes"))
        self.end(caller, callee)

    def test_refusals_come_back(self):
        caller, callee = self.up()
        for theirs, ours, extra in ((415, 415, ["Accept: application/x-b"]),
                                    (469, 469, ["Recv-Info: b"]), (486, 486, []), (405, 500, [])):
            self.info(caller, "x", "application/x-question")
            self.callee.reply(self.callee.expect("INFO"), theirs, extra=extra)
            answer = self.caller.expect(ours)
            self.assertEqual(answer["accept"], "application/x-b" if theirs == 415 else None)
            self.assertEqual(answer["recv-info"], "b" if theirs == 469 else None)
        self.end(caller, callee)

    def test_empty_info_is_passed_on(self):
        caller, callee = self.up()
        caller.send("INFO")
        self.callee.reply(self.callee.expect("INFO"), 200)
        self.caller.expect(200)
        self.end(caller, callee)

    def test_several_at_once_are_told_apart(self):
        caller, callee = self.up()
        for body in ("1", "2"):
            self.info(caller, body, "application/x-question")
        first, second = self.callee.expect("INFO"), self.callee.expect("INFO")
        self.assertEqual((first.body, second.body), ("1", "2"))
        self.callee.reply(second, 486)
        self.assertEqual(self.caller.expect(486).cseq, caller.cseq)
        self.callee.reply(first, 200)
        self.assertEqual(self.caller.expect(200).cseq, caller.cseq - 1)
        self.end(caller, callee)

    def test_481_ends_the_call(self):
        caller, callee = self.up()
        self.info(caller, "x", "application/x-question")
        self.callee.reply(self.callee.expect("INFO"), 481)
        self.caller.expect(500)
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.assertEqual(self.expect_cdr(status=481)["why"], "dialog_gone")

    def test_info_that_the_end_of_the_call_overtakes_is_answered(self):
        caller, callee = self.up()
        self.info(caller, "x", "application/x-question")
        info = self.callee.expect("INFO")
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.callee.reply(info, 487)
        self.caller.expect(487)

    def test_info_before_there_is_another_side_is_refused(self):
        call, invite = self.invite()
        self.callee.reply(invite, 180, "b1")
        caller = call.dialog(self.caller.expect(180))
        self.passed_on(caller, self.callee, "x", "application/x-early")
        self.answer(invite)
        self.end(call.answered(), None)

    def test_candidates_are_not_passed_on(self):
        caller, callee = self.up()
        self.info(caller, "a=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\n",
                  "application/trickle-ice-sdpfrag", ["Info-Package: trickle-ice"])
        self.caller.expect(469)
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)


class Digits(Info):
    def test_digit_of_one_with_events_counts_once(self):
        caller, callee = self.up()
        self.info(caller, relay_body("5"))
        self.caller.expect(200)
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)

    def test_digit_goes_as_info_where_neither_has_events(self):
        caller, callee = self.up(NO_EVENTS, NO_EVENTS)
        self.passed_on(caller, self.callee, relay_body("5"))
        self.passed_on(callee, self.caller, "#", "application/dtmf")
        self.end(caller, callee)

    def test_malformed_digits_are_400(self):
        caller, callee = self.up(NO_EVENTS, NO_EVENTS)
        for body in ("Duration=160\r\n", relay_body("E"), relay_body("17"), relay_body(""),
                     "Signal=1\r\nSignal=2\r\n", "\x00", "Signal"):
            self.info(caller, body)
            self.caller.expect(400)
        for body in ("55", "E", "\r\n"):
            self.info(caller, body, "application/dtmf")
            self.caller.expect(400)
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)

    def test_digit_for_one_with_events_is_media(self):
        caller, callee = self.up(NO_EVENTS, EVENTS)
        before = self.counter("digits_by_info")
        self.info(caller, relay_body("5"))
        self.caller.expect(200)
        self.callee.expect_nothing(0.2)
        self.assertEqual(self.counter("digits_by_info"), before + 1)
        self.end(caller, callee)


class DigitsToInfo(Info):
    callee_port, prefix = 5070, "82"

    def test_no_events_are_agreed_on_the_side_of_info(self):
        call, invite = self.invite(body=self.caller.sdp(formats=EVENTS))
        self.assertNotIn("telephone-event", invite.body)
        callee = self.answer(invite, self.callee.sdp(formats=NO_EVENTS))
        caller = call.answered()
        self.assertIn("telephone-event", caller.answer.body)
        self.end(caller, callee)

    def test_digit_from_the_side_of_info_is_media_on_the_other(self):
        caller, callee = self.up(EVENTS, NO_EVENTS)
        self.info(callee, relay_body("#", 250))
        self.callee.expect(200)
        self.caller.expect_nothing(0.2)
        self.end(caller, callee)

    def test_info_to_info_goes_from_end_to_end(self):
        caller, callee = self.up(NO_EVENTS, NO_EVENTS)
        self.passed_on(caller, self.callee, relay_body("9"))
        self.end(caller, callee)


class DigitsInBand(Info):
    callee_port, prefix = 5071, "83"

    def test_info_besides_tones_does_not_count(self):
        caller, callee = self.up(EVENTS, NO_EVENTS)
        self.info(callee, relay_body("5"))
        self.callee.expect(200)
        self.caller.expect_nothing(0.2)
        self.end(caller, callee)


class DigitsAsTheyCome(Info):
    callee_port, prefix = 5072, "84"

    def test_digits_are_left_alone(self):
        caller, callee = self.up(NO_EVENTS, NO_EVENTS)
        self.passed_on(callee, self.caller, relay_body("5"))
        self.end(caller, callee)


class DigitsOfRfc4733(Info):
    callee_port, prefix = 5073, "85"

    def test_far_end_without_events_gets_info_as_info(self):
        caller, callee = self.up(NO_EVENTS, NO_EVENTS)
        self.passed_on(caller, self.callee, relay_body("*"))
        self.end(caller, callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
