#!/usr/bin/python3
"""Digest authentication in calls: the gateway's proof for those who ask, and that of its callers.

usage: flows_auth.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import os
import re
import sys

import digest
import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

USER, PASSWORD, REALM = "4930123", "correct horse", "carrier.example"
ASKED_PORT = 5070
tearDownModule = flows.tearDownModule


def secret_write(name, text):
    path = flows.gateway.path(name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def setUpModule():
    gateway = flows.gateway = Gateway(flows.build, 6)
    gateway.prover_ip = gateway.ip[:-1] + "4"
    gateway.trunks = f"""\
  - name: asks
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: {ASKED_PORT}}}]
    codecs: [PCMU]
    auth: {{user: "{USER}", password_file: {secret_write("password", PASSWORD)}, realm: {REALM}}}
  - name: proves
    realm: lo
    peers: [{{address: {gateway.prover_ip}}}]
    codecs: [PCMU]
    users:
      domain: sluice.example
      file: {secret_write("users.yaml", "users: [{user: pbx, password: sesame}]")}
"""
    gateway.routes = """\
  - {prefix: "83", trunk: asks}
auth: {nonce_s: 60}
"""
    flows.start(gateway)


def challenge(nonce, algorithm="MD5", header="Proxy-Authenticate", more=""):
    return f'{header}: Digest realm="{REALM}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


class Asked(Flow):
    """The callee wants to know who calls."""

    callee_port, prefix = ASKED_PORT, "83"

    def ask(self, request, *challenges, status=407):
        """Ask; what comes after the ACK is the request once more, with a proof."""
        self.callee.reply(request, status, "ask", extra=challenges, contact=False)
        if request.method == "INVITE":
            self.assertEqual(self.callee.expect("ACK").cseq, request.cseq)
        again = self.callee.expect(request.method)
        self.assertEqual(again.cseq, request.cseq + 1)
        self.assertNotEqual(again.branch(), request.branch())
        self.assertEqual(again["call-id"], request["call-id"])
        self.assertEqual(again["from"], request["from"])
        self.assertEqual(again["to"], request["to"])
        self.assertEqual(again.body, request.body)
        return again

    def assert_proof(self, request, header="proxy-authorization"):
        self.assertTrue(digest.is_right(request, header, USER, PASSWORD), request[header])

    def establish_asked(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("n1"))
        self.assert_proof(again)
        self.callee.reply(again, 200, "b1", self.callee.sdp())
        ack = self.callee.expect("ACK")
        self.assertEqual(ack.cseq, again.cseq)
        self.assertEqual(ack["proxy-authorization"], again["proxy-authorization"])
        caller = call.answered()
        dialog = flows.incoming_dialog(self.callee, again, "b1")
        return caller, dialog

    def test_call_goes_on_after_a_proof(self):
        caller, _ = self.establish_asked()
        caller.send("BYE")
        bye = self.callee.expect("BYE")
        again = self.ask(bye, challenge("n2", "SHA-256", "WWW-Authenticate"), status=401)
        self.assert_proof(again, "authorization")
        self.callee.reply(again, 200)
        self.caller.expect(200)
        self.expect_cdr(status=200, ended_by="a")

    def test_reinvite_is_asked_too(self):
        caller, _ = self.establish_asked()
        caller.send("INVITE", caller.peer.sdp(direction="sendonly", version=2))
        again = self.ask(self.callee.expect("INVITE"), challenge("n3"))
        self.assert_proof(again)
        self.assertEqual(again.sdp_direction(), "sendonly")
        self.callee.reply(again, 200, body=self.callee.sdp(direction="recvonly", version=2))
        self.assertEqual(self.callee.expect("ACK").cseq, again.cseq)
        self.caller.expect(200)
        caller.send("ACK")
        caller.send("BYE")
        bye = self.callee.expect("BYE")
        self.assertEqual(bye.cseq, again.cseq + 1)
        self.callee.reply(bye, 200)

    def test_strongest_is_taken(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("m"), challenge("s", "SHA-256"),
                         challenge("x", "SHA-512-256"), challenge("y", "SHA-1024"))
        self.assert_proof(again)
        self.assertEqual(digest.parse(again["proxy-authorization"])["nonce"], "x")
        self.callee.reply(again, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)

    def test_refused_proof_is_403(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("n1"))
        self.callee.reply(again, 407, "no", extra=[challenge("n2")], contact=False)
        self.callee.expect("ACK")
        call.refused(403)
        self.expect_cdr(status=403, ended_by="b")

    def test_stale_proof_is_renewed(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("n1"))
        again = self.ask(again, challenge("n2", more=", stale=true"))
        self.assert_proof(again)
        self.assertEqual(digest.parse(again["proxy-authorization"])["nonce"], "n2")
        self.callee.reply(again, 480, "b1")
        self.callee.expect("ACK")
        call.refused(480)

    def refuse(self, invite, call):
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)

    def test_proof_that_was_taken_is_used_again(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("k1"))
        self.callee.reply(again, 180, "b1")
        self.caller.expect(180)
        self.refuse(again, call)
        for count in ("00000002", "00000003"):
            call, invite = self.invite()
            self.assert_proof(invite)
            proof = digest.parse(invite["proxy-authorization"])
            self.assertEqual((proof["nonce"], proof["nc"]), ("k1", count))
            self.refuse(invite, call)
        # The nonce's time is over, and nobody says so.
        call, invite = self.invite()
        again = self.ask(invite, challenge("k2"))
        self.assert_proof(again)
        self.assertEqual(digest.parse(again["proxy-authorization"])["nonce"], "k2")
        self.callee.reply(again, 200, "b1", self.callee.sdp())
        self.assertEqual(self.callee.expect("ACK")["proxy-authorization"], again["proxy-authorization"])
        caller = call.answered()
        self.end(caller, None)
        call, invite = self.invite()
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.assertEqual(self.callee.expect("ACK")["proxy-authorization"], invite["proxy-authorization"])
        self.end(call.answered(), None)

    def test_other_realm_gets_no_proof(self):
        call, invite = self.invite()
        self.callee.reply(invite, 407, "no", contact=False, extra=[
            'Proxy-Authenticate: Digest realm="elsewhere", nonce="n", qop="auth"'])
        self.callee.expect("ACK")
        call.refused(403)

    def test_cancel_after_the_proof(self):
        call, invite = self.invite()
        again = self.ask(invite, challenge("n1"))
        self.callee.reply(again, 180, "b1")
        self.caller.expect(180)
        call.cancel()
        cancel = self.callee.expect("CANCEL")
        self.assertEqual((cancel.cseq, cancel.branch()), (again.cseq, again.branch()))
        self.callee.reply(cancel, 200)
        self.callee.reply(again, 487, "b1")
        self.callee.expect("ACK")
        call.refused(487)

    def test_password_is_nowhere(self):
        for name in ("control.log", "cdr.json"):
            with open(flows.gateway.path(name)) as file:
                self.assertNotIn(PASSWORD, file.read())


class Asking(Flow):
    """The caller is to prove who it is."""

    def setUp(self):
        super().setUp()
        self.caller.close()
        self.caller = Peer(flows.gateway.prover_ip, 0, flows.gateway.address)
        self.peers[0] = self.caller

    def challenged(self, **kwargs):
        call = OutgoingCall(self.caller, self.number, **kwargs)
        return call, call.refused(407)

    def invite_with(self, response, user="pbx", password="sesame", algorithm="SHA-256", nc=1):
        value = next(value for value in response.all("proxy-authenticate")
                     if f"algorithm={algorithm}," in value)
        uri = f"sip:{self.number}@{flows.gateway.ip}:5060"
        return OutgoingCall(self.caller, self.number, extra=[
            "Proxy-Authorization: " + digest.authorization(value, user, password, "INVITE", uri, nc)])

    def succeed(self, call):
        invite = self.callee.expect("INVITE")
        self.assertIsNone(invite["proxy-authorization"])
        self.callee.reply(invite, 486, "b1")
        self.callee.expect("ACK")
        call.refused(486)

    def test_challenge_offers_the_stronger_first(self):
        response = self.challenged()[1]
        offered = [digest.parse(value) for value in response.all("proxy-authenticate")]
        self.assertEqual([each["algorithm"] for each in offered], ["SHA-256", "MD5"])
        for each in offered:
            self.assertEqual((each["realm"], each["qop"]), ("sluice.example", "auth"))
            self.assertNotIn("stale", each)
        self.callee.expect_nothing(0.1)
        self.assertEqual([cdr for cdr in flows.gateway.cdrs() if cdr["to"] == self.number], [])

    def test_proof_lets_the_call_through(self):
        for algorithm in ("SHA-256", "MD5"):
            self.succeed(self.invite_with(self.challenged()[1], algorithm=algorithm))

    def test_nonce_serves_again_with_the_next_count(self):
        response = self.challenged()[1]
        self.succeed(self.invite_with(response))
        self.succeed(self.invite_with(response, nc=2))

    def test_replay_is_stale(self):
        response = self.challenged()[1]
        self.succeed(self.invite_with(response))
        again = self.invite_with(response).refused(407)
        self.assertEqual(digest.parse(again["proxy-authenticate"])["stale"], "true")
        self.succeed(self.invite_with(again))

    def test_unknown_user_is_as_wrong_password(self):
        shapes = set()
        for user, password in (("pbx", "Sesame"), ("nobody", "sesame")):
            refusal = self.invite_with(self.challenged()[1], user, password).refused(407)
            shapes.add(re.sub(r'(nonce="|tag=|branch=|Call-ID: |To: |From: )[^",;\r]*', r"\1", re.sub(
                r"\d{3,}", "", refusal.text)).split("Proxy-", 1)[1])
        self.assertEqual(len(shapes), 1, shapes)
        self.assertGreaterEqual(flows.gateway.ctl("counters")["call.bad_proofs"], 2)

    def test_malformed_proof_is_400(self):
        call = OutgoingCall(self.caller, self.number, extra=['Proxy-Authorization: Digest username="a"'])
        call.refused(400)

    def test_peers_are_not_banned(self):
        for _ in range(12):
            self.invite_with(self.challenged()[1], password="wrong").refused(407)
        self.succeed(self.invite_with(self.challenged()[1]))


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
