#!/usr/bin/python3
"""Registrations of the gateway with carriers, and calls that come and go by them.

usage: flows_registration.py BUILD-FOLDER [PART OF A TEST'S NAME...]

Each test has a gateway of its own, whose carrier is the test.
"""
import re
import signal
import sys
import time
import unittest

import digest
import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

USER, PASSWORD, DOMAIN = "4930123", "correct horse", "carrier.example"
PORT, OTHER_PORT = 5080, 5081


def setUpModule():
    pass


def tearDownModule():
    pass


class Carrier(Flow):
    callee_port, prefix = PORT, "85"
    more = ""

    def setUp(self):
        gateway = Gateway(flows.build, 8)
        ip = gateway.callee_ip
        gateway.trunks = f"""\
  - name: carrier
    realm: lo
    peers: [{{address: {ip}, port: {PORT}}}, {{address: {ip}, port: {OTHER_PORT}}}]
    codecs: [PCMU]
    auth: {{user: "{USER}", password: {PASSWORD}}}
    register: {{user: "{USER}", domain: {DOMAIN}, expires_s: 60{self.more}}}
  - name: second
    realm: lo
    peers: [{{address: {ip}, port: {PORT}}}]
    codecs: [PCMU]
    register: {{user: other, domain: {DOMAIN}, expires_s: 60}}
"""
        gateway.routes = """\
  - {prefix: "85", trunk: carrier}
  - {prefix: "9", from: carrier, trunk: caller, strip: 1}
  - {prefix: "9", from: second, trunk: caller, strip: 1}
"""
        self.carriers = [Peer(ip, port, gateway.address) for port in (PORT, OTHER_PORT)]
        flows.start(gateway)
        super().setUp()
        self.carrier = self.callee = self.carriers[0]
        self.peers += self.carriers

    def callee_open(self):
        pass

    def tearDown(self):
        super().tearDown()
        outcome = self._outcome.result
        flows.gateway.stop(keep=any(test is self for test, _ in outcome.failures + outcome.errors))

    def register_expect(self, user=USER, timeout=3, carrier=None):
        """The next REGISTER of that user; those of others get an answer."""
        while True:
            request = (carrier or self.carrier).expect("REGISTER", timeout)
            if f"<sip:{user}@" in request["to"]:
                return request
            self.accept(request)

    def accept(self, request, seconds=60, extra=(), carrier=None):
        (carrier or self.carrier).reply(request, 200, "r", contact=False, extra=[
            f"Contact: {request['contact']};expires={seconds}", *extra])

    def registered(self, **kwargs):
        request = self.register_expect()
        self.accept(request, **kwargs)
        self.wait_state(True)
        return request

    def state(self, trunk="carrier"):
        return next(each for each in flows.gateway.ctl("registrations") if each["trunk"] == trunk)

    def wait_state(self, registered, trunk="carrier"):
        flows.gateway.wait(lambda: self.state(trunk)["registered"] == registered, "the registration")


# The base class opens a callee on the carrier's port: ours is there already.
class OneCarrier(Carrier):
    def setUp(self):
        self.callee_port = 0
        super().setUp()


class Register(OneCarrier):
    def test_registers_with_a_proof(self):
        first = self.register_expect()
        self.assertEqual(first.uri, f"sip:{DOMAIN}")
        self.assertEqual(first["expires"], "60")
        self.assertRegex(first["contact"], rf"^<sip:[a-z2-7]{{16}}@{re.escape(flows.gateway.ip)}:5060>$")
        self.carrier.reply(first, 401, "r", contact=False, extra=[
            f'WWW-Authenticate: Digest realm="{DOMAIN}", nonce="n", algorithm=SHA-256, qop="auth"'])
        again = self.register_expect()
        self.assertTrue(digest.is_right(again, "authorization", USER, PASSWORD))
        self.assertEqual((again.cseq, again["call-id"]), (first.cseq + 1, first["call-id"]))
        self.accept(again, seconds=2)
        self.wait_state(True)
        renewal = self.register_expect()  # with the same nonce, once more
        self.assertTrue(digest.is_right(renewal, "authorization", USER, PASSWORD))
        proof = digest.parse(renewal["authorization"])
        self.assertEqual((proof["nonce"], proof["nc"]), ("n", "00000002"))
        self.accept(renewal)
        self.assertNotIn(PASSWORD, flows.gateway.log("control"))

    def test_renews_in_time_with_a_higher_number(self):
        first = self.registered(seconds=4)
        began = time.time()
        again = self.register_expect()
        self.assertLess(time.time() - began, 2.5)
        self.assertEqual(again["call-id"], first["call-id"])
        self.assertGreater(again.cseq, first.cseq)
        self.assertEqual(again["contact"], first["contact"])

    def test_number_goes_on_after_a_proof(self):
        first = self.register_expect()
        self.carrier.reply(first, 401, "r", contact=False, extra=[
            f'WWW-Authenticate: Digest realm="{DOMAIN}", nonce="n"'])
        again = self.register_expect()
        self.accept(again, seconds=2)
        self.assertGreater(self.register_expect().cseq, again.cseq)

    def test_too_short_asks_for_longer(self):
        self.carrier.reply(self.register_expect(), 423, "r", contact=False, extra=["Min-Expires: 1800"])
        again = self.register_expect()
        self.assertEqual(again["expires"], "1800")
        self.accept(again, 1800)
        self.wait_state(True)
        self.assertGreater(self.state()["expires_s"], 1700)

    def test_next_peer_where_one_cannot(self):
        self.carrier.reply(self.register_expect(), 503, "r", contact=False)
        other = self.carriers[1]
        self.accept(self.register_expect(carrier=other), carrier=other)
        self.wait_state(True)
        self.assertTrue(self.state()["peer"].endswith(f":{OTHER_PORT}"))

    def test_all_have_failed_is_waited_for(self):
        self.carrier.reply(self.register_expect(), 503, "r", contact=False)
        other = self.carriers[1]
        other.reply(self.register_expect(carrier=other), 500, "r", contact=False)
        flows.gateway.wait(lambda: self.state()["state"] == "waiting", "the back-off")
        wait, = re.findall(r"event=registration_failed trunk=carrier status=500 retry_s=(\d+)",
                           flows.gateway.log("control"))
        self.assertTrue(15 <= int(wait) <= 30, wait)

    def test_refused_user_is_not_hammered(self):
        self.carrier.reply(self.register_expect(), 403, "r", contact=False)
        flows.gateway.wait(lambda: self.state()["state"] == "waiting", "the refusal")
        wait, = re.findall(r"event=registration_refused trunk=carrier status=403 retry_s=(\d+)",
                           flows.gateway.log("control"))
        self.assertGreaterEqual(int(wait), 150)
        self.assertEqual(self.state()["status"], 403)

    def test_taken_back_at_the_end(self):
        first = self.registered()
        flows.gateway.processes["control"].send_signal(signal.SIGTERM)
        last = self.register_expect()
        self.assertEqual((last["expires"], last["contact"]), ("0", first["contact"]))
        self.carrier.reply(last, 200, "r", contact=False)
        flows.gateway.processes.pop("control").wait(5)


class CallsByIt(OneCarrier):
    def test_service_route_is_taken(self):
        route = f"<sip:{self.carrier.ip}:{PORT};lr>, <sip:core.carrier.example;lr>"
        self.registered(extra=[f"Service-Route: {route}"])
        call = OutgoingCall(self.caller, self.number)
        while True:
            invite = self.carrier.receive(2)
            if invite.method == "INVITE":
                break
        self.assertEqual(invite["route"], route)
        self.carrier.reply(invite, 486, "b")
        self.carrier.expect("ACK")
        call.refused(486)

    def test_contact_says_which_account_is_called(self):
        contacts = {}
        while len(contacts) < 2:
            request = self.carrier.expect("REGISTER", 3)
            self.accept(request)
            contacts[re.search("<sip:(.*)@", request["to"]).group(1)] = request["contact"]
        self.wait_state(True)
        self.wait_state(True, "second")
        self.carrier.drain()
        # Both come from the same address; the Request-URI tells them apart, To what was dialled.
        for user, trunk in ((USER, "carrier"), ("other", "second")):
            uri = re.search("<([^>]+)>", contacts[user]).group(1)
            call = OutgoingCall(self.carrier, "9777", uri=uri)
            flows.gateway.wait(lambda: f"from=\"alice\" to=\"777\" trunk_a={trunk}" in
                               flows.gateway.log("control"), f"the call from {trunk}")
            call.refused(503)  # nobody is there


class Bulk(OneCarrier):
    more = ", bulk: yes"

    def test_all_numbers_at_once(self):
        request = self.register_expect()
        self.assertEqual((request["require"], request["proxy-require"]), ("gin", "gin"))
        self.assertEqual(request["contact"], f"<sip:{flows.gateway.ip}:5060;bnc>")
        self.accept(request)
        self.wait_state(True)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
