#!/usr/bin/python3
"""Requests beside calls: MESSAGE, PUBLISH, NOTIFY that nobody has subscribed to.

usage: flows_messages.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import sys
import unittest
import uuid

import digest
import flows
import flows_register
from flows import Flow
from flows_register import DOMAIN, Phone
from gateway import Gateway
from sip_peer import Peer, new_branch

SENDER, TAKER, FIRST, SECOND, CLOSED, ASKED, SHUT = 5090, 5070, 5071, 5072, 5073, 5074, 5075
ALL = "[message, publish, notify]"
tearDownModule = flows.tearDownModule


def trunk(name, ip, *ports, **more):
    peers = ", ".join(f"{{address: {ip}, port: {port}}}" for port in ports)
    lines = [f"  - name: {name}", "    realm: lo", f"    peers: [{peers}]", "    codecs: [PCMU]"]
    return "\n".join(lines + [f"    {key}: {value}" for key, value in more.items()]) + "\n"


def setUpModule():
    gateway = Gateway(flows.build, 8)
    gateway.phone_ip = gateway.ip[:-1] + "5"
    password = flows_register.secret_write(gateway, "password", "correct horse")
    users = flows_register.users_write(gateway)
    callee = gateway.callee_ip
    gateway.trunks = (
        trunk("sender", gateway.caller_ip, SENDER, trusted="yes", requests=ALL) +
        trunk("taker", callee, TAKER, requests=ALL, failover="{backoff_s: 0}",
              headers_out="[{set: X-Gateway, value: gw1, when: {method: MESSAGE}}]") +
        trunk("pair_of", callee, FIRST, SECOND, requests=ALL,
              failover="{timeout_s: 1, backoff_s: 0}") +
        trunk("pair_shut", callee, SHUT, SHUT + 1, requests=ALL, failover="{backoff_s: 0}") +
        trunk("closed", callee, CLOSED) +
        trunk("asks", callee, ASKED, requests=ALL,
              auth=f'{{user: gw, password_file: {password}, realm: carrier}}') + f"""\
  - name: phones
    realm: lo
    codecs: [PCMU]
    requests: {ALL}
    users: {{domain: {DOMAIN}, file: {users}}}
""")
    gateway.routes = "".join(f'  - {{prefix: "{prefix}", trunk: {name}}}\n' for prefix, name in (
        ("81", "taker"), ("82", "pair_of"), ("83", "closed"), ("85", "asks"), ("87", "pair_shut"))) + """\
  - {prefix: "84", trunk: phones, strip: 2}
  - {prefix: "86", trunks: [closed, taker]}
limits: {requests: 3}
"""
    flows.start(gateway)


class Requests(unittest.TestCase):
    port = TAKER

    def setUp(self):
        gateway = flows.gateway
        self.peers = []
        self.sender = self.peer(gateway.caller_ip, SENDER)
        self.taker = self.peer(gateway.callee_ip, self.port)
        self.before = gateway.ctl("counters")

    def tearDown(self):
        for peer in self.peers:
            peer.close()
        self.assertTrue(flows.gateway.alive())

    def peer(self, ip, port):
        self.peers.append(Peer(ip, port, flows.gateway.address))
        return self.peers[-1]

    def send(self, method="MESSAGE", number="811", body="hello", extra=None, sender=None, uri=None):
        sender = sender or self.sender
        uri = uri or f"sip:{number}@{flows.gateway.ip}"
        if extra is None:
            extra = ["Content-Type: text/plain"] if body else []
        self.values = (uuid.uuid4().hex, f'"Alice" <sip:alice@{sender.ip}>;tag=a1', f"<{uri}>")
        sender.send(sender.request(method, uri, self.values, 1, new_branch(), body, extra))

    def gained(self, name):
        return flows.gateway.ctl("counters")[name] - self.before[name]

    def idle(self):
        """Nothing is left of what was relayed."""
        flows.gateway.wait(lambda: flows.gateway.ctl("counters")["request.active_now"] == 0,
                           "the end of all requests")


class Message(Requests):
    def test_body_arrives_unharmed_and_the_answer_comes_back(self):
        body = "Gr\u00fc\u00dfe \U0001f600\r\n\r\n--x \t"
        self.send(body=body, extra=['Content-Type: text/plain; charset="utf-8"', "Subject: hi",
                                    "Content-Language: de", "Expires: 60"])
        message = self.taker.expect("MESSAGE")
        self.assertEqual((message.body, message["content-type"]),
                         (body, 'text/plain; charset="utf-8"'))
        self.assertEqual((message["subject"], message["content-language"], message["expires"]),
                         ("hi", "de", "60"))
        self.assertEqual(message["max-forwards"], "69")
        self.taker.reply(message, 202, "t1")
        answer = self.sender.expect(202)
        self.assertIsNone(answer["contact"])  # RFC 3428 7
        self.idle()
        self.assertEqual(self.gained("request.relayed"), 1)
        self.assertEqual(self.gained("request.refused"), 0)

    def test_nothing_of_one_side_is_seen_by_the_other(self):
        self.send(extra=["Content-Type: text/plain", "X-Secret: of-a", "User-Agent: phone-of-a",
                         "In-Reply-To: call@10.0.0.9", "Call-Info: <http://of-a/>"])
        message = self.taker.expect("MESSAGE")
        for secret in (self.sender.ip, self.values[0], "tag=a1", "of-a", "10.0.0.9"):
            self.assertNotIn(secret, message.text)
        self.assertIsNone(message["contact"])
        self.taker.reply(message, 200, "secret-tag", extra=["Server: of-b", "X-Secret: of-b"])
        answer = self.sender.expect(200)
        for secret in (self.taker.ip, "secret-tag", "of-b"):
            self.assertNotIn(secret, answer.text)

    def test_rules_and_identity_apply(self):
        self.send(extra=["Content-Type: text/plain", f"P-Asserted-Identity: <sip:1@{self.sender.ip}>",
                         "Privacy: id"])
        message = self.taker.expect("MESSAGE")
        self.assertEqual(message["x-gateway"], "gw1")
        self.assertIsNone(message["p-asserted-identity"])  # the taker is not trusted
        self.assertIn("anonymous.invalid", message["from"])
        self.taker.reply(message, 200, "t1")
        self.sender.expect(200)

    def test_refusals_come_back(self):
        for theirs, ours, extra, header in (
                (404, 404, [], None), (603, 603, [], None), (302, 480, [], None),
                (481, 500, [], None), (401, 403, [], None),
                (415, 415, ["Accept: text/plain"], "accept")):
            self.send()
            self.taker.reply(self.taker.expect("MESSAGE"), theirs, "t1", extra=extra)
            answer = self.sender.expect(ours)
            self.assertNotIn(self.taker.ip, answer.text)
            if header:
                self.assertIn(f"{header}: {answer[header]}", [e.lower() for e in extra])
        self.idle()

    def test_repeated_message_is_sent_once(self):
        uri = f"sip:811@{flows.gateway.ip}"
        values = (uuid.uuid4().hex, f"<sip:a@{self.sender.ip}>;tag=1", f"<{uri}>")
        text = self.sender.request("MESSAGE", uri, values, 1, new_branch(), "x",
                                   ["Content-Type: text/plain"])
        self.sender.send(text)
        message = self.taker.expect("MESSAGE")
        self.sender.send(text)
        self.taker.reply(message, 200, "t1")
        self.sender.expect(200)
        self.assertEqual(self.gained("request.relayed"), 1)

    def test_who_may_not_is_405_with_what_is_allowed(self):
        other = self.peer(flows.gateway.caller_ip, 0)
        self.send(sender=other)
        self.assertNotIn("MESSAGE", other.expect(405)["allow"])
        self.send(method="OPTIONS", body="")
        self.assertIn("NOTIFY, MESSAGE, PUBLISH", self.sender.expect(200)["allow"])

    def test_trunk_that_does_not_take_them_is_405_and_passed_by(self):
        self.send(number="831")
        self.sender.expect(405)
        self.send(number="861")
        self.taker.reply(self.taker.expect("MESSAGE"), 200, "t1")
        self.sender.expect(200)

    def test_what_must_be_refused_is(self):
        for number, extra, status in (("991", [], 404), ("811", ["Max-Forwards: 0"], 483),
                                      ("811", ["Require: moon"], 420)):
            self.send(number=number, extra=["Content-Type: text/plain", *extra])
            self.sender.expect(status)
        self.taker.expect_nothing(0.2)
        self.idle()

    def test_no_more_than_the_limit_wait(self):
        messages = []
        for _ in range(3):
            self.send()
            messages.append(self.taker.expect("MESSAGE"))
        self.send()
        self.assertEqual(self.sender.expect(503)["retry-after"], "5")
        for message in messages:
            self.taker.reply(message, 200, "t1")
            self.sender.expect(200)
        self.idle()
        self.send()
        self.taker.reply(self.taker.expect("MESSAGE"), 200, "t1")
        self.sender.expect(200)

    def test_it_is_in_the_log_and_the_status(self):
        self.send()
        self.taker.reply(self.taker.expect("MESSAGE"), 299, "t1")
        self.sender.expect(299)
        flows.gateway.wait(lambda: "method=MESSAGE from=sender to=taker status=299 tried=1" in
                           flows.gateway.log("control"), "the line of the log")
        status = flows.gateway.ctl("status")["requests"]
        self.assertGreaterEqual(status["relayed"], 1)


class Failover(Requests):
    port = FIRST

    def setUp(self):
        super().setUp()
        self.second = self.peer(flows.gateway.callee_ip, SECOND)

    def test_503_goes_to_the_next(self):
        self.send(number="821")
        first = self.taker.expect("MESSAGE")
        self.taker.reply(first, 503, "t1")
        second = self.second.expect("MESSAGE")
        self.assertNotEqual(first["call-id"], second["call-id"])
        self.assertEqual(first.body, second.body)
        self.second.reply(second, 200, "t1")
        self.sender.expect(200)

    def test_silence_goes_to_the_next(self):
        self.send(number="821")
        self.taker.expect("MESSAGE")
        second = self.second.expect("MESSAGE", 4)
        self.second.reply(second, 200, "t1")
        self.sender.expect(200)
        self.idle()

    def test_last_word_is_the_answer(self):
        first = self.peer(flows.gateway.callee_ip, SHUT)
        second = self.peer(flows.gateway.callee_ip, SHUT + 1)
        self.send(number="871")
        first.reply(first.expect("MESSAGE"), 503, "t1")
        second.reply(second.expect("MESSAGE"), 503, "t1", extra=["Retry-After: 60"])
        self.assertEqual(self.sender.expect(503)["retry-after"], "60")
        self.send(number="871")  # the second has asked to be left alone
        first.reply(first.expect("MESSAGE"), 503, "t1")
        self.sender.expect(503)


class Asked(Requests):
    port = ASKED

    def test_our_proof_is_given(self):
        self.send(number="851")
        message = self.taker.expect("MESSAGE")
        self.taker.reply(message, 407, "t1", extra=[
            'Proxy-Authenticate: Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"'])
        again = self.taker.expect("MESSAGE")
        self.assertTrue(digest.is_right(again, "proxy-authorization", "gw", "correct horse"))
        self.assertEqual(again.cseq, message.cseq + 1)
        self.assertEqual(again.body, "hello")
        self.taker.reply(again, 200, "t1")
        self.sender.expect(200)


class Users(Requests):
    def phone(self, user):
        self.peers.append(Phone(flows.gateway.phone_ip, 0, flows.gateway.address))
        phone = self.peers[-1].prepare(user)
        phone.register()
        return phone

    def test_user_gets_messages_and_sends_them_with_a_proof(self):
        phone = self.phone("100")
        self.send(number="84100")
        message = phone.expect("MESSAGE")
        self.assertEqual(message.uri, f"sip:100@{phone.contact_host()}")
        phone.reply(message, 200, "t1")
        self.sender.expect(200)
        uri = f"sip:811@{DOMAIN}"
        values = (uuid.uuid4().hex, f"<sip:somebody@{DOMAIN}>;tag=1", f"<{uri}>")
        for cseq in (1, 2):
            extra = ["Content-Type: text/plain"]
            if cseq == 2:
                refusal = phone.expect(407)
                extra.append("Proxy-Authorization: " + digest.authorization(
                    refusal["proxy-authenticate"], "100", "sesame", "MESSAGE", uri))
            phone.send(phone.request("MESSAGE", uri, values, cseq, new_branch(), "hi", extra))
        message = self.taker.expect("MESSAGE")
        self.assertIn("<sip:100@", message["from"])  # who it has proved to be
        self.taker.reply(message, 200, "t1")
        phone.expect(200)
        phone.unregister()

    def test_nobody_there(self):
        self.send(number="84101")
        self.sender.expect(480)
        self.send(number="84999")
        self.sender.expect(404)


class Publish(Requests):
    def test_entity_tags_are_between_the_ends(self):
        presence = "<presence entity='pres:a@example.com'/>"
        self.send("PUBLISH", body=presence, extra=["Event: presence", "Expires: 3600",
                                                   "Content-Type: application/pidf+xml"])
        publish = self.taker.expect("PUBLISH")
        self.assertEqual((publish["event"], publish["expires"], publish.body),
                         ("presence", "3600", presence))
        self.taker.reply(publish, 200, "t1", extra=["SIP-ETag: dx200xyz", "Expires: 1800"])
        answer = self.sender.expect(200)
        self.assertEqual((answer["sip-etag"], answer["expires"]), ("dx200xyz", "1800"))
        self.send("PUBLISH", body="", extra=["Event: presence", "SIP-If-Match: dx200xyz",
                                             "Expires: 0"])
        publish = self.taker.expect("PUBLISH")
        self.assertEqual((publish["sip-if-match"], publish["expires"]), ("dx200xyz", "0"))
        self.taker.reply(publish, 412, "t1")
        self.sender.expect(412)

    def test_refusals_say_what_would_do(self):
        for status, extra, header in ((423, "Min-Expires: 600", "min-expires"),
                                      (489, "Allow-Events: presence", "allow-events")):
            self.send("PUBLISH", body="", extra=["Event: moon", "Expires: 1"])
            self.taker.reply(self.taker.expect("PUBLISH"), status, "t1", extra=[extra])
            self.assertEqual(f"{header}: {self.sender.expect(status)[header]}", extra.lower())


class Notify(Requests):
    def test_waiting_messages_are_told_unasked(self):
        body = "Messages-Waiting: yes\r\nVoice-Message: 2/0\r\n"
        self.send("NOTIFY", body=body, extra=[
            "Event: message-summary", "Subscription-State: active;expires=9",
            "Content-Type: application/simple-message-summary"])
        notify = self.taker.expect("NOTIFY")
        self.assertEqual((notify["event"], notify.body), ("message-summary", body))
        self.assertEqual(notify["subscription-state"], "active;expires=9")
        self.assertIn(flows.gateway.ip, notify["contact"])
        self.taker.reply(notify, 200, "t1")
        self.sender.expect(200)

    def test_without_a_subscription_is_481(self):
        other = self.peer(flows.gateway.caller_ip, 0)
        self.send("NOTIFY", sender=other, body="", extra=["Event: presence",
                                                          "Subscription-State: active"])
        other.expect(481)


class InCalls(Flow):
    """MESSAGE in a call's dialog."""

    callee_port, prefix = TAKER, "81"

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = self.peers[0] = Peer(flows.gateway.caller_ip, SENDER, flows.gateway.address)

    def test_message_goes_to_the_other_side_both_ways(self):
        caller, callee = self.establish()
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            asker.send("MESSAGE", "hello", ["Content-Type: text/plain"])
            message = other.expect("MESSAGE")
            self.assertEqual((message.body, message["content-type"]), ("hello", "text/plain"))
            self.assertNotIn(asker.peer.ip, message.text)
            self.assertEqual(message["x-gateway"], "gw1" if other is self.callee else None)
            other.reply(message, 200)
            asker.peer.expect(200)
        self.end(caller, callee)

    def test_481_ends_the_call(self):
        caller, callee = self.establish()
        caller.send("MESSAGE", "hello", ["Content-Type: text/plain"])
        self.callee.reply(self.callee.expect("MESSAGE"), 481)
        self.caller.expect(500)
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.callee.reply(self.callee.expect("BYE"), 200)  # else it comes again, in another test

    def test_other_requests_in_a_call_are_refused(self):
        caller, callee = self.establish()
        for method, status in (("NOTIFY", 481), ("PUBLISH", 403)):
            caller.send(method, extra=["Event: presence"])
            self.caller.expect(status)
        self.end(caller, callee)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
