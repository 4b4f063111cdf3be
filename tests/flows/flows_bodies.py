#!/usr/bin/python3
"""Bodies in parts: SIP-I and others beside the description, from one trunk to the other.

usage: flows_bodies.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import sys

import flows
from flows import Flow
from flows_messages import trunk
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog

SWITCH, OTHER, PLAIN = 5090, 5070, 5071
ISUP, QSIG, PIDF = "application/isup", "application/qsig", "application/pidf+xml"
REQUIRED, OPTIONAL = "signal;handling=required", "signal;handling=optional"
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 8)
    gateway.trunks = (
        trunk("switch", gateway.caller_ip, SWITCH, bodies=f"[{ISUP}, {QSIG}, {PIDF}]") +
        trunk("other", gateway.callee_ip, OTHER, bodies=f"[{ISUP}, {QSIG}]") +
        trunk("plain", gateway.callee_ip, PLAIN))
    gateway.routes = """\
  - {prefix: "81", trunk: other}
  - {prefix: "82", trunk: plain}
  - {prefix: "83", trunks: [plain, other]}
"""
    flows.start(gateway)


def parts_of(message):
    """[(type, disposition, body)] of a message."""
    kind = message["content-type"]
    if kind is None:
        return []
    if not kind.startswith("multipart/"):
        return [(kind, message["content-disposition"], message.body)]
    boundary = kind.partition("boundary=")[2]
    assert message.body.endswith(f"--{boundary}--\r\n"), message.body
    parts = []
    for text in message.body.split(f"--{boundary}")[1:-1]:
        head, _, body = text.partition("\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n"))
        parts.append((fields["content-type"], fields.get("content-disposition"), body[:-2]))
    return parts


def mixed(*parts):
    """Content-Type and body of [(type, disposition, body)]."""
    body = ""
    for kind, disposition, text in parts:
        body += f"--here\r\nContent-Type: {kind}\r\n"
        body += f"Content-Disposition: {disposition}\r\n" if disposition else ""
        body += f"Content-Transfer-Encoding: binary\r\n\r\n{text}\r\n"
    return "Content-Type: multipart/mixed;boundary=here", body + "--here--\r\n"


class Bodies(Flow):
    callee_port, prefix = OTHER, "81"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, SWITCH, flows.gateway.address)

    def call(self, *parts):
        kind, body = mixed(("application/sdp", None, self.caller.sdp()), *parts)
        return OutgoingCall(self.caller, self.number, body, extra=[kind])

    def called(self, *parts):
        call = self.call(*parts)
        return call, self.callee.expect("INVITE")

    def reply(self, request, status, *parts, sdp=False, tag="b1", peer=None):
        peer = peer or self.callee
        if sdp:
            parts = [("application/sdp", None, peer.sdp()), *parts]
        kind, body = mixed(*parts)
        peer.reply(request, status, tag, body, extra=[kind])

    def assert_sdp(self, message, other):
        """The first part is a description of ours."""
        self.assertEqual(parts_of(message)[0][0], "application/sdp")
        self.assertNotIn(other.ip, message.text)
        self.assertIn(f"c=IN IP4 {flows.gateway.ip}", message.body)
        return parts_of(message)[1:]


class Isup(Bodies):
    def test_a_whole_call(self):
        iam = (f"{ISUP};version=itu-t92+", REQUIRED, "\x01\x00IAM\r\n--x\r\n\x7f")
        call, invite = self.called(iam)
        self.assertEqual(self.assert_sdp(invite, self.caller), [iam])
        self.assertEqual(invite["mime-version"], "1.0")
        acm, cpg, anm, rel = ((ISUP, REQUIRED, text) for text in ("\x06ACM", "CPG", "\x09ANM", "REL"))
        self.reply(invite, 180, acm)
        self.assertEqual(parts_of(self.caller.expect(180)), [acm])
        self.reply(invite, 183, cpg, sdp=True)
        self.assertEqual(self.assert_sdp(self.caller.expect(183), self.callee), [cpg])
        self.reply(invite, 200, anm, sdp=True)
        self.callee.expect("ACK")
        caller = call.answered()
        self.assertEqual(self.assert_sdp(caller.answer, self.callee), [anm])
        callee = incoming_dialog(self.callee, invite, "b1")
        caller.send("INFO", "SUS", [f"Content-Type: {ISUP}", f"Content-Disposition: {REQUIRED}"])
        info = self.callee.expect("INFO")
        self.assertEqual(parts_of(info), [(ISUP, REQUIRED, "SUS")])
        self.callee.reply(info, 200)
        self.caller.expect(200)
        kind, body = mixed(rel)
        callee.send("BYE", body, [kind])
        bye = self.caller.expect("BYE")
        self.assertEqual(parts_of(bye), [rel])
        self.caller.reply(bye, 200)
        self.callee.expect(200)

    def test_release_comes_with_the_refusal(self):
        call, invite = self.called((ISUP, REQUIRED, "IAM"))
        rel = (ISUP, OPTIONAL, "REL")
        self.reply(invite, 486, rel)
        self.callee.expect("ACK")
        self.assertEqual(parts_of(call.refused(486)), [rel])

    def test_reliable_responses_that_wait_keep_theirs(self):
        kind, body = mixed(("application/sdp", None, self.caller.sdp()), (ISUP, REQUIRED, "IAM"))
        call = OutgoingCall(self.caller, self.number, body, extra=[kind, "Require: 100rel"])
        invite = self.callee.expect("INVITE")
        self.reply(invite, 183, (ISUP, OPTIONAL, "ACM"), sdp=True)
        first = self.caller.expect(183)
        self.reply(invite, 180, (ISUP, OPTIONAL, "CPG"))
        self.reply(invite, 200, (ISUP, OPTIONAL, "ANM"), sdp=True)
        self.callee.expect("ACK")
        self.assertEqual(self.assert_sdp(first, self.callee), [(ISUP, OPTIONAL, "ACM")])
        dialog = call.dialog(first)
        dialog.send("PRACK", extra=[f"RAck: {first['rseq']} 1 INVITE"])
        self.caller.expect(200)
        answer = self.caller.expect_any()
        if answer.status == 180:  # only one of both need be sent
            self.assertEqual(parts_of(answer), [(ISUP, OPTIONAL, "CPG")])
            dialog.send("PRACK", extra=[f"RAck: {answer['rseq']} 1 INVITE"])
            answers = [self.caller.expect_any() for _ in range(2)]
            answer = next(message for message in answers if "INVITE" in message["cseq"])
        self.assertEqual(answer.status, 200)
        self.assertIn((ISUP, OPTIONAL, "ANM"), parts_of(answer))
        dialog.cseq = 1
        dialog.send("ACK")
        dialog.cseq = 10
        self.end(dialog, None)

    def test_hold_carries_parts(self):
        call, invite = self.called((ISUP, REQUIRED, "IAM"))
        callee = self.answer(invite)
        caller = call.answered()
        part = (QSIG, OPTIONAL, "HOLD")
        kind, body = mixed(("application/sdp", None, self.caller.sdp(direction="sendonly", version=2)),
                           part)
        caller.send("INVITE", body, [kind])
        again = self.callee.expect("INVITE")
        self.assertEqual(self.assert_sdp(again, self.caller), [part])
        self.reply(again, 200, (QSIG, OPTIONAL, "HELD"), sdp=True)
        self.callee.expect("ACK")
        answer = self.caller.expect(200)
        self.assertEqual(self.assert_sdp(answer, self.callee), [(QSIG, OPTIONAL, "HELD")])
        caller.send("ACK")
        self.end(caller, callee)


class Kept(Bodies):
    def test_parts_of_one_side_only_are_dropped_or_refused(self):
        call, invite = self.called((PIDF, OPTIONAL, "<secret/>"), (ISUP, OPTIONAL, "IAM"))
        self.assertEqual(self.assert_sdp(invite, self.caller), [(ISUP, OPTIONAL, "IAM")])
        callee = self.answer(invite)
        self.end(call.answered(), callee)
        self.dial_next()
        for disposition in (REQUIRED, None):
            refused = self.call((PIDF, disposition, "<secret/>")).refused(415)
            self.assertIn("application/isup", refused["accept"])
        self.call(("text/x-unknown", None, "?")).refused(415)
        self.callee.expect_nothing(0.2)

    def test_malformed_is_400(self):
        for body in ("--here\r\nContent-Type: application/sdp\r\n\r\nv=0", "no parts", "--here--"):
            OutgoingCall(self.caller, self.number, body, extra=[
                "Content-Type: multipart/mixed;boundary=here"]).refused(400)

    def test_too_much_is_413(self):
        self.call((ISUP, REQUIRED, "x" * 8193)).refused(413)


class Plain(Bodies):
    callee_port, prefix = PLAIN, "82"

    def test_trunk_without_bodies_gets_descriptions_only(self):
        call, invite = self.called((ISUP, OPTIONAL, "IAM"))
        self.assertEqual(invite["content-type"], "application/sdp")
        self.reply(invite, 183, (ISUP, OPTIONAL, "ACM"), sdp=True)
        self.assertEqual(self.caller.expect(183)["content-type"], "application/sdp")
        callee = self.answer(invite)
        caller = call.answered()
        caller.send("INFO", "SUS", [f"Content-Type: {ISUP}"])
        self.caller.expect(415)
        callee.send("INFO", "SUS", [f"Content-Type: {ISUP}"])
        self.callee.expect(415)
        kind, body = mixed((ISUP, REQUIRED, "REL"))
        caller.send("BYE", body, [kind])
        self.caller.expect(200)
        bye = self.callee.expect("BYE")
        self.assertIsNone(bye["content-type"])
        self.callee.reply(bye, 200)

    def test_what_must_be_understood_is_refused(self):
        self.call((ISUP, REQUIRED, "IAM")).refused(415)


class NextRoute(Bodies):
    prefix = "83"

    def test_trunk_that_takes_the_parts_is_found(self):
        call, invite = self.called((ISUP, REQUIRED, "IAM"))
        self.assertEqual(self.assert_sdp(invite, self.caller), [(ISUP, REQUIRED, "IAM")])
        callee = self.answer(invite)
        self.end(call.answered(), callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
