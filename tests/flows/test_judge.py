#!/usr/bin/python3
"""A judge that finds nothing is worth nothing: each rule of rules.py is broken once.

usage: test_judge.py
"""
import shutil
import tempfile
import unittest

import capture
import judge
from rules import Judge

US, CALLER, CALLEE = ("10.0.0.1", 5060), ("10.0.0.2", 5060), ("10.0.0.3", 5060)
SDP = ("v=0\r\no=- 7 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
       "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\n")


def text(start, headers, body="", size=None):
    lines = [start, *headers] + (["Content-Type: application/sdp"] if body else [])
    return "\r\n".join([*lines, f"Content-Length: {len(body) if size is None else size}", "", body])


def request(method, cseq=1, branch="z9hG4bKbranch01", to="", body="", more=(), contact=True, call="c1"):
    headers = [f"Via: SIP/2.0/UDP 10.0.0.1:5060;branch={branch}", "Max-Forwards: 69",
               "From: <sip:a@10.0.0.1>;tag=f1", f"To: <sip:b@10.0.0.3>{to}", f"Call-ID: {call}",
               f"CSeq: {cseq} {method}"] + ["Contact: <sip:10.0.0.1>"] * contact
    return text(f"{method} sip:b@10.0.0.3 SIP/2.0", [*headers, *more], body)


def response(status, method="INVITE", tag=";tag=t1", branch="z9hG4bKtheirs01", more=(), body="",
             sender="10.0.0.2", contact=True):
    headers = [f"Via: SIP/2.0/UDP {sender}:5060;branch={branch}", "From: <sip:x@10.0.0.2>;tag=x1",
               f"To: <sip:y@10.0.0.1>{tag}", "Call-ID: c2", f"CSeq: 1 {method}"]
    return text(f"SIP/2.0 {status} So",
                [*headers, *(["Contact: <sip:10.0.0.1>"] if contact else []), *more], body)


ASKED = text("INVITE sip:y@10.0.0.1 SIP/2.0",
             ["Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKtheirs01", "Record-Route: <sip:p;lr>",
              "From: <sip:x@10.0.0.2>;tag=x1", "To: <sip:y@10.0.0.1>", "Call-ID: c2", "CSeq: 1 INVITE"],
             SDP)
ROUTE = ["Record-Route: <sip:p;lr>"]
INVITE, OK = request("INVITE", body=SDP), response(200, more=ROUTE, body=SDP)
BUSY = INVITE.replace("INVITE sip:b@10.0.0.3 SIP/2.0", "SIP/2.0 486 Busy")

# What we send (> to the callee, < to the caller) or hear (! of the caller, ? of the callee), and what
# is wrong with the last of it.
FOULS = [
    ([">" + INVITE.replace("Content-Length: ", "Content-Length: 1")], "says Content-Length"),
    ([">" + INVITE.replace("Call-ID: c1", "Call-ID: c\0")], "control character"),
    ([">" + INVITE.replace("Max-Forwards: 69\r\n", "")], "no Max-Forwards"),
    ([">" + INVITE.replace("Max-Forwards: 69", "Max-Forwards: 69\r\nMax-Forwards: 69")], "2 max-forwards"),
    ([">" + INVITE.replace("Call-ID: c1\r\n", "")], "0 call-id"),
    ([">" + INVITE.replace("Contact: <sip:10.0.0.1>\r\n", "")], "0 Contact"),
    ([">" + INVITE.replace("Contact: <sip:10.0.0.1>", "Contact: <sip:10.0.0.1>, <sip:q>")], "2 Contact"),
    ([">" + INVITE.replace(";tag=f1", "")], "no From tag"),
    ([">" + INVITE.replace("z9hG4bKbranch01", "1")], "branch"),
    ([">" + INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 BYE")], "has CSeq 1 BYE"),
    ([">" + INVITE.replace("Via:", "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\nVia:")], "2 Via"),
    ([">" + request("INVITE", body=SDP.replace("4000", "4002")), ">" + INVITE], "branch of another request"),
    ([">" + INVITE, ">" + request("BYE", 2, to=";tag=t")], "branch of a INVITE"),
    ([">" + INVITE, ">" + request("BYE", 1, "z9hG4bKbranch02", to=";tag=t")], "CSeq 1 after 1"),
    ([">" + INVITE, ">" + request("CANCEL", 1, "z9hG4bKbranch02", contact=False)],
     "not the branch of its INVITE"),
    ([">" + INVITE, ">" + request("CANCEL", 2, contact=False)], "its INVITE's cseq"),
    ([">" + INVITE, ">" + request("ACK", to=";tag=t", contact=False)], "has the INVITE's branch"),
    ([">" + INVITE, ">" + request("ACK", 3, "z9hG4bKbranch02", ";tag=t", contact=False)],
     "acknowledges no INVITE"),
    ([">" + request("UPDATE", to=";tag=t", more=["Subject:"])], "empty subject"),
    ([">" + request("INFO", more=["Reason: <sip:x@10.0.0.2>"]), "!" + ASKED, "<" + OK,
      ">" + request("INFO", 2, "z9hG4bKbranch02", more=["X-A: x@10.0.0.2"])], "tells 10.0.0.3 of 10.0.0.2"),
    (["<" + OK], "answers nothing"),
    (["!" + ASKED, "<" + OK.replace("UDP 10.0.0.2", "UDP 10.0.0.9")], "other Vias"),
    (["!" + ASKED, "<" + OK.replace("tag=x1", "tag=x2")], "another from"),
    (["!" + ASKED, "<" + OK.replace(";tag=t1", "")], "no To tag"),
    (["!" + ASKED, "<" + response(200, body=SDP)], "Record-Route"),
    (["!" + ASKED, "<" + response(183, more=ROUTE, contact=False)], "0 Contact"),
    (["!" + ASKED, "<" + response(401)], "no www-authenticate"),
    (["!" + ASKED, "<" + response(180, more=[*ROUTE, "RSeq: 1"])], "not both"),
    (["!" + ASKED, "<" + response(180, more=[*ROUTE, "RSeq: 1", "Require: 100rel"])], "did not ask"),
    (["!" + ASKED, "<" + response(486), "<" + OK], "comes after"),
    (["!" + ASKED, "<" + response(200, more=ROUTE, body=SDP + "m=audio 0 RTP/AVP 0\r\n")],
     "answers 1 media lines with 2"),
    ([">" + INVITE, ">" + request("UPDATE", 2, "z9hG4bKbranch02", body=SDP.replace("4000", "4002"))],
     "something else with the same version"),
    ([">" + INVITE, ">" + request("UPDATE", 2, "z9hG4bKbranch02", body=SDP.replace("7 1", "8 1"))],
     "another session"),
    ([">" + INVITE, ">" + request("UPDATE", 2, "z9hG4bKbranch02", body=SDP.replace("7 1", "7 4"))],
     "version 4 after 1"),
    ([">" + request("INVITE", body=SDP.replace("a=rtpmap:96 opus/48000/2\r\n", ""))], "does not say what"),
    ([">" + request("INVITE", body=SDP.replace("0 96", "0 0 96"))], "twice"),
    ([">" + request("INVITE", body=SDP + "a=fmtp:97 x=1\r\n")], "does not name"),
    ([">" + request("INVITE", body=SDP + "a=sendonly\r\na=inactive\r\n")], "two directions"),
]


def hear_all(messages):
    rules, complaints = Judge([CALLER[0], CALLEE[0]]), []
    for message in messages:
        ours, (there, _) = message[0] in "<>", CALLER if message[0] in "<!" else CALLEE
        ends = (US[0], there) if ours else (there, US[0])
        complaints = rules.hear(ours, *ends, message[1:].encode())
    return complaints


class JudgeTest(unittest.TestCase):
    def test_fouls_are_found(self):
        for messages, wanted in FOULS:
            with self.subTest(wanted):
                self.assertTrue(any(wanted in complaint for complaint in hear_all(messages)),
                                hear_all(messages))

    def test_good_messages_are_good(self):
        for messages in ([">" + INVITE], ["!" + ASKED, "<" + OK], [">" + INVITE, ">" + INVITE],
                         [">" + INVITE, ">" + request("ACK", 1, "z9hG4bKbranch02", ";tag=t", contact=False)],
                         [">" + INVITE, "?" + BUSY, ">" + request("ACK", to=";tag=t", contact=False)],
                         [">" + INVITE, ">" + request("CANCEL", contact=False)]):
            self.assertEqual(hear_all(messages), [])

    @unittest.skipUnless(shutil.which("tshark"), "no tshark")
    def test_wireshark_finds_its_own(self):
        run = [(message.encode(), US, CALLEE, capture.OURS) for message in
               (INVITE, INVITE.replace("Call-ID: c1", "Call-ID c1"), INVITE.replace("a=rtpmap", "a rtpmap"))]
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            judge.join({"run": run}, file.name)
            self.assertEqual(list(capture.read(file.name)), run)
            complaints, n = judge.wireshark(file.name)
        self.assertEqual((n, sorted(complaints)), (3, [2, 3]))


if __name__ == "__main__":
    unittest.main()
