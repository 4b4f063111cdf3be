#!/usr/bin/python3
"""Call flows over TLS: whom the gateway believes, and calls between TLS and UDP.

usage: flows_tls.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with a gateway that has a realm on TLS as well. It asks callers for a certificate. The
far ends are Python's ssl module and openssl s_client; the certificates are made for the run.
"""
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

import flows
from flows import Flow, OverConnection
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, TcpPeer

DOMAIN = "sip.example.com"
PORT, CALLEE_PORT, STRANGE_PORT = 5061, 5067, 5068
tearDownModule = flows.tearDownModule


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def file_of(name):
    return flows.gateway.path(name)


def certificate_make(path, name, names=None):
    """NAME.pem and NAME.key, signed by the CA where `names` says whose it is, else the CA itself."""
    by_ca = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-addext", f"subjectAltName={names}",
             "-addext", "basicConstraints=critical,CA:FALSE"] if names else []
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-keyout", path(f"{name}.key"),
            "-out", path(f"{name}.pem"), *by_ca)
    os.chmod(path(f"{name}.key"), 0o600)


def setUpModule():
    gateway = Gateway(flows.build, 5)
    certificate_make(gateway.path, "ca")
    certificate_make(gateway.path, "gateway", f"IP:{gateway.ip},DNS:gw.example.com")
    certificate_make(gateway.path, "caller", f"IP:{gateway.caller_ip}")
    certificate_make(gateway.path, "callee", f"URI:sip:{DOMAIN}")
    gateway.realms = f"""\
  - name: secure
    sip: [{{transport: tls, address: {gateway.ip}}}]
    media_address: {gateway.ip}
    tls:
      certificate: {gateway.path("gateway.pem")}
      key: {gateway.path("gateway.key")}
      ca: {gateway.path("ca.pem")}
      verify: required
"""
    gateway.trunks = f"""\
  - name: tls-caller
    realm: secure
    peers: [{{transport: tls, address: {gateway.caller_ip}}}]
    codecs: [PCMU]
  - name: tls-callee
    realm: secure
    peers: [{{transport: tls, address: {gateway.callee_ip}, port: {CALLEE_PORT}}}]
    tls: {{server_name: {DOMAIN}}}
    codecs: [PCMU]
  - name: tls-stranger
    realm: secure
    peers: [{{transport: tls, address: {gateway.callee_ip}, port: {STRANGE_PORT}}}]
    tls: {{server_name: other.example.com}}
    codecs: [PCMU]
"""
    gateway.routes = """\
  - {prefix: "81", trunk: tls-callee}
  - {prefix: "82", trunk: tls-stranger}
"""
    flows.start(gateway)


class TlsPeer(TcpPeer):
    """A far end with a certificate; believes the CA."""

    transport = "TLS"

    def __init__(self, ip, port, name, numbers=None):
        self.name, self.asked_for = name, None
        super().__init__(ip, port, (flows.gateway.ip, PORT), numbers)

    def context(self, purpose):
        context = ssl.create_default_context(purpose, cafile=file_of("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        if self.name:
            context.load_cert_chain(file_of(f"{self.name}.pem"), file_of(f"{self.name}.key"))
        return context

    def connect(self):
        super().connect()
        self.connection = self.context(ssl.Purpose.SERVER_AUTH).wrap_socket(
            self.connection, server_hostname=self.gateway[0])

    def accept(self, timeout=2):
        super().accept(timeout)
        self.connection.settimeout(timeout)
        context = self.context(ssl.Purpose.CLIENT_AUTH)
        context.sni_callback = self.note_name
        self.connection = context.wrap_socket(self.connection, server_side=True)

    def note_name(self, _, name, __):
        self.asked_for = name

    def contact(self):
        return super().contact().replace("transport=tcp", "transport=tls")


class Caller(OverConnection, Flow):
    """A caller on TLS, a callee on UDP."""

    def our_via(self):
        return f"SIP/2.0/TLS {flows.gateway.ip}:{PORT};"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = TlsPeer(flows.gateway.caller_ip, 0, "caller")
        self.peers[0] = self.caller

    def test_caller_on_tls_hangs_up(self):
        call, invite = self.ring()
        self.assertIn("SIP/2.0/UDP", invite["via"])
        self.assertNotIn("transport=", invite["contact"])
        callee = self.answer(invite)
        caller = call.answered()
        self.assertIn(f":{PORT};transport=tls>", caller.answer["contact"])
        self.assertIn("SIP/2.0/TLS", caller.answer["via"])
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_caller_without_a_certificate_gets_no_answer(self):
        self.caller.name = None
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.caller.connect()
            self.caller.connection.settimeout(5)
            self.caller.connection.recv(1)
        flows.gateway.wait(lambda: "peer did not return a certificate" in flows.gateway.log("control"),
                           "the reason in the log")


class Sips(Flow):
    """Calls to a sips URI take TLS on both sides, or none."""

    callee_port, prefix = CALLEE_PORT, "81"

    def setUp(self):
        super().setUp()
        for peer in self.peers:
            peer.close()
        self.caller = TlsPeer(flows.gateway.caller_ip, 0, "caller")
        self.callee = TlsPeer(flows.gateway.callee_ip, self.callee_port, "callee", self.numbers)
        self.peers = [self.caller, self.callee]

    def test_call_is_sips_on_both_sides(self):
        call = OutgoingCall(self.caller, self.number, scheme="sips")
        self.callee.accept()
        invite = self.callee.expect("INVITE")
        self.assertTrue(invite.uri.startswith(f"sips:{self.number}@"))
        self.assertEqual(invite["contact"], f"<sips:{flows.gateway.ip}:{PORT}>")
        callee = self.answer(invite)
        caller = call.answered()
        self.assertEqual(caller.answer["contact"], f"<sips:{flows.gateway.ip}:{PORT}>")
        self.reinvite(callee, self.caller, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_cdr(status=200, ended_by="a")

    def test_call_does_not_leave_tls(self):
        self.prefix = "2"
        self.dial_next()
        OutgoingCall(self.caller, self.number, scheme="sips").refused(480)
        self.expect_cdr(status=480)

    def test_call_does_not_come_over_udp(self):
        caller = Peer(flows.gateway.caller_ip, 0, flows.gateway.address)
        self.peers.append(caller)
        OutgoingCall(caller, self.number, scheme="sips").refused(416)
        self.expect_cdr(status=416)


class Callee(Flow):
    """A caller on UDP, a callee on TLS."""

    callee_port, prefix = CALLEE_PORT, "81"

    def setUp(self):
        super().setUp()
        self.callee.close()
        self.callee = TlsPeer(flows.gateway.callee_ip, self.callee_port, "callee", self.numbers)
        self.peers[1] = self.callee

    def invite(self, *args, **kwargs):
        call = OutgoingCall(self.caller, self.number, *args, **kwargs)
        self.callee.accept()
        return call, self.callee.expect("INVITE")

    def test_callee_on_tls_is_called_and_hangs_up(self):
        call, invite = self.ring()
        self.assertEqual(self.callee.asked_for, DOMAIN)
        shown = self.callee.connection.getpeercert()["subjectAltName"]
        self.assertIn(("DNS", "gw.example.com"), shown)
        self.assertIn("SIP/2.0/TLS", invite["via"])
        self.assertIn(f":{PORT};transport=tls>", invite["contact"])
        callee = self.answer(invite)
        call.answered()
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="b")

    def test_next_call_takes_the_same_connection(self):
        _, callee = self.establish()
        self.dial_next()
        call = OutgoingCall(self.caller, self.number)
        invite = self.callee.expect("INVITE")
        self.callee.reply(invite, 486, "b2")
        self.callee.expect("ACK")
        call.refused(486)
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)


class Stranger(Flow):
    """A callee whose certificate is another's."""

    callee_port, prefix = STRANGE_PORT, "82"

    def test_callee_that_is_another_is_503(self):
        self.callee.close()
        self.callee = TlsPeer(flows.gateway.callee_ip, self.callee_port, "callee", self.numbers)
        self.peers[1] = self.callee
        call = OutgoingCall(self.caller, self.number)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.callee.accept()
            self.callee.connection.recv(1)
        call.refused(503)
        self.expect_cdr(status=503)
        self.assertIn("the certificate is not of other.example.com", flows.gateway.log("control"))


class Server(Flow):
    """What openssl s_client thinks of us, from a caller's address."""

    def s_client(self, *arguments):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"{flows.gateway.ip}:{PORT}",
             "-bind", f"{flows.gateway.caller_ip}:0", "-CAfile", file_of("ca.pem"),
             "-cert", file_of("caller.pem"), "-key", file_of("caller.key"),
             "-verify_return_error", "-verify_ip", flows.gateway.ip, *arguments],
            input="", capture_output=True, text=True, timeout=10, check=False).stdout

    def test_versions_of_tls_are_1_2_and_1_3(self):
        self.assertIn("New, TLSv1.3, Cipher is TLS_AES", self.s_client())
        said = self.s_client("-tls1_2")
        self.assertIn("New, TLSv1.2, Cipher is ECDHE-ECDSA-AES", said)
        self.assertIn("Verify return code: 0 (ok)", said)
        self.assertIn("Secure Renegotiation IS supported", said)
        self.assertIn("Cipher is (NONE)", self.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))

    def test_certificate_is_read_again(self):
        self.assertNotIn("CN = renewed", self.s_client())
        certificate_make(flows.gateway.path, "renewed", f"IP:{flows.gateway.ip},DNS:gw.example.com")
        for end in ("key", "pem"):
            os.replace(file_of(f"renewed.{end}"), file_of(f"gateway.{end}"))
        flows.gateway.processes["control"].send_signal(signal.SIGHUP)
        flows.gateway.wait(lambda: "event=reloaded" in flows.gateway.log("control"),
                           "the certificate to be read")
        self.assertIn("CN = renewed", self.s_client())

    def test_plain_tcp_is_closed(self):
        with socket.create_connection((flows.gateway.ip, PORT), 5,
                                      (flows.gateway.caller_ip, 0)) as plain:
            plain.sendall(b"OPTIONS sip:us SIP/2.0\r\n\r\n")
            try:
                self.assertNotIn(b"SIP", plain.recv(1000))
            except ConnectionError:
                pass


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
