#!/usr/bin/python3
"""Users who register: bindings, and calls to and from them.

usage: flows_register.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import base64
import os
import re
import sys
import time
import uuid

import digest
import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer, TcpPeer, incoming_dialog

DOMAIN = "phones.example"
USERS = {"100": "sesame", "101": "open", "102": "wide", "103": "shut"}
more = ""  # of the trunk's rules for users
tearDownModule = flows.tearDownModule


def secret_write(gateway, name, text):
    path = gateway.path(name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def users_write(gateway):
    return secret_write(gateway, "users.yaml", "users:\n" + "".join(
        f'  - {{user: "{user}", password: {password}}}\n' for user, password in USERS.items()))


def setUpModule():
    gateway = flows.gateway = Gateway(flows.build, 7)
    gateway.phone_ip, gateway.guesser_ip = gateway.ip[:-1] + "5", gateway.ip[:-1] + "8"
    path = users_write(gateway)
    gateway.trunks = f"""\
  - name: phones
    realm: lo
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, file: {path}, expires_min_s: 2, contacts: 4, ring_s: 1{more}}}
  - name: redirected
    realm: lo
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, file: {path}, redirect: yes}}
"""
    gateway.trunks += f"""\
  - name: sealed
    realm: lo
    codecs: [PCMU]
    srtp: required
    srtp_suites: [AES_CM_128_HMAC_SHA1_80]
    users: {{domain: {DOMAIN}, file: {path}}}
"""
    gateway.routes = """\
  - {prefix: "88", trunk: sealed, strip: 2}
  - {prefix: "84", trunk: phones, strip: 2}
  - {prefix: "87", trunk: redirected, strip: 2}
auth: {failures: 5, ban_s: 600}
"""
    flows.start(gateway)


class PhoneMixin:
    """A user agent that registers; its Via and Contact say an address that it does not have."""

    domain = DOMAIN
    registrar = f"sip:{DOMAIN}"
    natted = True

    def take(self, timeout):
        """Without what keeps the way open."""
        end = time.time() + timeout
        while True:
            taken = super().take(max(end - time.time(), 0.001))
            if taken is None or taken[0].strip():
                return taken

    def prepare(self, user):
        self.user, self.register_id, self.register_cseq = user, uuid.uuid4().hex, 0
        return self

    def contact_text(self):
        return f"<sip:{self.user}@{self.contact_host()}>"

    def contact_host(self):
        return "10.11.12.13:5099" if self.natted else f"{self.ip}:{self.port}"

    def register_send(self, contacts, extra=(), expires=None):
        self.register_cseq += 1
        aor = f"<sip:{self.user}@{self.domain}>"
        lines = [f"REGISTER {self.registrar} SIP/2.0",
                 f"Via: SIP/2.0/{self.transport} {self.contact_host()};rport;branch=z9hG4bK{uuid.uuid4().hex}",
                 "Max-Forwards: 70", f"From: {aor};tag={uuid.uuid4().hex[:8]}", f"To: {aor}",
                 f"Call-ID: {self.register_id}", f"CSeq: {self.register_cseq} REGISTER"]
        lines += [f"Contact: {contact}" for contact in contacts]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        self.send("\r\n".join([*lines, *extra, "Content-Length: 0", "", ""]))

    def register(self, *contacts, password=None, extra=(), expires=60, want=200):
        """The whole exchange: refused, then with a proof. Returns the last response."""
        contacts = contacts or [self.contact_text()]
        self.register_send(contacts, extra, expires)
        refusal = self.expect(401)
        value = digest.authorization(refusal["www-authenticate"], self.user,
                                     password or USERS.get(self.user, "x"), "REGISTER", self.registrar)
        self.register_send(contacts, [*extra, "Authorization: " + value], expires)
        return self.expect(want)

    def unregister(self):
        return self.register("*", expires=0)


class Phone(PhoneMixin, Peer):
    pass


class TcpPhone(PhoneMixin, TcpPeer):
    pass


class Registered(Flow):
    prefix = "84"

    def setUp(self):
        super().setUp()
        self.phones = []

    def tearDown(self):
        super().tearDown()
        for binding in flows.gateway.ctl("bindings"):
            Phone(flows.gateway.phone_ip, 0, flows.gateway.address).prepare(
                binding["aor"].partition("@")[0]).unregister()

    def phone(self, user="100", kind=Phone, ip=None):
        phone = kind(ip or flows.gateway.phone_ip, 0, flows.gateway.address).prepare(user)
        self.peers.append(phone)
        return phone

    def bindings(self):
        return flows.gateway.ctl("bindings")

    def dial(self, user):
        self.number = self.prefix + user
        self.numbers.add(self.number)

    def registered(self, *contacts, user="100", kind=Phone, **kwargs):
        phone = self.phone(user, kind)
        phone.register(*contacts, **kwargs)
        return phone

    def accept(self, phone, invite, tag="b1"):
        """As a phone behind NAT does, which does not know its address."""
        phone.reply(invite, 200, tag, phone.sdp(), contact=False, extra=[f"Contact: {phone.contact_text()}"])
        phone.expect("ACK")
        return incoming_dialog(phone, invite, tag)

    def end(self, caller, phone):
        caller.send("BYE")
        phone.reply(phone.expect("BYE"), 200)
        caller.peer.expect(200)


class Bindings(Registered):
    def test_proof_binds_a_contact(self):
        phone = self.phone()
        answer = phone.register(expires=60)
        self.assertRegex(answer["contact"], r"^<sip:100@10\.11\.12\.13:5099>;expires=60;q=1\.000$")
        binding, = self.bindings()
        self.assertEqual(binding["aor"], f"100@{DOMAIN}")
        self.assertEqual(binding["source"], f"{phone.ip}:{phone.port}")
        self.assertTrue(binding["nat"])
        self.assertIsNone(phone.unregister()["contact"])
        self.assertEqual(self.bindings(), [])

    def test_challenge_is_the_registrars(self):
        phone = self.phone()
        phone.register_send([phone.contact_text()])
        refusal = phone.expect(401)
        offered = [digest.parse(value) for value in refusal.all("www-authenticate")]
        self.assertEqual([(each["algorithm"], each["realm"]) for each in offered],
                         [("SHA-256", DOMAIN), ("MD5", DOMAIN)])
        self.assertEqual(self.bindings(), [])

    def test_wrong_password_and_unknown_user_look_alike(self):
        for user, password in (("100", "x"), ("900", "sesame")):
            answer = self.phone(user).register(password=password, want=401)
            self.assertNotIn("stale", digest.parse(answer["www-authenticate"]))
        self.assertEqual(self.bindings(), [])

    def test_users_register_themselves_only(self):
        phone = self.phone("101")
        phone.register_send([phone.contact_text()])
        value = digest.authorization(phone.expect(401)["www-authenticate"], "100", USERS["100"],
                                     "REGISTER", phone.registrar)
        phone.register_send([phone.contact_text()], ["Authorization: " + value])
        phone.expect(403)

    def test_too_short_is_423(self):
        self.assertEqual(self.phone().register(expires=1, want=423)["min-expires"], "2")

    def test_time_runs_out(self):
        self.phone().register(expires=2)
        self.assertEqual(len(self.bindings()), 1)
        flows.gateway.wait(lambda: not self.bindings(), "the binding to expire", 4)
        self.assertIn(f"event=expired aor=100@{DOMAIN}", flows.gateway.log("control"))

    def test_several_contacts(self):
        answer = self.phone().register("<sip:a@10.0.0.1>;q=0.1", "<sip:b@10.0.0.2>;q=0.9, <sip:c@10.0.0.3>")
        self.assertEqual([re.match("<sip:(.)@", each).group(1) for each in answer.all("contact")],
                         ["c", "b", "a"])
        self.assertEqual(len(self.bindings()), 3)

    def test_who_guesses_is_not_heard_any_more(self):
        guesser = self.phone("100", ip=flows.gateway.guesser_ip)
        for _ in range(5):
            guesser.register(password="guess", want=401)
        guesser.register_send([guesser.contact_text()])
        guesser.expect_nothing(0.3)
        self.assertIn("event=banned source=" + guesser.ip, flows.gateway.log("control"))
        self.phone().register()

    def test_strangers_are_asked_before_they_call(self):
        phone = self.phone()
        OutgoingCall(phone, self.number).refused(407)
        self.assertEqual([cdr for cdr in flows.gateway.cdrs() if cdr["to"] == self.number], [])

    def test_over_tcp(self):
        phone = self.phone(kind=TcpPhone)
        phone.register()
        self.assertEqual(self.bindings()[0]["transport"], "TCP")



class Calls(Registered):
    """The caller of a trunk dials a registered user."""

    def setUp(self):
        super().setUp()
        self.dial("100")

    def call(self, **kwargs):
        return OutgoingCall(self.caller, self.number, **kwargs)

    def cancelled(self, phone, invite):
        cancel = phone.expect("CANCEL")
        phone.reply(cancel, 200)
        phone.reply(invite, 487, "no")
        phone.expect("ACK")
        return cancel

    def test_user_is_reached_where_it_came_from(self):
        phone = self.registered()
        call = self.call()
        invite = phone.expect("INVITE")
        self.assertEqual(invite.uri, "sip:100@10.11.12.13:5099")
        self.assertEqual(invite["to"], f"<sip:100@{DOMAIN}>")
        callee = self.accept(phone, invite)
        caller = call.answered()
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        call = self.call()
        invite = phone.expect("INVITE")
        self.accept(phone, invite, "b2")
        self.end(call.answered(), phone)

    def test_first_to_answer_wins(self):
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "ab"]
        call = self.call()
        first, second = [phone.expect("INVITE") for phone in phones]
        self.assertNotEqual(first["call-id"], second["call-id"])
        phones[0].reply(first, 180, "a1")
        self.caller.expect(180)
        self.accept(phones[1], second)
        caller = call.answered()
        cancel = self.cancelled(phones[0], first)
        self.assertEqual(cancel["reason"], 'SIP;cause=200;text="Call completed elsewhere"')
        self.end(caller, phones[1])

    def test_second_answer_is_ended(self):
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "ab"]
        call = self.call()
        first, second = [phone.expect("INVITE") for phone in phones]
        phones[0].reply(first, 180, "a1")
        self.caller.expect(180)
        self.accept(phones[1], second)
        caller = call.answered()
        phones[0].reply(first, 200, "a1", phones[0].sdp())
        phones[0].reply(phones[0].expect("CANCEL"), 200)
        phones[0].expect("ACK")
        phones[0].reply(phones[0].expect("BYE"), 200)
        self.caller.expect_nothing(0.1)
        self.end(caller, phones[1])

    def test_lower_q_comes_later(self):
        first = self.registered("<sip:a@10.0.0.1>;q=0.9")
        later = self.registered("<sip:b@10.0.0.1>;q=0.2")
        call = self.call()
        invite = first.expect("INVITE")
        first.reply(invite, 180, "a1")
        self.caller.expect(180)
        later.expect_nothing(0.1)
        first.reply(invite, 486, "a1")
        first.expect("ACK")
        self.accept(later, later.expect("INVITE"))
        self.end(call.answered(), later)

    def test_who_rings_for_ever_is_given_up(self):
        first = self.registered("<sip:a@10.0.0.1>;q=0.9")
        later = self.registered("<sip:b@10.0.0.1>;q=0.2")
        call = self.call()
        invite = first.expect("INVITE")
        first.reply(invite, 180, "a1")
        self.caller.expect(180)
        began = time.time()
        second = later.expect("INVITE", 3)
        self.assertGreater(time.time() - began, 0.7)
        self.cancelled(first, invite)
        self.accept(later, second)
        self.end(call.answered(), later)

    def test_best_refusal_is_the_callers(self):
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "abc"]
        call = self.call()
        for phone, status in zip(phones, (503, 480, 500)):
            phone.reply(phone.expect("INVITE"), status, "x")
            phone.expect("ACK")
        call.refused(480)

    def test_6xx_speaks_for_all(self):
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "ab"]
        later = self.registered("<sip:c@10.0.0.1>;q=0.1")
        call = self.call()
        first, second = [phone.expect("INVITE") for phone in phones]
        phones[1].reply(second, 180, "b1")
        self.caller.expect(180)
        phones[0].reply(first, 603, "a1")
        phones[0].expect("ACK")
        self.cancelled(phones[1], second)
        call.refused(603)
        later.expect_nothing(0.1)

    def test_caller_gives_up(self):
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "ab"]
        call = self.call()
        invites = [phone.expect("INVITE") for phone in phones]
        for phone, invite in zip(phones, invites):
            phone.reply(invite, 180, "x" + phone.register_id[:4])
        self.caller.expect(180)
        call.cancel(extra=["Reason: SIP;cause=487"])
        call.refused(487)
        for phone, invite in zip(phones, invites):
            self.assertEqual(self.cancelled(phone, invite)["reason"], "SIP;cause=487")

    def test_nobody_there(self):
        self.call().refused(480)
        self.dial("999")
        self.call().refused(404)

    def test_over_the_connection_it_opened(self):
        phone = self.registered(kind=TcpPhone)
        call = self.call()
        invite = phone.expect("INVITE")
        self.accept(phone, invite)
        self.end(call.answered(), phone)
        phone.disconnect()
        call = self.call()
        call.refused(480, 8)
        self.assertEqual(self.bindings(), [])
        self.assertIn("event=flow_failed", flows.gateway.log("control"))

    def test_port_that_changes_behind_nat(self):
        phone = self.registered()
        call = self.call()
        callee = self.accept(phone, phone.expect("INVITE"))
        caller = call.answered()
        callee.peer = self.phone()
        callee.send("OPTIONS")
        callee.peer.expect(200)
        self.end(caller, callee.peer)
        phone.expect_nothing(0.1)

    def test_path_is_the_route(self):
        phone = self.phone()
        path = f"<sip:{phone.ip}:{phone.port};lr>"
        phone.register("<sip:100@10.0.0.9>", extra=["Supported: path", f"Path: {path}"])
        call = self.call()
        invite = phone.expect("INVITE")
        self.assertEqual((invite.uri, invite["route"]), ("sip:100@10.0.0.9", path))
        phone.reply(invite, 486, "x")
        phone.expect("ACK")
        call.refused(486)

    def test_gruu_is_for_one_instance(self):
        phones = []
        for name in "ab":
            phones.append(self.phone())
            phones[-1].register(f'<sip:{name}@10.0.0.1>;reg-id=1;+sip.instance="<urn:uuid:{name}>"',
                                extra=["Supported: outbound, gruu"])
        call = self.call(parameters=";gr=urn:uuid:b")
        invite = phones[1].expect("INVITE")
        phones[0].expect_nothing(0.1)
        phones[1].reply(invite, 486, "x")
        phones[1].expect("ACK")
        call.refused(486)


class Sealed(Registered):
    prefix = "88"

    def answer_sealed(self, phone, invite, tag, status=200):
        (number, suite, _), = invite.sdp_keys()
        key = base64.b64encode(os.urandom(30)).decode()
        body = phone.sdp(proto="RTP/SAVP", extra=[f"a=crypto:{number} {suite} inline:{key}"])
        phone.reply(invite, status, tag, body, contact=False, extra=[f"Contact: {phone.contact_text()}"])

    def test_each_phone_is_offered_keys_of_its_own(self):
        self.dial("100")
        phones = [self.registered(f"<sip:{name}@10.0.0.1>") for name in "abc"]
        call = OutgoingCall(self.caller, self.number)
        invites = [phone.expect("INVITE") for phone in phones]
        keys = [invite.sdp_keys()[0][2] for invite in invites]
        self.assertEqual(len(set(keys)), 3)
        phones[2].reply(invites[2], 180, "c")
        self.caller.expect(180)
        # Early media of one, the answer of another: what follows is under the key of that one.
        self.answer_sealed(phones[1], invites[1], "b", 183)
        self.caller.expect(183)
        self.answer_sealed(phones[0], invites[0], "a")
        phones[0].expect("ACK")
        caller = call.answered()
        for phone, invite in zip(phones[1:], invites[1:]):
            phone.reply(phone.expect("CANCEL"), 200)
            phone.reply(invite, 487, "b" if phone is phones[1] else "c")
            phone.expect("ACK")
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2))
        again = phones[0].expect("INVITE")
        self.assertEqual(again.sdp_keys()[0][2], keys[0])
        self.answer_sealed(phones[0], again, None)
        phones[0].expect("ACK")
        self.caller.expect(200)
        caller.send("ACK")
        self.end(caller, phones[0])


class Redirected(Registered):
    prefix = "87"

    def test_caller_is_told_where_the_user_is(self):
        self.registered("<sip:a@10.0.0.1>;q=0.3", "<sip:b@10.0.0.2>;q=0.7")
        response = OutgoingCall(self.caller, self.prefix + "100").refused(302)
        self.assertEqual(response.all("contact"),
                         ["<sip:b@10.0.0.2>;q=0.700", "<sip:a@10.0.0.1>;q=0.300"])


class Outgoing(Registered):
    """A registered user calls."""

    def setUp(self):
        super().setUp()
        self.number = f"2{next(flows.numbers)}"
        self.numbers.add(self.number)

    def call_with_proof(self, phone, **kwargs):
        call = OutgoingCall(phone, self.number, from_user="liar", extra=[
            "P-Asserted-Identity: <sip:president@example.com>"])
        refusal = call.refused(407)
        value = digest.authorization(refusal["proxy-authenticate"], phone.user, USERS[phone.user],
                                     "INVITE", call.uri)
        return OutgoingCall(phone, self.number, from_user="liar", extra=[
            "Proxy-Authorization: " + value, "P-Asserted-Identity: <sip:president@example.com>"])

    def test_user_is_known_by_its_proof(self):
        phone = self.registered()
        call = self.call_with_proof(phone)
        invite = self.callee.expect("INVITE")
        self.assertEqual(invite.all("p-asserted-identity"),
                         [f"<sip:100@{flows.gateway.ip}:5060>"])
        self.assertTrue(invite["from"].startswith(f"<sip:100@{flows.gateway.ip}:5060>;tag="))
        callee = self.answer(invite)
        caller = call.answered()
        callee.send("BYE")
        phone.reply(phone.expect("BYE"), 200)
        self.callee.expect(200)
        self.expect_cdr(status=200)

    def test_one_user_calls_another(self):
        caller_phone, phone = self.registered(user="101"), self.registered(user="100")
        self.dial("100")
        call = self.call_with_proof(caller_phone)
        invite = phone.expect("INVITE")
        self.assertIn("<sip:101@", invite["from"])
        self.accept(phone, invite)
        self.end(call.answered(), phone)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
