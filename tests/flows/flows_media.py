#!/usr/bin/python3
"""Call flows with what media needs besides codecs: keys (SDES), and addresses of either family.

usage: flows_media.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with a gateway that has more trunks: one with SRTP, and one on ::1.
"""
import base64
import socket
import sys
import unittest

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, TcpPeer

SUITES = ["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"]
LENGTHS = {"AEAD_AES_256_GCM": 44, "AES_CM_128_HMAC_SHA1_80": 30}
IP6, MEDIA_IP6 = "::1", "2001:db8::1"
tearDownModule = flows.tearDownModule


def has_ipv6():
    try:
        socket.create_server((IP6, 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def free_port():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind((IP6, 0))
        return taken.getsockname()[1]


def setUpModule():
    gateway = Gateway(flows.build, 7)
    gateway.trunks = f"""\
  - name: secret
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: 5070}}, {{address: {gateway.callee_ip}, port: 5071}}]
    codecs: [PCMU]
    srtp: required
    srtp_suites: [{", ".join(SUITES)}]
"""
    gateway.routes = '  - {prefix: "80", trunk: secret}\n'
    if has_ipv6():
        add_ipv6(gateway)
    flows.start(gateway)


def add_ipv6(gateway):
    """A realm on ::1 with media of both families, and a trunk of two ports there."""
    gateway.address6 = (IP6, free_port())
    gateway.caller6_port, gateway.callee6_port = free_port(), free_port()
    gateway.media_ips.append(f'"{MEDIA_IP6}"')
    gateway.realms = f"""\
  - name: lo6
    sip:
      - {{address: "{IP6}", port: {gateway.address6[1]}}}
      - {{transport: tcp, address: "{IP6}", port: {gateway.address6[1]}}}
    media_addresses: ["{MEDIA_IP6}", {gateway.ip.rsplit(".", 1)[0]}.250]
"""
    gateway.media_ips.append(f"{gateway.ip.rsplit('.', 1)[0]}.250")
    for name, port in (("caller6", gateway.caller6_port), ("callee6", gateway.callee6_port)):
        gateway.trunks += f"""\
  - name: {name}
    realm: lo6
    peers: [{{address: "{IP6}", port: {port}}}]
    codecs: [PCMU]
"""
    gateway.routes += '  - {prefix: "81", trunk: callee6}\n'


def crypto(tag, suite, byte):
    key = base64.b64encode(bytes([byte]) * LENGTHS[suite]).decode()
    return f"a=crypto:{tag} {suite} inline:{key}"


class Srtp(Flow):
    """The caller speaks RTP, the callee must speak SRTP."""

    callee_port, prefix = 5070, "80"

    def secure_sdp(self, key, **kwargs):
        return self.callee.sdp(proto="RTP/SAVP", extra=[key], **kwargs)

    def establish_secure(self):
        call, invite = self.invite()
        tag, suite, _ = invite.sdp_keys()[1]
        callee = self.answer(invite, self.secure_sdp(crypto(tag, suite, 0xB1)))
        return call.answered(), callee, invite.sdp_keys()[1]

    def test_keys_are_offered_for_each_suite_and_stay_on_their_side(self):
        call, invite = self.invite()
        self.assertEqual(invite.sdp_proto(), "RTP/SAVP")
        self.assertEqual([key[:2] for key in invite.sdp_keys()], [("1", SUITES[0]), ("2", SUITES[1])])
        self.assertEqual([len(base64.b64decode(key[2])) for key in invite.sdp_keys()], [44, 30])
        self.assertLess(len(invite.text), 1300)
        callee = self.answer(invite, self.secure_sdp(crypto(2, SUITES[1], 0xB1)))
        caller = call.answered()
        self.assertEqual(caller.answer.sdp_proto(), "RTP/AVP")
        self.assertEqual(caller.answer.sdp_keys(), [])
        self.end(caller, callee)
        cdr = self.expect_cdr(status=200)
        self.assertEqual([leg["srtp"] for leg in cdr["legs"]], [None, SUITES[1]])

    def test_answer_without_a_key_ends_the_call(self):
        call, invite = self.invite()
        self.answer(invite, self.callee.sdp())
        self.callee.reply(self.callee.expect("BYE"), 200)
        call.refused(488)

    def test_plain_offer_is_refused_where_srtp_is_required(self):
        secret = Peer(flows.gateway.callee_ip, 5071, flows.gateway.address)
        self.peers.append(secret)
        OutgoingCall(secret, "2" + self.number).refused(488)

    def test_next_peer_is_offered_other_keys(self):
        second = self.peer(5071)
        _, invite = self.invite()
        self.callee.reply(invite, 503, "b1")
        self.callee.expect("ACK")
        again = second.expect("INVITE")
        keys = {key[2] for key in invite.sdp_keys()} | {key[2] for key in again.sdp_keys()}
        self.assertEqual(len(keys), 4)
        second.reply(again, 486, "b2")
        second.expect("ACK")

    def test_our_key_stays_in_a_re_offer_and_through_a_crash(self):
        caller, callee, ours = self.establish_secure()
        flows.gateway.crash_control()
        flows.gateway.start_control()
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        invite = self.callee.expect("INVITE")
        self.assertEqual(invite.sdp_keys()[0][1:], ours[1:])
        self.assertEqual(len(invite.sdp_keys()), 2)
        self.callee.reply(invite, 200, body=self.secure_sdp(
            crypto(1, SUITES[1], 0xB1), direction="recvonly", version=2))
        self.callee.expect("ACK")
        self.caller.expect(200)
        caller.send("ACK")
        self.end(caller, callee)
        self.assertEqual(self.expect_cdr(status=200, recovered=True)["legs"][1]["srtp"], SUITES[1])

    def test_another_key_of_the_far_end_is_answered_at_once(self):
        caller, callee, ours = self.establish_secure()
        callee.send("INVITE", self.secure_sdp(crypto(7, SUITES[1], 0xB2), version=2))
        answer = self.callee.expect(200)
        callee.send("ACK")
        self.assertEqual(answer.sdp_keys(), [("7", *ours[1:])])
        self.caller.expect_nothing(0.2)
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_late_offer_in_mid_call_has_the_key_in_use_first(self):
        caller, callee, ours = self.establish_secure()
        callee.send("INVITE")
        answer = self.callee.expect(200)
        self.assertEqual(answer.sdp_keys()[0], ("1", *ours[1:]))
        callee.send("ACK", self.secure_sdp(crypto(1, SUITES[1], 0xB1), version=2))
        self.caller.expect_nothing(0.2)
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_restarted_dataplane_takes_the_keys_again(self):
        caller, callee, _ = self.establish_secure()
        before = self.media_of_b()
        flows.gateway.kill("dataplane")
        flows.gateway.start_dataplane()
        flows.gateway.wait(lambda: len(flows.gateway.ctl("sessions")) == 1, "the session to be put back")
        after = self.media_of_b()
        self.assertEqual(after["local"], before["local"])
        self.assertNotEqual(after["tx_ssrc"], before["tx_ssrc"])  # RFC 3711 9.1
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def media_of_b(self):
        return flows.gateway.ctl("sessions")[0]["legs"][1]


@unittest.skipUnless(has_ipv6(), "there is no IPv6 here")
class Families(Flow):
    """One end on ::1, the other in 127/8, and both on ::1."""

    def setUp(self):
        super().setUp()
        gateway = flows.gateway
        self.caller6 = Peer(IP6, gateway.caller6_port, gateway.address6)
        self.callee6 = Peer(IP6, gateway.callee6_port, gateway.address6, self.numbers)
        self.caller6.media_ip, self.callee6.media_ip = "2001:db8::a", "2001:db8::b"
        self.peers += [self.caller6, self.callee6]
        self.host6 = f"[{IP6}]:{gateway.address6[1]}"

    def from_v6(self):
        self.caller = self.caller6

    def to_v6(self):
        self.prefix, self.callee = "81", self.callee6
        self.dial_next()

    def test_from_ipv6_to_ipv4(self):
        self.from_v6()
        call, invite = self.invite()
        self.assertNotIn("::", invite.text)
        self.assertEqual(invite.sdp_address(), f"IP4 {flows.gateway.ip}")
        callee = self.answer(invite)
        caller = call.answered()
        self.assertEqual(caller.answer.sdp_address(), f"IP6 {MEDIA_IP6}")
        self.assertIn(f" IN IP6 {MEDIA_IP6}\r\ns=", caller.answer.body)  # o=
        self.assertIn(self.host6, caller.target)
        self.assertNotIn("127.", caller.answer.text)
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_from_ipv4_to_ipv6(self):
        self.to_v6()
        call, invite = self.invite()
        self.assertEqual(invite.uri, f"sip:{self.number}@[{IP6}]:{flows.gateway.callee6_port}")
        self.assertIn(f"UDP {self.host6};", invite["via"])
        self.assertIn(self.host6, invite["contact"])
        self.assertNotIn("127.", invite.text)
        self.assertEqual(invite.sdp_address(), f"IP6 {MEDIA_IP6}")
        callee = self.answer(invite)
        caller = call.answered()
        self.assertEqual(caller.answer.sdp_address(), f"IP4 {flows.gateway.ip}")
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_from_ipv6_over_tcp_to_ipv4(self):
        tcp = TcpPeer(IP6, 0, flows.gateway.address6)
        tcp.media_ip = "2001:db8::a"
        self.peers.append(tcp)
        call = OutgoingCall(tcp, self.number)
        callee = self.answer(self.callee.expect("INVITE"))
        caller = call.answered()
        self.assertIn(f"{self.host6};transport=tcp", caller.target)
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_from_ipv6_to_ipv6(self):
        self.from_v6()
        self.to_v6()
        caller, callee = self.establish()
        self.assertEqual(callee.invite.sdp_address(), f"IP6 {MEDIA_IP6}")
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_ipv6_in_signalling_and_ipv4_in_media(self):
        self.from_v6()
        self.caller6.media_ip = "127.0.0.9"
        caller, callee = self.establish()
        self.assertEqual(caller.answer.sdp_address().split()[0], "IP4")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_late_offer_has_the_family_of_the_signalling(self):
        self.from_v6()
        call, invite = self.invite(body="")
        callee = self.answer(invite)
        caller = call.answered(ack_body=self.caller.sdp())
        self.assertEqual(caller.answer.sdp_address(), f"IP6 {MEDIA_IP6}")
        self.end(caller, callee)
        self.expect_cdr(status=200)

    def test_offer_of_a_family_that_the_realm_has_not(self):
        self.caller.media_ip = "2001:db8::c"
        OutgoingCall(self.caller, self.number).refused(488)
        self.callee.expect_nothing(0.1)

    def test_answer_goes_where_the_request_came_from(self):
        self.from_v6()
        call, invite = self.invite()
        self.callee.reply(invite, 180, "b1")
        ringing = self.caller.expect(180)
        self.assertIn(f";rport={self.caller6.port}", ringing["via"])
        self.assertIn(f";received={IP6}", ringing["via"])
        callee = self.answer(invite)
        self.end(call.answered(), callee)
        self.expect_cdr(status=200)

    def test_route_set_with_an_ipv6_proxy(self):
        self.to_v6()
        call, invite = self.invite()
        proxy = Peer(IP6, 0, flows.gateway.address6)
        self.peers.append(proxy)
        route = f"<sip:[{IP6}]:{proxy.port};lr>"
        self.callee.reply(invite, 200, "b1", self.callee.sdp(), extra=[f"Record-Route: {route}"])
        ack = proxy.expect("ACK")
        self.assertEqual(ack["route"], route)
        self.assertEqual(ack.uri, f"sip:me@[{IP6}]:{self.callee6.port}")
        caller = call.answered()
        caller.bye()
        proxy.reply(proxy.expect("BYE"), 200)
        self.expect_cdr(status=200)

    def test_call_is_taken_over_after_a_crash(self):
        self.from_v6()
        self.to_v6()
        caller, callee = self.establish()
        flows.gateway.crash_control()
        flows.gateway.start_control()
        self.reinvite(callee, self.caller, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200, recovered=True)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
