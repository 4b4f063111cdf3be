#!/usr/bin/python3
"""Call flows with a browser: SIP over ws and wss on one side, UDP on the other. Some are users who
register, from anywhere.

usage: flows_websocket.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import os
import signal
import ssl
import struct
import sys

import digest
import flows
from flows import Flow
from flows_register import DOMAIN, USERS, PhoneMixin
from flows_tls import certificate_make
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, incoming_dialog
from ws_peer import BINARY, CLOSE, PING, PONG, TEXT, WsPeer

WS_PORT, WSS_PORT = 8080, 8443
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = Gateway(flows.build, 6)
    certificate_make(gateway.path, "ca")
    certificate_make(gateway.path, "gateway", f"IP:{gateway.ip}")
    users = gateway.path("users.yaml")
    with open(users, "w") as file:
        file.write("users:\n" + "".join(f'  - {{user: "{user}", password: {password}}}\n'
                                        for user, password in USERS.items()))
    os.chmod(users, 0o600)
    gateway.realms = f"""\
  - name: web
    sip:
      - {{address: {gateway.ip}, port: 5070}}
      - {{transport: ws, address: {gateway.ip}, port: {WS_PORT}}}
      - {{transport: wss, address: {gateway.ip}, port: {WSS_PORT}}}
    media_address: {gateway.ip}
    tls: {{certificate: {gateway.path("gateway.pem")}, key: {gateway.path("gateway.key")}}}
    origins: ["https://phone.example.com"]
"""
    gateway.trunks = f"""\
  - name: browsers
    realm: web
    peers: [{{address: {gateway.caller_ip}}}]
    codecs: [PCMU]
  - name: phones
    realm: web
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, file: {users}}}
"""
    gateway.routes = """\
  - {prefix: "84", trunk: phones, strip: 2}
"""
    flows.start(gateway)


class Web(Flow):
    secure = False

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = self.browser()
        self.peers[0] = self.caller

    def browser(self, ip=None):
        ca = flows.gateway.path("ca.pem") if self.secure else None
        peer = WsPeer(ip or flows.gateway.caller_ip,
                      (flows.gateway.ip, WSS_PORT if self.secure else WS_PORT), ca=ca)
        self.peers.append(peer)
        return peer


class Caller(Web):
    def test_browser_calls_and_hangs_up(self):
        call, invite = self.ring()
        self.assertIn("SIP/2.0/UDP", invite["via"])
        self.assertNotIn("invalid", invite.text)
        callee = self.answer(invite)
        caller = call.answered()
        self.assertIn(f":{self.caller.gateway[1]};transport=ws>", caller.answer["contact"])
        self.assertIn(f"SIP/2.0/{self.caller.transport} {self.caller.host};", caller.answer["via"])
        self.assertIn(f"received={self.caller.ip}", caller.answer["via"])
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_callee_hangs_up_over_the_browsers_connection(self):
        _, callee = self.establish()
        callee.bye()
        bye = self.caller.expect("BYE")
        self.assertIn(f"SIP/2.0/{self.caller.transport} {flows.gateway.ip}:{self.caller.gateway[1]};",
                      bye["via"])
        self.assertEqual(bye.uri, f"sip:me@{self.caller.host};transport=ws;ob")
        self.caller.reply(bye, 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_callee_holds_and_resumes(self):
        caller, callee = self.establish()
        self.reinvite(callee, self.caller, "sendonly", "recvonly")
        self.end(caller, callee)

    def test_nobody_calls_a_browser_that_is_gone(self):
        _, callee = self.establish()
        self.caller.disconnect()
        flows.gateway.wait(lambda: self.counter("connections_now") == 0, "the connection to end")
        callee.bye()
        self.caller.socket.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            self.caller.socket.accept()
        self.expect_cdr(status=200, ended_by="b")

    def test_browser_that_comes_back_is_found_by_its_next_request(self):
        caller, callee = self.establish()
        self.caller.disconnect()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)

    def test_binary_and_fragments_are_as_good(self):
        self.caller.opcode = BINARY
        self.caller.connect()
        self.caller.put = self.put_in_fragments
        caller, callee = self.establish()
        self.end(caller, callee)

    def put_in_fragments(self, data):
        self.caller.frame(TEXT, data[:10], last=False)
        self.caller.frame(PONG, b"")
        self.caller.frame(0, data[10:300], last=False)
        self.caller.frame(0, data[300:])

    def counter(self, name):
        return flows.gateway.ctl("counters")[f"transport.{name}"]


class SecureCaller(Caller):
    secure = True


class Connection(Web):
    def test_origin_of_another_is_403(self):
        self.caller.origin = "https://evil.example"
        self.assertEqual(self.caller.upgrade(), 403)
        self.assertFalse(self.caller.take_more(2))

    def test_pings_are_answered(self):
        self.caller.connect()
        self.caller.frame(PING, b"here?")
        self.assertEqual(self.caller.take_frame(2), (PONG, b"here?"))
        self.caller.frame(TEXT, b"\r\n\r\n")
        self.assertEqual(self.caller.take_frame(2), (TEXT, b"\r\n"))

    def test_unmasked_frame_is_1002(self):
        self.caller.connect()
        self.caller.connection.sendall(b"\x81\x05hello")
        self.assertEqual(self.caller.take_frame(2), (CLOSE, struct.pack("!H", 1002)))
        self.assertFalse(self.caller.take_more(2))

    def test_close_is_answered(self):
        self.caller.connect()
        self.caller.frame(CLOSE, struct.pack("!H", 1000) + b"bye")
        self.assertEqual(self.caller.take_frame(2), (CLOSE, struct.pack("!H", 1000) + b"bye"))
        self.assertFalse(self.caller.take_more(2))


    def test_end_of_the_gateway_is_1001(self):
        self.caller.connect()
        self.caller.frame(PING, b"here?")
        self.assertEqual(self.caller.take_frame(2), (PONG, b"here?"))
        flows.gateway.kill("control", signal.SIGTERM)
        self.assertEqual(self.caller.take_frame(4), (CLOSE, struct.pack("!H", 1001)))
        self.assertFalse(self.caller.take_more(2))
        flows.gateway.start_control()


class SecureConnection(Connection):
    secure = True


class WsPhone(PhoneMixin, WsPeer):
    """A browser whose user registers."""

    def contact_text(self):
        return f"<sip:{self.user}@{self.host};transport=ws;ob>"

    def contact_host(self):
        return self.host


class User(Web):
    """At an address that is no trunk's."""

    def browser(self, ip=None):
        self.caller.close()
        ca = flows.gateway.path("ca.pem") if self.secure else None
        peer = WsPhone(flows.gateway.ip[:-1] + "5",
                       (flows.gateway.ip, WSS_PORT if self.secure else WS_PORT), ca=ca)
        self.peers.append(peer)
        return peer.prepare("100")

    def setUp(self):
        super().setUp()
        self.phone, self.peers[0] = self.caller, Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.caller = self.peers[0]

    def tearDown(self):
        if flows.gateway.ctl("bindings"):
            self.phone.unregister()
        super().tearDown()

    def call_the_user(self):
        self.number = "84100"
        return OutgoingCall(self.caller, self.number)

    def test_registered_user_is_called(self):
        self.phone.register()
        call = self.call_the_user()
        invite = self.phone.expect("INVITE")
        self.assertEqual(invite.uri, f"sip:100@{self.phone.host};transport=ws;ob")
        self.phone.reply(invite, 180, "b1")
        self.caller.expect(180)
        self.phone.reply(invite, 200, "b1", self.phone.sdp())
        self.phone.expect("ACK")
        callee, caller = incoming_dialog(self.phone, invite, "b1"), call.answered()
        caller.send("BYE")
        self.phone.reply(self.phone.expect("BYE"), 200)
        self.caller.expect(200)
        self.assertEqual(callee.call_id, invite["call-id"])

    def test_registered_user_calls(self):
        self.phone.register()
        call = OutgoingCall(self.phone, self.number)
        value = digest.authorization(call.refused(407)["proxy-authenticate"], "100", USERS["100"],
                                     "INVITE", call.uri)
        call = OutgoingCall(self.phone, self.number, extra=["Proxy-Authorization: " + value])
        invite = self.callee.expect("INVITE")
        self.assertTrue(invite["from"].startswith("<sip:100@"))
        callee = self.answer(invite)
        call.answered()
        callee.send("BYE")
        self.phone.reply(self.phone.expect("BYE"), 200)
        self.callee.expect(200)
        self.expect_cdr(status=200, ended_by="b")

    def test_user_whose_connection_is_gone_is_not_reached(self):
        self.phone.register()
        self.phone.disconnect()
        call = self.call_the_user()
        response = self.caller.expect_any()
        while response.status == 100:
            response = self.caller.expect_any()
        self.assertIn(response.status, (480, 503))
        call.ack_refusal(response)
        self.assertEqual(flows.gateway.ctl("bindings"), [])

    def test_user_that_connects_again_is_reached_there(self):
        self.phone.register()
        self.phone.disconnect()
        self.phone.register()
        call = self.call_the_user()
        invite = self.phone.expect("INVITE")
        self.phone.reply(invite, 486, "b1")
        self.phone.expect("ACK")
        call.refused(486)


class SecureUser(User):
    secure = True


class Keepalive(Flow):
    def test_stun_on_the_sip_port_says_where_we_come_from(self):
        request = struct.pack("!HHI", 1, 0, 0x2112a442) + b"transaction!"
        self.caller.socket.sendto(request, self.caller.gateway)
        data, _ = self.caller.take(2)
        kind, _, cookie = struct.unpack("!HHI", data[:8])
        self.assertEqual((kind, cookie, data[8:20]), (0x101, 0x2112a442, b"transaction!"))
        attribute, size, _, family, port, address = struct.unpack("!HHBBHI", data[20:])
        self.assertEqual((attribute, size, family), (0x20, 8, 1))
        self.assertEqual(port ^ 0x2112, self.caller.port)
        self.assertEqual(".".join(map(str, struct.pack("!I", address ^ cookie))), self.caller.ip)

    def test_strangers_get_no_stun(self):
        stranger = Peer(flows.gateway.stranger_ip, 0, flows.gateway.address)
        self.peers.append(stranger)
        stranger.put(struct.pack("!HHI", 1, 0, 0x2112a442) + b"transaction!")
        self.assertIsNone(stranger.take(0.3))


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
