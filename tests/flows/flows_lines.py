#!/usr/bin/python3
"""Calls with more than audio: video, T.38, and lines that come and go.

usage: flows_lines.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import re
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import Peer

tearDownModule = flows.tearDownModule

T38 = ["a=T38FaxVersion:3", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF",
       "a=T38FaxMaxBuffer:2000", "a=T38FaxMaxDatagram:400", "a=T38FaxUdpEC:t38UDPRedundancy"]
H264 = ["a=rtpmap:99 H264/90000", "a=fmtp:99 profile-level-id=42e01f;packetization-mode=1",
        "a=rtcp-fb:99 nack pli"]


def setUpModule():
    gateway = Gateway(flows.build, 5)
    gateway.trunks = "".join(f"""\
  - name: viewer-{ip}
    realm: lo
    peers: [{{address: {ip}, port: 5070}}]
    codecs: [PCMU]
    media: [audio, video, text, image]
""" for ip in (gateway.caller_ip, gateway.callee_ip))
    gateway.trunks += f"""\
  - name: voice
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: 5071}}]
    codecs: [PCMU]
    media: [audio]
"""
    gateway.routes = (f'  - {{prefix: "90", trunk: viewer-{gateway.callee_ip}}}\n'
                      '  - {prefix: "91", trunk: voice}\n')
    flows.start(gateway)


def lines_of(message):
    """(type, port, proto, formats) of each m= line."""
    return [(found[0], int(found[1]), found[2], found[3].split()) for found in
            re.findall(r"^m=(\S+) (\d+) (\S+) (.*?)\r?$", message.body, re.M)]


class Lines(Flow):
    def sdp(self, peer, *lines, version=1):
        """Lines: (type, port, proto, formats, attributes...)."""
        text = ["v=0", f"o=- 1 {version} IN IP4 {peer.ip}", "s=-", f"c=IN IP4 {peer.ip}", "t=0 0"]
        for kind, port, proto, formats, *attributes in lines:
            text += [f"m={kind} {port} {proto} {formats}", *attributes]
        return "\r\n".join(text + [""])

    def ask(self, asker, other, offer, answer):
        """A re-INVITE and its answer. Returns what reached each."""
        asker.send("INVITE", self.sdp(asker.peer, *offer, version=asker.cseq + 2))
        invite = other.expect("INVITE")
        other.reply(invite, 200, body=self.sdp(other, *answer, version=asker.cseq + 2))
        other.expect("ACK")
        reply = asker.peer.expect(200)
        asker.send("ACK")
        return invite, reply

    def session_legs(self):
        sessions = flows.gateway.ctl("sessions")
        return flows.gateway.ctl("session", sessions[-1]["session"])["legs"]


AUDIO = ("audio", 40000, "RTP/AVP", "0", "a=rtpmap:0 PCMU/8000")
NO_AUDIO = ("audio", 0, "RTP/AVP", "0")
FAX = ("image", 40100, "udptl", "t38", *T38)
NO_FAX = ("image", 0, "udptl", "t38")
VIDEO = ("video", 40200, "RTP/AVPF", "99", *H264)
NO_VIDEO = ("video", 0, "RTP/AVPF", "99")


class Fax(Lines):
    def test_in_the_place_of_the_audio_and_back(self):
        caller, callee = self.establish()
        for _ in range(2):
            invite, reply = self.ask(callee, self.caller, [FAX], [FAX])
            for message in (invite, reply):
                (kind, port, proto, formats), = lines_of(message)
                self.assertEqual((kind, proto, formats), ("image", "udptl", ["t38"]))
                self.assertTrue(20000 <= port < 22000 and port % 2 == 0)
                for attribute in T38:
                    self.assertIn(attribute + "\r\n", message.body)
            self.assertEqual(invite.sdp_address(), f"IP4 {flows.gateway.ip}")
            invite, reply = self.ask(caller, self.callee, [AUDIO], [AUDIO])
            self.assertEqual([line[0] for line in lines_of(invite)], ["audio"])
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_as_a_line_of_its_own(self):
        caller, callee = self.establish()
        invite, reply = self.ask(callee, self.caller, [NO_AUDIO, FAX], [NO_AUDIO, FAX])
        for message in (invite, reply):
            self.assertEqual([line[:1] + (line[1] > 0,) for line in lines_of(message)],
                             [("audio", False), ("image", True)])
        invite, reply = self.ask(callee, self.caller, [AUDIO, NO_FAX], [AUDIO, NO_FAX])
        for message in (invite, reply):
            self.assertEqual([line[:1] + (line[1] > 0,) for line in lines_of(message)],
                             [("audio", True), ("image", False)])
        self.end(caller, callee)

    def test_488_falls_back_to_the_audio_that_there_was(self):
        caller, callee = self.establish()
        callee.send("INVITE", self.sdp(self.callee, FAX, version=2))
        invite = self.caller.expect("INVITE")
        self.caller.reply(invite, 488)
        self.caller.expect("ACK")
        self.assertTrue(self.callee.expect(488)["warning"].startswith("399 "))
        callee.send("ACK")
        # G.711 instead, as it was.
        callee.send("INVITE", self.callee.sdp(version=3))
        reply = self.callee.expect(200)
        self.assertEqual(lines_of(reply)[0][0], "audio")
        self.assertGreater(lines_of(reply)[0][1], 0)
        callee.send("ACK")
        self.caller.expect_nothing(0.2)
        self.end(caller, callee)

    def test_refused_by_port_0_is_passed_on(self):
        caller, callee = self.establish()
        _, reply = self.ask(callee, self.caller, [FAX], [NO_FAX])
        self.assertEqual([line[:2] for line in lines_of(reply)], [("image", 0)])
        self.ask(callee, self.caller, [AUDIO], [AUDIO])
        self.end(caller, callee)

    def test_from_the_start(self):
        call, invite = self.invite(body=self.sdp(self.caller, FAX))
        self.assertEqual([line[0] for line in lines_of(invite)], ["image"])
        callee = self.answer(invite, self.sdp(self.callee, FAX))
        caller = call.answered()
        self.assertGreater(lines_of(caller.answer)[0][1], 0)
        self.end(caller, callee)

    def test_survives_a_restart_of_control(self):
        caller, callee = self.establish()
        invite, reply = self.ask(callee, self.caller, [FAX], [FAX])
        before = lines_of(invite)[0][1], lines_of(reply)[0][1]
        flows.gateway.crash_control()
        flows.gateway.start_control()
        again, reply = self.ask(callee, self.caller, [FAX], [FAX])
        self.assertEqual((lines_of(again)[0][1], lines_of(reply)[0][1]), before)
        self.assertIn(T38[0], again.body)
        self.ask(callee, self.caller, [AUDIO], [AUDIO])
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_the_end_while_ports_are_waited_for(self):
        caller, callee = self.establish()
        with flows.gateway.dataplane_paused():
            callee.send("INVITE", self.sdp(self.callee, FAX, version=2))
            self.callee.expect(100)
            caller.bye()
            self.caller.expect_nothing(0.1)
        self.expect_cdr(status=200)


class FaxRefused(Lines):
    callee_port, prefix = 5071, "91"

    def test_trunk_that_has_no_fax_is_not_asked(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.sdp(self.caller, FAX, version=2))
        self.assertRegex(self.caller.expect(488)["warning"], '^304 \\S+ "Media type not available"$')
        caller.send("ACK")
        self.callee.expect_nothing(0.2)
        self.end(caller, callee)


class Video(Lines):
    callee_port, prefix = 5070, "90"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = Peer(flows.gateway.caller_ip, 5070, flows.gateway.address)
        self.peers[0] = self.caller

    def test_crosses_untouched_with_ports_of_its_own(self):
        call, invite = self.invite(body=self.sdp(
            self.caller, AUDIO, (*VIDEO, "a=candidate:1 1 UDP 1 10.9.9.9 9 typ host", "b=AS:384")))
        (audio, video) = lines_of(invite)
        self.assertEqual((video[0], video[2], video[3]), ("video", "RTP/AVPF", ["99"]))
        self.assertEqual(len({audio[1], video[1], 0}), 3)
        for attribute in (*H264, "b=AS:384"):
            self.assertIn(attribute + "\r\n", invite.body)
        self.assertNotIn("10.9.9.9", invite.text)
        callee = self.answer(invite, self.sdp(self.callee, AUDIO, VIDEO))
        caller = call.answered()
        self.assertEqual(lines_of(caller.answer)[1][3], ["99"])
        legs = self.session_legs()
        self.assertEqual(len(legs), 4)
        self.end(caller, callee)

    def test_refused_by_the_callee(self):
        call, invite = self.invite(body=self.sdp(self.caller, VIDEO, AUDIO))
        self.assertEqual([line[0] for line in lines_of(invite)], ["audio", "video"])
        callee = self.answer(invite, self.sdp(self.callee, AUDIO, NO_VIDEO))
        caller = call.answered()
        self.assertEqual([line[:1] + (line[1] > 0,) for line in lines_of(caller.answer)],
                         [("video", False), ("audio", True)])
        self.end(caller, callee)

    def test_added_and_removed_and_added_again_in_a_call(self):
        call, invite = self.invite(body=self.sdp(self.caller, AUDIO))
        callee = self.answer(invite, self.sdp(self.callee, AUDIO))
        caller = call.answered()
        ports = []
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            invite, reply = self.ask(asker, other, [AUDIO, VIDEO], [AUDIO, VIDEO])
            ports.append({lines_of(invite)[1][1], lines_of(reply)[1][1]})
            self.assertNotIn(0, ports[-1])
            invite, reply = self.ask(asker, other, [AUDIO, NO_VIDEO], [AUDIO, NO_VIDEO])
            self.assertEqual(lines_of(invite)[1][:2], ("video", 0))
            self.assertEqual(lines_of(reply)[1][:2], ("video", 0))
        self.assertEqual(ports[0], ports[1])
        self.end(caller, callee)

    def test_held_with_the_audio(self):
        call, invite = self.invite(body=self.sdp(self.caller, AUDIO, VIDEO))
        callee = self.answer(invite, self.sdp(self.callee, AUDIO, VIDEO))
        caller = call.answered()
        invite, reply = self.ask(caller, self.callee, [(*AUDIO, "a=sendonly"), (*VIDEO, "a=inactive")],
                                 [(*AUDIO, "a=recvonly"), (*VIDEO, "a=inactive")])
        self.assertEqual(re.findall("a=(sendonly|recvonly|inactive|sendrecv)", invite.body),
                         ["sendonly", "inactive"])
        self.assertEqual(re.findall("a=(sendonly|recvonly|inactive|sendrecv)", reply.body),
                         ["recvonly", "inactive"])
        self.end(caller, callee)


class Hold(Lines):
    """Every form of hold, by either side; what each end is told, and what media does."""

    # What is offered, its answer, what the other end is told and the asker; does the asker's leg
    # send, receive?
    forms = [
        (("sendonly", None), "recvonly", "sendonly", "recvonly", (False, True)),
        (("recvonly", None), "sendonly", "recvonly", "sendonly", (True, False)),
        (("inactive", None), "inactive", "inactive", "inactive", (False, False)),
        (("sendrecv", "0.0.0.0"), "recvonly", "sendonly", "recvonly", (False, True)),
        (("inactive", "0.0.0.0"), "inactive", "inactive", "inactive", (False, False)),
        # One that does not know hold answers as if there were none.
        (("sendonly", None), "sendrecv", "sendonly", "recvonly", (False, True)),
    ]

    def directions(self, asker):
        call = flows.gateway.ctl("calls")[-1]["call"]
        leg = flows.gateway.ctl("call", call)["legs"][asker]
        return leg["sends"], leg["receives"]

    def test_all_forms_from_either_side(self):
        caller, callee = self.establish()
        version = 1
        for asker, other, index in ((caller, self.callee, 0), (callee, self.caller, 1)):
            for (offer, address), answer, told, reply_told, media in self.forms:
                version += 1
                asker.send("INVITE", asker.peer.sdp(direction=offer, address=address, version=version))
                invite = other.expect("INVITE")
                self.assertEqual(invite.sdp_direction(), told)
                self.assertEqual(invite.sdp_address(), f"IP4 {flows.gateway.ip}")
                other.reply(invite, 200, body=other.sdp(direction=answer, version=version))
                other.expect("ACK")
                reply = asker.peer.expect(200)
                self.assertEqual(reply.sdp_direction(), reply_told)
                asker.send("ACK")
                flows.gateway.wait(lambda: self.directions(index) == media, f"{offer} to be {media}")
                # Back to talking.
                version += 1
                asker.send("INVITE", asker.peer.sdp(version=version))
                invite = other.expect("INVITE")
                self.assertEqual(invite.sdp_direction(), "sendrecv")
                other.reply(invite, 200, body=other.sdp(version=version))
                other.expect("ACK")
                asker.peer.expect(200)
                asker.send("ACK")
                flows.gateway.wait(lambda: self.directions(index) == (True, True), "media again")
        self.end(caller, callee)

    def test_refused_hold_changes_nothing(self):
        caller, callee = self.establish()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        self.callee.reply(self.callee.expect("INVITE"), 488)
        self.callee.expect("ACK")
        self.caller.expect(488)
        caller.send("ACK")
        self.assertEqual(self.directions(0), (True, True))
        # What was offered has counted, so the next description is newer than that.
        callee.send("INVITE", self.callee.sdp(direction="inactive", version=2))
        invite = self.caller.expect("INVITE")
        self.assertEqual(invite.sdp_direction(), "inactive")
        self.caller.reply(invite, 200, body=self.caller.sdp(direction="inactive", version=3))
        self.caller.expect("ACK")
        self.callee.expect(200)
        callee.send("ACK")
        self.end(caller, callee)


class OtherMedia(Lines):
    def test_trunks_without_video_refuse_it_in_its_place(self):
        data = ("application", 40300, "UDP/DTLS/SCTP", "webrtc-datachannel")
        call, invite = self.invite(body=self.sdp(self.caller, VIDEO, AUDIO, data))
        self.assertEqual([line[0] for line in lines_of(invite)], ["audio"])
        callee = self.answer(invite, self.sdp(self.callee, AUDIO))
        caller = call.answered()
        self.assertEqual([line[:1] + (line[1] > 0,) for line in lines_of(caller.answer)],
                         [("video", False), ("audio", True), ("application", False)])
        self.end(caller, callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
