#!/usr/bin/python3
"""Subscriptions (RFC 6665) that pass through: SUBSCRIBE, NOTIFY, and how they end.

usage: flows_subscriptions.py BUILD-FOLDER [PART OF A TEST'S NAME...]

The subscriber is the caller's side, the notifier the callee's.
"""
import re
import sys
import unittest
import uuid

import digest
import flows
import flows_register
from flows_messages import trunk
from flows_register import DOMAIN, Phone
from gateway import Gateway
from sip_peer import Dialog, Peer, new_branch

SUBSCRIBER, OPEN, NOTIFIER, FIRST, SECOND, ASKED = 5090, 5091, 5070, 5071, 5072, 5073
tearDownModule = flows.tearDownModule
DIALOG_INFO = '<dialog-info entity="sip:200@{0}"><dialog id="1" call-id="x@{0}" local-tag="1"/></dialog-info>'


def setUpModule():
    gateway = Gateway(flows.build, 8)
    gateway.phone_ip = gateway.ip[:-1] + "5"
    password = flows_register.secret_write(gateway, "password", "correct horse")
    users = flows_register.users_write(gateway)
    callee = gateway.callee_ip
    gateway.trunks = (
        trunk("watcher", gateway.caller_ip, SUBSCRIBER, requests="[subscribe]",
              subscriptions="{max: 3, expires_max_s: 600, events: [dialog, presence, message-summary]}") +
        trunk("open", gateway.caller_ip, OPEN, requests="[subscribe]", trusted="yes",
              subscriptions="{hosts: pass}") +
        trunk("watched", callee, NOTIFIER, requests="[subscribe]", trusted="yes") +
        trunk("pair_of", callee, FIRST, SECOND, requests="[subscribe]", failover="{backoff_s: 0}") +
        trunk("asks", callee, ASKED, requests="[subscribe]",
              auth=f'{{user: gw, password_file: {password}, realm: carrier}}') + f"""\
  - name: phones
    realm: lo
    codecs: [PCMU]
    requests: [subscribe]
    users: {{domain: {DOMAIN}, file: {users}}}
""")
    gateway.routes = "".join(f'  - {{prefix: "{prefix}", trunk: {name}}}\n' for prefix, name in (
        ("81", "watched"), ("82", "pair_of"), ("85", "asks"))) + """\
  - {prefix: "84", trunk: phones, strip: 2}
"""
    flows.start(gateway)


class Subscriptions(unittest.TestCase):
    port, subscriber_port = NOTIFIER, SUBSCRIBER

    def setUp(self):
        gateway = flows.gateway
        self.peers = []
        self.subscriber = self.peer(gateway.caller_ip, self.subscriber_port)
        self.notifier = self.peer(gateway.callee_ip, self.port)
        self.before = gateway.ctl("counters")

    def tearDown(self):
        for peer in self.peers:
            peer.close()
        self.assertTrue(flows.gateway.alive())

    def peer(self, ip, port):
        self.peers.append(Peer(ip, port, flows.gateway.address))
        return self.peers[-1]

    def counter(self, name):
        return flows.gateway.ctl("counters")[f"subscription.{name}"]

    def gained(self, name):
        return self.counter(name) - self.before[f"subscription.{name}"]

    def none_left(self):
        flows.gateway.wait(lambda: self.counter("active_now") == 0, "the end of all subscriptions")

    def ask(self, event="dialog", expires=300, number="811", extra=(), peer=None):
        """A SUBSCRIBE of the subscriber's."""
        peer = peer or self.subscriber
        uri = f"sip:{number}@{flows.gateway.ip}"
        self.values = (uuid.uuid4().hex, f"<sip:100@{peer.ip}>;tag=s1", f"<{uri}>")
        extra = [f"Event: {event}", "Accept: application/dialog-info+xml", *extra]
        if expires is not None:
            extra.append(f"Expires: {expires}")
        peer.send(peer.request("SUBSCRIBE", uri, self.values, 1, new_branch(), "", extra))

    def asked(self, **kwargs):
        """... and what of it reaches the notifier."""
        self.ask(**kwargs)
        return self.notifier.expect("SUBSCRIBE")

    def notifier_dialog(self, subscribe, tag="n1"):
        return Dialog(self.notifier, subscribe["call-id"], subscribe["to"] + f";tag={tag}",
                      subscribe["from"], subscribe.contact_uri(), 50)

    def subscriber_dialog(self, answer):
        return Dialog(self.subscriber, self.values[0], self.values[1], answer["to"],
                      answer.contact_uri(), 1)

    def notify(self, dialog, state="active;expires=300", body="", event="dialog", status=200,
               extra=()):
        """A NOTIFY of the notifier's all the way. Returns what the subscriber got."""
        lines = [f"Event: {event}", f"Subscription-State: {state}", *extra]
        if body:
            lines.append("Content-Type: application/dialog-info+xml")
        dialog.send("NOTIFY", body, lines)
        notify = self.subscriber.expect("NOTIFY")
        self.subscriber.reply(notify, status)
        return notify

    def begin(self, granted=300, **kwargs):
        """A subscription that is there: both ends' dialogs."""
        subscribe = self.asked(**kwargs)
        self.notifier.reply(subscribe, 200, "n1", extra=[f"Expires: {granted}"])
        answer = self.subscriber.expect(200)
        notifier = self.notifier_dialog(subscribe)
        notifier.contact_answer = answer
        self.notify(notifier, event=kwargs.get("event", "dialog"))
        self.notifier.expect(200)
        return self.subscriber_dialog(answer), notifier

    def end(self, notifier, event="dialog"):
        self.notify(notifier, "terminated;reason=noresource", event=event)
        self.notifier.expect(200)
        self.none_left()


class Life(Subscriptions):
    def test_two_dialogs_and_nothing_of_one_in_the_other(self):
        subscribe = self.asked(extra=["X-Secret: of-a", "Supported: eventlist, moon"])
        self.assertEqual((subscribe["event"], subscribe["expires"], subscribe["accept"]),
                         ("dialog", "300", "application/dialog-info+xml"))
        self.assertEqual(subscribe["supported"], "eventlist")
        for secret in (self.subscriber.ip, self.values[0], "tag=s1", "of-a"):
            self.assertNotIn(secret, subscribe.text)
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 200", "Require: eventlist"])
        answer = self.subscriber.expect(200)
        self.assertEqual((answer["expires"], answer["require"]), ("200", "eventlist"))
        self.assertIn(flows.gateway.ip, answer["contact"])
        notifier = self.notifier_dialog(subscribe)
        notify = self.notify(notifier, body="<dialog-info/>", extra=["X-Secret: of-b"])
        self.assertEqual(notify["call-id"], self.values[0])
        self.assertEqual(notify.tag("from"), answer.tag("to"))
        self.assertEqual((notify["event"], notify["subscription-state"], notify.body),
                         ("dialog", "active;expires=300", "<dialog-info/>"))
        for secret in (self.notifier.ip, subscribe["call-id"], "n1", "of-b"):
            self.assertNotIn(secret, answer.text + notify.text)
        self.notifier.expect(200)
        self.assertEqual(self.counter("active_now"), 1)
        self.assertEqual((self.gained("begun"), self.gained("notifies")), (1, 1))
        self.end(notifier)

    def test_notify_may_come_before_the_answer(self):
        subscribe = self.asked()
        notifier = self.notifier_dialog(subscribe)
        early = self.notify(notifier)
        self.notifier.expect(200)
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 300"])
        answer = self.subscriber.expect(200)
        self.assertEqual(early.tag("from"), answer.tag("to"))
        self.assertEqual(self.notify(notifier).cseq, early.cseq + 1)
        self.notifier.expect(200)
        self.end(notifier)

    def test_refreshed_and_taken_back(self):
        subscriber, notifier = self.begin()
        subscriber.send("SUBSCRIBE", extra=["Event: dialog", "Expires: 250"])
        again = self.notifier.expect("SUBSCRIBE")
        self.assertEqual((again.tag("to"), again["expires"]), ("n1", "250"))
        self.notifier.reply(again, 200, extra=["Expires: 100"])
        self.assertEqual(self.subscriber.expect(200)["expires"], "100")
        subscriber.send("SUBSCRIBE", extra=["Event: dialog", "Expires: 0"])
        self.notifier.reply(self.notifier.expect("SUBSCRIBE"), 200, extra=["Expires: 0"])
        self.assertEqual(self.subscriber.expect(200)["expires"], "0")
        self.end(notifier)

    def test_fetch(self):
        for early in (False, True):
            subscribe = self.asked(expires=0)
            notifier = self.notifier_dialog(subscribe)
            if early:  # the last NOTIFY before the answer
                self.notify(notifier, "terminated;reason=timeout", body="<x/>")
                self.notifier.expect(200)
            self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 0"])
            self.assertEqual(self.subscriber.expect(200)["expires"], "0")
            if not early:
                self.notify(notifier, "terminated;reason=timeout", body="<x/>")
                self.notifier.expect(200)
            self.none_left()

    def test_time_is_bounded(self):
        subscribe = self.asked(expires=86400)
        self.assertEqual(subscribe["expires"], "600")
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 7200"])
        self.assertEqual(self.subscriber.expect(200)["expires"], "600")
        notifier = self.notifier_dialog(subscribe)
        self.assertEqual(self.notify(notifier, "active;expires=7200")["subscription-state"],
                         "active;expires=600")
        self.notifier.expect(200)
        self.end(notifier)

    def test_notifier_moves(self):
        subscriber, notifier = self.begin()
        other = self.peer(flows.gateway.callee_ip, 0)
        self.notifier.contact = other.contact
        self.notify(notifier)
        self.notifier.expect(200)
        subscriber.send("SUBSCRIBE", extra=["Event: dialog"])
        other.reply(other.expect("SUBSCRIBE"), 200, extra=["Expires: 60"])
        self.subscriber.expect(200)
        self.end(notifier)

    def test_waiting_messages(self):
        subscribe = self.asked(event="message-summary")
        self.notifier.reply(subscribe, 202, "n1", extra=["Expires: 300"])
        self.subscriber.expect(202)
        notifier = self.notifier_dialog(subscribe)
        notify = self.notify(notifier, event="message-summary",
                             body=f"Message-Account: sip:vm@{self.notifier.ip}\r\n")
        self.assertEqual(notify.body, f"Message-Account: sip:vm@{flows.gateway.ip}:5060\r\n")
        self.notifier.expect(200)
        self.end(notifier, "message-summary")


class Bodies(Subscriptions):
    def test_hosts_are_hidden(self):
        _, notifier = self.begin()
        notify = self.notify(notifier, body=DIALOG_INFO.format(self.notifier.ip))
        self.notifier.expect(200)
        self.assertIn(f'entity="sip:200@{flows.gateway.ip}:5060"', notify.body)
        self.assertNotIn(self.notifier.ip, notify.text)
        self.assertNotIn("call-id", notify.body)
        notifier.send("NOTIFY", "zzz", ["Event: dialog", "Subscription-State: active",
                                        "Content-Encoding: gzip", "Content-Type: a/b"])
        self.assertEqual(self.notifier.expect(415)["accept-encoding"], "identity")
        self.end(notifier)


class OpenBodies(Subscriptions):
    subscriber_port = OPEN

    def test_bodies_pass_as_they_are(self):
        _, notifier = self.begin(event="moon")
        body = DIALOG_INFO.format(self.notifier.ip)
        self.assertEqual(self.notify(notifier, body=body, event="moon").body, body)
        self.notifier.expect(200)
        self.end(notifier, "moon")


class Refused(Subscriptions):
    def test_refusals_come_back(self):
        for theirs, ours, extra, header in ((403, 403, [], None), (481, 500, [], None),
                                            (489, 489, ["Allow-Events: x"], "allow-events"),
                                            (423, 423, ["Min-Expires: 9"], "min-expires")):
            self.notifier.reply(self.asked(), theirs, "n1", extra=extra)
            answer = self.subscriber.expect(ours)
            if header:
                self.assertEqual([f"{header}: {answer[header]}"], [e.lower() for e in extra])
            self.none_left()

    def test_packages_are_those_of_the_trunk(self):
        self.ask(event="moon")
        self.assertEqual(self.subscriber.expect(489).all("allow-events"),
                         ["dialog", "presence", "message-summary"])
        self.ask(event="a b")
        self.subscriber.expect(489)
        self.notifier.expect_nothing(0.2)

    def test_who_may_not_is_405(self):
        other = self.peer(flows.gateway.caller_ip, 0)
        self.ask(peer=other)
        self.assertNotIn("SUBSCRIBE", other.expect(405)["allow"])

    def test_no_more_than_the_trunk_may(self):
        dialogs = [self.begin()[1] for _ in range(3)]
        self.ask()
        self.subscriber.expect(503)
        for dialog in dialogs:
            self.notify(dialog, "terminated")
            self.notifier.expect(200)
        self.none_left()
        self.end(self.begin()[1])

    def test_notify_of_nothing_is_481(self):
        subscribe = self.asked()
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 300"])
        self.subscriber.expect(200)
        fork = self.notifier_dialog(subscribe, "n2")
        fork.send("NOTIFY", extra=["Event: dialog", "Subscription-State: active"])
        self.notifier.expect(481)
        stray = self.notifier_dialog(subscribe)
        stray.call_id = "x"
        stray.send("NOTIFY", extra=["Event: dialog", "Subscription-State: active"])
        self.notifier.expect(481)
        self.assertEqual(self.gained("notifies_refused"), 2)
        self.end(self.notifier_dialog(subscribe))

    def test_other_event_and_other_methods_in_the_dialog(self):
        subscriber, notifier = self.begin()
        notifier.send("NOTIFY", extra=["Event: presence", "Subscription-State: active"])
        self.notifier.expect(489)
        subscriber.send("SUBSCRIBE", extra=["Event: presence"])
        self.subscriber.expect(489)
        for dialog, method, status in ((subscriber, "INFO", 405), (subscriber, "BYE", 405),
                                       (subscriber, "MESSAGE", 405), (subscriber, "NOTIFY", 403),
                                       (notifier, "SUBSCRIBE", 403)):
            dialog.send(method, extra=["Event: dialog"])
            dialog.peer.expect(status)
        self.end(notifier)


class Ends(Subscriptions):
    def test_481_of_the_subscriber_is_told_to_the_notifier(self):
        subscriber, notifier = self.begin()
        self.notify(notifier, status=481)
        self.notifier.expect(481)
        self.none_left()
        subscriber.send("SUBSCRIBE", extra=["Event: dialog"])
        self.subscriber.expect(481)

    def test_481_of_the_notifier_is_told_to_the_subscriber(self):
        subscriber, notifier = self.begin()
        subscriber.send("SUBSCRIBE", extra=["Event: dialog"])
        self.notifier.reply(self.notifier.expect("SUBSCRIBE"), 481)
        self.subscriber.expect(481)
        self.none_left()

    def test_subscriber_refuses_the_first_before_its_answer(self):
        subscribe = self.asked()
        notifier = self.notifier_dialog(subscribe)
        self.notify(notifier, status=481)
        self.notifier.expect(481)
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 300"])
        self.subscriber.expect(500)
        self.none_left()

    def test_both_sides_hear_of_the_time_that_is_over(self):
        """33 s: nothing comes after the answer, and nothing after a second that was granted."""
        silent = self.asked()
        self.notifier.reply(silent, 200, "n1", extra=["Expires: 300"])
        self.subscriber.expect(200)
        self.begin(granted=1)
        for _ in range(2):
            notify = self.subscriber.expect("NOTIFY", 40)
            self.assertEqual(notify["subscription-state"], "terminated;reason=timeout")
            self.subscriber.reply(notify, 200)
            back = self.notifier.expect("SUBSCRIBE")
            self.assertEqual(back["expires"], "0")
            self.notifier.reply(back, 481)
        self.none_left()


class Failover(Subscriptions):
    port = FIRST

    def test_next_peer_has_a_dialog_of_its_own(self):
        second = self.peer(flows.gateway.callee_ip, SECOND)
        first = self.asked(number="821")
        self.notifier.reply(first, 503, "n1")
        self.notifier.close()
        self.notifier = second
        subscribe = second.expect("SUBSCRIBE")
        self.assertNotEqual(first["call-id"], subscribe["call-id"])
        second.reply(subscribe, 200, "n2", extra=["Expires: 300"])
        self.subscriber.expect(200)
        self.end(self.notifier_dialog(subscribe, "n2"))


class Asked(Subscriptions):
    port = ASKED

    def test_our_proof_is_given_and_numbers_go_on(self):
        subscribe = self.asked(number="851")
        self.notifier.reply(subscribe, 401, "n0", extra=[
            'WWW-Authenticate: Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"'])
        again = self.notifier.expect("SUBSCRIBE")
        self.assertTrue(digest.is_right(again, "authorization", "gw", "correct horse"))
        self.notifier.reply(again, 200, "n1", extra=["Expires: 300"])
        subscriber = self.subscriber_dialog(self.subscriber.expect(200))
        notifier = self.notifier_dialog(again)
        self.notify(notifier)
        self.notifier.expect(200)
        subscriber.send("SUBSCRIBE", extra=["Event: dialog"])
        refresh = self.notifier.expect("SUBSCRIBE")
        self.assertGreater(refresh.cseq, again.cseq)
        self.notifier.reply(refresh, 200, extra=["Expires: 300"])
        self.subscriber.expect(200)
        self.end(notifier)


class Users(Subscriptions):
    def test_user_subscribes_with_a_proof_and_is_notified_where_it_is(self):
        self.peers.append(Phone(flows.gateway.phone_ip, 0, flows.gateway.address))
        phone = self.subscriber = self.peers[-1].prepare("100")
        phone.register()
        uri = f"sip:811@{DOMAIN}"
        self.values = (uuid.uuid4().hex, f"<sip:100@{DOMAIN}>;tag=s1", f"<{uri}>")
        extra = ["Event: presence", "Expires: 60"]
        phone.contact = phone.contact_text  # an address that it does not have
        phone.send(phone.request("SUBSCRIBE", uri, self.values, 1, new_branch(), "", extra))
        refusal = phone.expect(407)
        extra.append("Proxy-Authorization: " + digest.authorization(
            refusal["proxy-authenticate"], "100", "sesame", "SUBSCRIBE", uri))
        phone.send(phone.request("SUBSCRIBE", uri, self.values, 2, new_branch(), "", extra))
        subscribe = self.notifier.expect("SUBSCRIBE")
        self.notifier.reply(subscribe, 200, "n1", extra=["Expires: 60"])
        phone.expect(200)
        self.end(self.notifier_dialog(subscribe), "presence")
        phone.unregister()


class Stop(Subscriptions):
    def test_both_sides_are_told_when_we_stop(self):
        self.begin()
        process = flows.gateway.processes.pop("control")
        process.terminate()
        notify = self.subscriber.expect("NOTIFY")
        self.assertEqual(notify["subscription-state"], "terminated;reason=deactivated")
        self.assertEqual(self.notifier.expect("SUBSCRIBE")["expires"], "0")
        process.wait(10)
        flows.gateway.start_control()


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
