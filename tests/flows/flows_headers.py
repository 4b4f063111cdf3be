#!/usr/bin/python3
"""Call flows of headers: what passes, what must not, identities, redirections, rules of trunks.

usage: flows_headers.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with a gateway that has more trunks.
"""
import re
import sys

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

tearDownModule = flows.tearDownModule

RULES = """
    trusted: yes
    headers_in:
      - {remove: Priority}
      - {copy: X-Account, to: X-Customer, when: {method: INVITE}}
      - {add: X-Anonymous, value: "yes", when: {header: From, matches: "anonymous"}}
      - {add: X-From-Rules, value: bye, when: {method: BYE}}
    headers_out:
      - {set: X-Gateway, value: gw1}
      - {rewrite: Diversion, pattern: "sip:0([1-9])", value: "sip:+49\\\\1"}
      - {rewrite: P-Asserted-Identity, pattern: "^.*<sip:([^@]*)@.*$", value: "<tel:\\\\1>"}
      - {remove: X-Customer, when: {header: X-Customer, matches: "^secret"}}
"""
# port of the far end: name and policy of its trunk, number prefix
CALLEES = {5080: ("rules", RULES, "80"), 5081: ("stranger", "", "81"),
           5082: ("history", "    redirection: history_info\n    trusted: yes", "82")}


def setUpModule():
    gateway = Gateway(flows.build, 10, no_answer_s=60)
    for port, (name, policy, prefix) in CALLEES.items():
        gateway.trunks += f"""\
  - name: {name}
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: {port}}}]
    codecs: [PCMU]
{policy}
"""
        gateway.routes += f'  - {{prefix: "{prefix}", trunk: {name}}}\n'
    flows.start(gateway)


class Hidden(Flow):
    """Nothing of one side reaches the other, whatever a far end writes into a message."""

    def secrets_of(self, peer, name):
        return [f"Server: {name}", f"User-Agent: {name}", f"Organization: {name}", f"X-Own: {name}",
                f"Call-Info: <http://{peer.ip}/{name}>", f"Error-Info: <sip:{name}@{peer.ip}>",
                f"Warning: 399 {name} \"{peer.ip}\"", f"Reply-To: <sip:{name}@{peer.ip}>",
                f"Alert-Info: <http://{peer.ip}/ring>", f"In-Reply-To: {name}@{peer.ip}",
                f"P-Charging-Vector: icid-value={name}", f"Geolocation: <http://{peer.ip}/{name}>",
                f"P-Asserted-Identity: <sip:+49{name}@{peer.ip}>",
                f"History-Info: <sip:3001@{peer.ip};x={name}>;index=1;y={name}"]

    def assert_hides(self, message, *secrets):
        for secret in secrets:
            self.assertNotIn(secret, message.text)

    def setUp(self):
        super().setUp()
        self.callee.close()
        self.callee = self.peer(5081)
        self.prefix = "81"
        self.dial_next()

    def test_every_message_of_a_call_to_strangers(self):
        mine, theirs = "of-alice", "of-bob"
        call = OutgoingCall(self.caller, self.number, extra=self.secrets_of(self.caller, mine))
        invite = self.callee.expect("INVITE")
        of_caller = (mine, self.caller.ip, call.call_id, call.tag, call.branch)
        of_callee = (theirs, self.callee.ip, invite["call-id"], invite.tag("from"), "tag=b1", "5081")
        self.assert_hides(invite, *of_caller)
        self.callee.reply(invite, 183, "b1", self.callee.sdp(), extra=self.secrets_of(self.callee, theirs))
        self.assert_hides(self.caller.expect(183), *of_callee)
        self.callee.reply(invite, 200, "b1", self.callee.sdp(), extra=self.secrets_of(self.callee, theirs))
        self.assert_hides(self.callee.expect("ACK"), *of_caller)
        answer = self.caller.expect(200)
        self.assert_hides(answer, *of_callee)
        caller = call.dialog(answer)
        caller.send("ACK", extra=self.secrets_of(self.caller, mine))
        caller.send("INVITE", self.caller.sdp(direction="sendonly", version=2),
                    extra=self.secrets_of(self.caller, mine))
        reinvite = self.callee.expect("INVITE")
        self.assert_hides(reinvite, *of_caller)
        self.callee.reply(reinvite, 200, body=self.callee.sdp(direction="recvonly", version=2),
                          extra=self.secrets_of(self.callee, theirs))
        self.callee.expect("ACK")
        self.assert_hides(self.caller.expect(200), *of_callee)
        caller.send("ACK")
        caller.send("BYE", extra=self.secrets_of(self.caller, mine))
        bye = self.callee.expect("BYE")
        self.assert_hides(bye, *of_caller)
        self.callee.reply(bye, 200, extra=self.secrets_of(self.callee, theirs))
        self.assert_hides(self.caller.expect(200), *of_callee)

    def test_refusal(self):
        call, invite = self.invite()
        self.callee.reply(invite, 486, "b1", extra=self.secrets_of(self.callee, "of-bob"))
        response = self.caller.expect(486)
        self.assert_hides(response, self.callee.ip, invite["call-id"], "tag=b1", "of-bob")
        call.ack_refusal(response)


class Passed(Flow):
    def test_what_ends_need_of_each_other(self):
        passing = ["Subject: lunch", "Priority: urgent", "User-to-User: 56a3;encoding=hex",
                   "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=0", "Identity: x;info=<https://c/c>",
                   "Resource-Priority: wps.1", "Accept-Contact: *;mobility=\"fixed\""]
        call, invite = self.invite(extra=passing)
        for header in passing:
            name, _, value = header.partition(": ")
            self.assertEqual(invite[name.lower()], value)
        self.callee.reply(invite, 180, "b1", extra=["Session-ID: 47755a9de7794ba387653f2099600ef2;remote=ab3"])
        self.assertIn("47755a9de7794ba387653f2099600ef2", self.caller.expect(180)["session-id"])
        self.callee.reply(invite, 486, "b1", extra=["Reason: Q.850;cause=17", "User-to-User: 04"])
        response = call.refused(486)
        self.assertEqual(response["reason"], "Q.850;cause=17")
        self.assertEqual(response["user-to-user"], "04")

    def test_a_reason_and_data_of_a_bye(self):
        caller, _ = self.establish()
        caller.send("BYE", extra=["Reason: Q.850;cause=16", "User-to-User: 07", "X-Own: 1"])
        self.caller.expect(200)
        bye = self.callee.expect("BYE")
        self.assertEqual((bye["reason"], bye["user-to-user"]), ("Q.850;cause=16", "07"))
        self.assertNotIn("X-Own", bye.text)


class Identities(Flow):
    def test_asserted_identity_stays_among_the_trusted(self):
        asserted = f"P-Asserted-Identity: \"Al\" <sip:+4930@{self.caller.ip}>"
        call, invite = self.invite(extra=[asserted])
        self.assertIn(f"\"Al\" <sip:+4930@{flows.gateway.ip}", invite["p-asserted-identity"])
        self.callee.reply(invite, 486, "b1")
        call.refused(486)
        stranger = self.peer(5081)
        self.prefix = "81"
        self.dial_next()
        call = OutgoingCall(self.caller, self.number, extra=[asserted])
        invite = stranger.expect("INVITE")
        self.assertNotIn("Asserted", invite.text)
        stranger.reply(invite, 486, "b1")
        call.refused(486)

    def test_private_callers_are_anonymous(self):
        call, invite = self.invite(extra=["Privacy: user"])
        self.assertIn("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=", invite["from"])
        self.assertNotIn("alice", invite.text.lower())
        self.assertNotIn("Privacy", invite.text)
        self.callee.reply(invite, 486, "b1")
        call.refused(486)

    def test_private_to_strangers_only(self):
        call, invite = self.invite(extra=["Privacy: id"])
        self.assertIn("alice", invite["from"])
        self.assertEqual(invite["privacy"], "id")
        self.callee.reply(invite, 486, "b1")
        call.refused(486)
        stranger = self.peer(5081)
        self.prefix = "81"
        self.dial_next()
        call = OutgoingCall(self.caller, self.number, extra=["Privacy: id"])
        invite = stranger.expect("INVITE")
        self.assertIn("anonymous.invalid", invite["from"])
        stranger.reply(invite, 486, "b1")
        call.refused(486)


class Trunks(Flow):
    def test_rules_of_both_trunks(self):
        far = self.peer(5080)
        self.prefix = "80"
        self.dial_next()
        call = OutgoingCall(self.caller, self.number, extra=[
            "Priority: urgent", "X-Account: 17", "Diversion: <sip:030123@10.0.0.8>;reason=user-busy",
            "P-Asserted-Identity: \"Al\" <sip:+4930@10.0.0.8>"])
        invite = far.expect("INVITE")
        self.assertEqual(invite["x-gateway"], "gw1")
        self.assertIn("<sip:+4930123@", invite["diversion"])
        self.assertEqual(invite["p-asserted-identity"], "<tel:+4930>")
        self.assertEqual(invite["priority"], "urgent")  # what rules of its trunk take is what it sends
        far.reply(invite, 486, "b1")
        call.refused(486)

    def test_rules_of_the_trunk_that_calls(self):
        caller = Peer(flows.gateway.callee_ip, 5080, flows.gateway.address)
        self.peers.append(caller)
        call = OutgoingCall(caller, self.number, from_user="anonymous",
                            extra=["Priority: urgent", "X-Account: 17", "X-Account: secret"])
        invite = self.callee.expect("INVITE")
        self.assertNotIn("Priority", invite.text)
        self.assertEqual(re.findall(r"X-Customer: (\w+)", invite.text), ["17", "secret"])
        self.assertEqual(invite["x-anonymous"], "yes")
        self.assertNotIn("X-Account", invite.text)
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.callee.expect("ACK")
        dialog = call.answered()
        self.assertEqual(dialog.answer["x-gateway"], "gw1")
        dialog.bye()
        bye = self.callee.expect("BYE")
        self.assertEqual(bye["x-from-rules"], "bye")
        self.callee.reply(bye, 200)

    def test_redirections_as_the_trunk_wants_them(self):
        far = self.peer(5082)
        self.prefix = "82"
        self.dial_next()
        call = OutgoingCall(self.caller, self.number, extra=[
            "Diversion: <sip:3002@10.0.0.8>;reason=no-answer", "Diversion: <sip:3001@10.0.0.8>;reason=unconditional"])
        invite = far.expect("INVITE")
        history = re.findall(r"History-Info: <sip:(\w+)@[^;>]*(?:;cause=(\d+))?>;index=([\d.]+)", invite.text)
        self.assertEqual(history, [("3001", "", "1"), ("3002", "302", "1.1"), (self.number, "408", "1.1.1")])
        self.assertNotIn("10.0.0.8", invite.text)
        self.assertNotIn("Diversion", invite.text)
        far.reply(invite, 486, "b1")
        call.refused(486)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
