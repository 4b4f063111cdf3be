#!/usr/bin/python3
"""Users whose registrar is behind a trunk: the test is their phones and the registrar.

usage: flows_forward.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import re
import sys

import digest
import flows
from flows import Flow
from flows_register import PhoneMixin
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, TcpPeer, incoming_dialog

DOMAIN, BY_PATH = "phones.example", "path.example"
PORT, SILENT_PORT = 5070, 5071
PASSWORD = "open sesame"
NAT_S, UPSTREAM_S = 30, 600
PENDING = 4
CHALLENGES = [f'Digest realm="{DOMAIN}", nonce="one", algorithm={algorithm}, qop="auth", opaque="o,p"'
              for algorithm in ("SHA-256", "MD5")]
tearDownModule = flows.tearDownModule


def setUpModule():
    gateway = flows.gateway = Gateway(flows.build, 6)
    gateway.phone_ip, gateway.other_ip = gateway.ip[:-1] + "5", gateway.ip[:-1] + "6"
    ip = gateway.callee_ip
    rules = f"expires_min_s: 2, contacts: 3, ring_s: 1"
    forward = f"expires_s: {UPSTREAM_S}, nat_expires_s: {NAT_S}"
    gateway.trunks = f"""\
  - name: phones
    realm: lo
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, forward: {{trunk: pbx, {forward}}}, {rules}}}
  - name: by_path
    realm: lo
    codecs: [PCMU]
    users: {{domain: {BY_PATH}, forward: {{trunk: pbx, path: yes, {forward}}}, {rules}}}
  - name: two_domain
    realm: lo
    codecs: [PCMU]
    users: {{domain: two.example, forward: {{trunk: two, {forward}}}, {rules}}}
  - name: pbx
    realm: lo
    peers: [{{address: {ip}, port: {PORT}}}]
    codecs: [PCMU]
    failover: {{backoff_s: 0}}
  - name: two
    realm: lo
    peers: [{{address: {ip}, port: {SILENT_PORT}}}, {{address: {ip}, port: {PORT + 2}}}]
    codecs: [PCMU]
    failover: {{timeout_s: 1, backoff_s: 0}}
"""
    gateway.routes = f"""\
  - {{prefix: "9", from: phones, trunk: pbx}}
  - {{prefix: "9", from: by_path, trunk: pbx}}
limits: {{registers: {PENDING}}}
"""
    flows.start(gateway)


class Phone(PhoneMixin, Peer):
    pass


class TcpPhone(PhoneMixin, TcpPeer):
    pass


class Forward(Flow):
    domain = DOMAIN

    def setUp(self):
        super().setUp()
        gateway = flows.gateway
        self.pbx = Peer(gateway.callee_ip, PORT, gateway.address)
        self.peers.append(self.pbx)

    def phone(self, user="100", kind=Phone, ip=None):
        phone = kind(ip or flows.gateway.phone_ip, 0, flows.gateway.address).prepare(user)
        phone.domain, phone.registrar = self.domain, f"sip:{self.domain}"
        self.peers.append(phone)
        return phone

    def send(self, phone, *contacts, expires=60, extra=()):
        phone.register_send(contacts or [phone.contact_text()], extra, expires)

    def accept(self, request, seconds=UPSTREAM_S, extra=(), peer=None):
        contact = re.sub(r";expires=\d+", f";expires={seconds}", request["contact"])
        (peer or self.pbx).reply(request, 200, "r", contact=False, extra=[
            "Contact: <sip:elsewhere@192.0.2.1>;expires=7", f"Contact: {contact}", *extra])

    def registered(self, phone, *contacts, expires=60, phone_extra=(), **kwargs):
        """Accepted without a challenge. Returns what the registrar and the phone have got."""
        self.send(phone, *contacts, expires=expires, extra=phone_extra)
        request = self.pbx.expect("REGISTER")
        self.accept(request, **kwargs)
        return request, phone.expect(200)

    def bindings(self, user="100"):
        return [each for each in flows.gateway.ctl("bindings") if each["aor"] == f"{user}@{self.domain}"]

    def counter(self, name):
        return flows.gateway.ctl("counters")["registrar." + name]

    def accept_call(self, phone, invite, tag="b1"):
        phone.reply(invite, 200, tag, phone.sdp(), contact=False, extra=[f"Contact: {phone.contact_text()}"])
        phone.expect("ACK")
        return incoming_dialog(phone, invite, tag)


class Registering(Forward):
    def test_challenge_and_proof_pass_unharmed(self):
        phone = self.phone("110")
        self.send(phone)
        first = self.pbx.expect("REGISTER")
        self.assertEqual((first.uri, first["to"]), (f"sip:{DOMAIN}", f"<sip:110@{DOMAIN}>"))
        self.assertTrue(first["from"].startswith(f"<sip:110@{DOMAIN}>;tag="))
        self.assertRegex(first["contact"],
                         rf"^<sip:[a-z2-7]{{16}}@{re.escape(flows.gateway.ip)}:5060>;expires={UPSTREAM_S}$")
        self.assertEqual(len(first.all("via")), 1)
        self.assertNotIn("10.11.12.13", first.text)
        self.pbx.reply(first, 401, "r", contact=False,
                       extra=[f"WWW-Authenticate: {each}" for each in CHALLENGES])
        refusal = phone.expect(401)
        self.assertEqual(refusal.all("www-authenticate"), CHALLENGES)
        self.assertEqual(self.bindings("110"), [])
        value = digest.authorization(CHALLENGES[0], "110", PASSWORD, "REGISTER", phone.registrar)
        self.send(phone, extra=["Authorization: " + value])
        second = self.pbx.expect("REGISTER")
        self.assertEqual(second["authorization"], value)
        self.assertTrue(digest.is_right(second, "authorization", "110", PASSWORD))
        self.assertEqual((second["call-id"], second.cseq, second["contact"]),
                         (first["call-id"], first.cseq + 1, first["contact"]))
        self.accept(second, 500, ["Service-Route: <sip:inside.example;lr>",
                                  f"P-Associated-URI: <sip:110@{DOMAIN}>", "Authentication-Info: qop=auth"])
        answer = phone.expect(200)
        self.assertEqual(answer.all("contact"), [f"{phone.contact_text()};expires={NAT_S};q=1.000"])
        self.assertEqual(answer["p-associated-uri"], f"<sip:110@{DOMAIN}>")
        self.assertEqual(answer["authentication-info"], "qop=auth")
        self.assertNotIn("inside.example", answer.text)
        binding, = self.bindings("110")
        self.assertTrue(binding["nat"])
        self.assertIn(binding["upstream_expires_s"], range(490, 501))

    def test_renewal_by_the_same_flow_is_answered_here(self):
        phone = self.phone("111")
        self.registered(phone)
        before = self.counter("answered_here")
        self.send(phone)
        self.assertEqual(phone.expect(200)["contact"], f"{phone.contact_text()};expires={NAT_S};q=1.000")
        self.assertEqual(self.counter("answered_here"), before + 1)
        # It was not sent: what comes next is something else.
        self.send(phone, expires=0)
        self.assertIn(";expires=0", self.pbx.expect("REGISTER")["contact"])

    def test_another_flow_has_to_prove_itself(self):
        phone = self.phone("112")
        first, _ = self.registered(phone)
        thief = self.phone("112", ip=flows.gateway.other_ip)
        thief.register_id = phone.register_id
        thief.register_cseq = phone.register_cseq
        self.send(thief)
        request = self.pbx.expect("REGISTER")
        self.assertEqual(request["contact"], first["contact"])
        self.pbx.reply(request, 403, "r", contact=False)
        thief.expect(403)
        self.assertEqual(self.bindings("112")[0]["source"], f"{phone.ip}:{phone.port}")

    def test_renewal_reaches_the_registrar_while_there_is_time(self):
        phone = self.phone("113")
        self.registered(phone, seconds=2 * NAT_S - 1)
        self.registered(phone, seconds=UPSTREAM_S)
        self.send(phone)
        phone.expect(200)

    def test_what_the_registrar_grants_is_the_most(self):
        phone = self.phone("114")
        _, answer = self.registered(phone, seconds=7)
        self.assertIn(";expires=7;", answer["contact"])

    def test_long_wish_of_a_phone_without_nat(self):
        phone = self.phone("115")
        phone.natted = False
        request, answer = self.registered(phone, expires=3000, seconds=2000)
        self.assertIn(";expires=3000", request["contact"])
        self.assertIn(";expires=2000;", answer["contact"])

    def test_unregistering_is_forwarded(self):
        for contacts, wanted in ((["*"], "*"), ([], ";expires=0")):
            phone = self.phone("116")
            self.registered(phone)
            self.send(phone, *contacts, expires=0)
            request = self.pbx.expect("REGISTER")
            self.assertIn(wanted, request["contact"])
            self.assertEqual(len(self.bindings("116")), 1)
            self.pbx.reply(request, 200, "r", contact=False)
            self.assertIsNone(phone.expect(200)["contact"])
            self.assertEqual(self.bindings("116"), [])

    def test_refusals(self):
        # Of a source each: who does not exist may be guessing.
        for status, wanted in ((404, 404), (423, 423), (603, 603), (400, 500), (302, 500),
                               (503, 503), (500, 503), (504, 504)):
            phone = self.phone("117")
            self.send(phone)
            self.pbx.reply(self.pbx.expect("REGISTER"), status, "r", contact=False,
                           extra=["Min-Expires: 900"] if status == 423 else [])
            answer = phone.expect(wanted)
            self.assertEqual(answer["min-expires"], "900" if status == 423 else None)
            if status in (503, 504):
                self.assertIn(int(answer["retry-after"]), range(20, 40))
        self.assertEqual(self.bindings("117"), [])

    def test_short_wish_is_refused_here(self):
        phone = self.phone("118")
        self.send(phone, expires=1)
        self.assertEqual(phone.expect(423)["min-expires"], "2")

    def test_renewal_while_the_registrar_is_away(self):
        phone = self.phone("119")
        self.registered(phone, seconds=40)
        self.send(phone)
        self.pbx.reply(self.pbx.expect("REGISTER"), 503, "r", contact=False)
        self.assertIn(f";expires={NAT_S};", phone.expect(200)["contact"])

    def test_silent_peer_is_given_up_for_the_next(self):
        self.domain = "two.example"
        gateway = flows.gateway
        silent, speaking = (Peer(gateway.callee_ip, port, gateway.address) for port in (SILENT_PORT, PORT + 2))
        self.peers += [silent, speaking]
        phone = self.phone("120")
        self.send(phone)
        silent.expect("REGISTER")
        self.accept(speaking.expect("REGISTER", 4), peer=speaking)
        phone.expect(200)
        self.assertEqual(len(self.bindings("120")), 1)

    def test_flood_is_held_here(self):
        phones = [self.phone(f"13{n}") for n in range(PENDING + 1)]
        for phone in phones[:PENDING]:
            self.send(phone)
        requests = [self.pbx.expect("REGISTER") for _ in range(PENDING)]
        self.send(phones[PENDING])
        self.assertIsNotNone(phones[PENDING].expect(503)["retry-after"])
        for request in requests:
            self.accept(request)
        for phone in phones[:PENDING]:
            phone.expect(200)
        self.registered(phones[PENDING])

    def test_more_contacts_than_allowed_are_not_asked_for(self):
        phone = self.phone("121")
        self.send(phone, *[f"<sip:{name}@10.0.0.1>" for name in "abcd"])
        phone.expect(503)

    def test_several_contacts_have_a_name_each(self):
        phone = self.phone("122")
        self.send(phone, "<sip:a@10.0.0.1>;q=0.5", '<sip:b@10.0.0.1>;+sip.instance="<urn:uuid:b>"')
        request = self.pbx.expect("REGISTER")
        first, second = request.all("contact")
        self.assertIn(";q=0.500", first)
        self.assertIn(';+sip.instance="<urn:uuid:b>"', second)
        self.assertNotEqual(first[:24], second[:24])
        self.pbx.reply(request, 200, "r", contact=False, extra=[f"Contact: {first}", f"Contact: {second}"])
        self.assertEqual(len(phone.expect(200).all("contact")), 2)

    def test_gruu_of_the_registrar_is_the_phones(self):
        phone = self.phone("123")
        self.send(phone, '<sip:a@10.0.0.1>;+sip.instance="<urn:uuid:a>"', extra=["Supported: gruu"])
        request = self.pbx.expect("REGISTER")
        self.assertIn("gruu", request["supported"])
        gruu = f';pub-gruu="sip:123@{DOMAIN};gr=urn:uuid:a"'
        self.pbx.reply(request, 200, "r", contact=False, extra=[f"Contact: {request['contact']}{gruu}"])
        self.assertIn(gruu, phone.expect(200)["contact"])

    def test_over_tcp(self):
        phone = self.phone("124", TcpPhone)
        _, answer = self.registered(phone)
        self.assertIn(f";expires={NAT_S};", answer["contact"])
        self.assertEqual(self.bindings("124")[0]["transport"], "TCP")


class CallsToPhones(Forward):
    def token(self, request):
        return re.match("<sip:([^@]*)@", request["contact"]).group(1)

    def test_what_is_registered_leads_to_the_flow(self):
        phone = self.phone("140")
        token = self.token(self.registered(phone)[0])
        call = OutgoingCall(self.pbx, token)
        invite = phone.expect("INVITE")
        self.assertEqual((invite.uri, invite["to"]), ("sip:140@10.11.12.13:5099", f"<sip:140@{DOMAIN}>"))
        callee = self.accept_call(phone, invite)
        caller = call.answered()
        callee.send("BYE")
        self.pbx.reply(self.pbx.expect("BYE"), 200)
        phone.expect(200)
        self.assertEqual(flows.gateway.cdr_of("140")["status"], 200)

    def test_one_contact_of_several(self):
        phones = [self.phone("141"), self.phone("141")]
        tokens = [self.token(self.registered(phone, f"<sip:{name}@10.0.0.1>")[0])
                  for phone, name in zip(phones, "ab")]
        call = OutgoingCall(self.pbx, tokens[1])
        invite = phones[1].expect("INVITE")
        phones[1].reply(invite, 486, "x")
        phones[1].expect("ACK")
        call.refused(486)
        phones[0].expect_nothing(0.1)

    def test_nobody_has_that_name_any_more(self):
        OutgoingCall(self.pbx, "abcdefghijklmnop").refused(480)

    def test_names_are_the_registrars_only(self):
        token = self.token(self.registered(self.phone("142"))[0])
        OutgoingCall(self.caller, token).refused(404)

    def test_restart_forgets_and_the_next_renewal_mends_it(self):
        phone = self.phone("143")
        before = self.registered(phone)[0]
        flows.gateway.crash_control()
        flows.gateway.start_control()
        OutgoingCall(self.pbx, self.token(before)).refused(480)
        after = self.registered(phone)[0]
        self.assertEqual((after["contact"], after["call-id"], after.cseq),
                         (before["contact"], before["call-id"], before.cseq + 1))
        call = OutgoingCall(self.pbx, self.token(before))
        invite = phone.expect("INVITE")
        phone.reply(invite, 486, "x")
        phone.expect("ACK")
        call.refused(486)


class ByPath(Forward):
    domain = BY_PATH

    def test_path_leads_to_the_flow(self):
        phone = self.phone("150")
        request, answer = self.registered(phone)
        self.assertTrue(request["contact"].startswith(phone.contact_text()))
        self.assertRegex(request["path"], rf"^<sip:[a-z2-7]{{16}}@{re.escape(flows.gateway.ip)}:5060;lr>$")
        self.assertIn("path", request["supported"])
        self.assertIsNone(answer["path"])
        call = OutgoingCall(self.pbx, "150", uri=phone.contact_text()[1:-1], extra=[f"Route: {request['path']}"])
        invite = phone.expect("INVITE")
        self.assertEqual((invite.uri, invite["route"]), (phone.contact_text()[1:-1], None))
        phone.reply(invite, 486, "x")
        phone.expect("ACK")
        call.refused(486)


class CallsOfPhones(Forward):
    def setUp(self):
        super().setUp()
        self.number = f"9{next(flows.numbers)}"

    def call(self, phone, **kwargs):
        return OutgoingCall(phone, self.number, from_user=phone.user, uri=f"sip:{self.number}@{DOMAIN}",
                            **kwargs)

    def test_service_route_is_followed(self):
        phone = self.phone("160")
        self.registered(phone, extra=["Service-Route: <sip:one.example;lr>, <sip:two.example;lr>"])
        call = self.call(phone)
        invite = self.pbx.expect("INVITE")
        self.assertEqual(invite.all("route"), ["<sip:one.example;lr>, <sip:two.example;lr>"])
        self.assertTrue(invite["from"].startswith(f"<sip:160@{DOMAIN}>;tag="))
        self.assertEqual((invite.uri, invite["to"]),
                         (f"sip:{self.number}@{DOMAIN}", f"<sip:{self.number}@{DOMAIN}>"))
        self.pbx.reply(invite, 486, "x")
        self.pbx.expect("ACK")
        call.refused(486)

    def test_proof_for_a_call_passes(self):
        phone = self.phone("161")
        self.registered(phone)
        call = self.call(phone)
        invite = self.pbx.expect("INVITE")
        self.pbx.reply(invite, 407, "x", extra=[f"Proxy-Authenticate: {CHALLENGES[1]}"])
        self.pbx.expect("ACK")
        self.assertEqual(call.refused(407)["proxy-authenticate"], CHALLENGES[1])
        value = digest.authorization(CHALLENGES[1], "161", PASSWORD, "INVITE", f"sip:{self.number}@{DOMAIN}")
        call = self.call(phone, extra=["Proxy-Authorization: " + value])
        invite = self.pbx.expect("INVITE")
        self.assertTrue(digest.is_right(invite, "proxy-authorization", "161", PASSWORD))
        self.pbx.reply(invite, 200, "b1", self.pbx.sdp())
        self.pbx.expect("ACK")
        callee = incoming_dialog(self.pbx, invite, "b1")
        caller = call.answered()
        callee.send("BYE")
        phone.reply(phone.expect("BYE"), 200)
        self.pbx.expect(200)

    def test_who_has_not_registered_does_not_call(self):
        self.registered(self.phone("162"))
        stranger = self.phone("162", ip=flows.gateway.other_ip)
        self.call(stranger).refused(403)
        self.pbx.expect_nothing(0.1)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
