#!/usr/bin/python3
"""Another stack's opinion: SIPp on both sides of the gateway, scenario by scenario, RFC by RFC.

usage: flows_rfc.py BUILD-FOLDER [PART OF A SCENARIO'S NAME...]

Prints a table of what was tried and what came of it. Each end repeats what is lost and ends with an
error where something comes that its scenario does not say (sipp_scenario.py).
"""
import os
import shutil
import subprocess
import sys

from gateway import Gateway
from sipp_scenario import DOMAIN, Ack, Answer, Ask, Callee, Caller, Hear, Pause, write

SKIPPED = 77
SECONDS = 12  # for one scenario
PASSWORD = "sesame"
OFFER, HOLD, HELD = "sendrecv", "sendonly", "recvonly"
INVITE = Ask("INVITE", sdp=OFFER)
BYE, HEAR_BYE = Ask("BYE"), Hear("BYE")
ANSWER = (Hear("INVITE", 0), Answer(180), Answer(200, OFFER, repeats=True), Hear("ACK"))
RELIABLE = ("Require: 100rel", "RSeq: 1")
REL100, TIMER = "Supported: 100rel", "Supported: timer"
ALLOW = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"
REFER = "Refer-To: <sip:85[service]@[remote_ip]>"


def proof(user):
    return f"[authentication username={user} password={PASSWORD}]"


def hold(cseq, direction=HOLD):
    return (Ask("INVITE", sdp=direction, version=cseq, cseq=cseq), Ack(cseq))


# RFC, what, number, caller, callee, who is transferred to
SCENARIOS = [
    ("3261", "call, the caller hangs up", "2001", (INVITE, Ack(), BYE), (*ANSWER, HEAR_BYE)),
    ("3261", "call, the callee hangs up", "2001", (INVITE, Ack(), HEAR_BYE), (*ANSWER, BYE)),
    ("3261", "late offer", "2001", (Ask("INVITE", extra=("Accept: application/sdp",)), Ack(sdp=OFFER), BYE),
     (*ANSWER, HEAR_BYE)),
    ("3261", "busy", "2001", (Ask("INVITE", (486,), sdp=OFFER), Ack(refused=True)),
     (Hear("INVITE", 0), Answer(486, repeats=True), Hear("ACK"))),
    ("3261", "unknown number", "9999", (Ask("INVITE", (404,), sdp=OFFER), Ack(refused=True)), ()),
    ("3261", "CANCEL while it rings", "2001",
     (Ask("INVITE", (180,), sdp=OFFER, may_ring=False), Ask("CANCEL"), Ask("", (487,)), Ack(refused=True)),
     (Hear("INVITE", 0), Answer(180), Hear("CANCEL"), Answer(487, repeats=True), Hear("ACK"))),
    ("3261", "hold and resume by the caller", "2001", (INVITE, Ack(), *hold(2), *hold(3, OFFER), BYE),
     (*ANSWER, Hear("INVITE", sdp=HELD, version=2), Hear("INVITE", sdp=OFFER, version=3), HEAR_BYE)),
    ("3261", "hold by the callee", "2001",
     (INVITE, Ack(), Hear("INVITE", sdp=HELD, version=2, has=("a=sendonly",)), BYE), (*ANSWER, Pause(200), *hold(2), HEAR_BYE)),
    ("3261", "OPTIONS", "x", (Ask("OPTIONS", outside=True, has=("Allow:.*INVITE", "Accept: application/sdp")),), ()),
    ("3261", "Require of what nobody knows", "2001",
     (Ask("INVITE", (420,), sdp=OFFER, extra=("Require: teleport",), has=("Unsupported: teleport",)),
      Ack(refused=True)), ()),
    ("3261", "registration", "alice",
     (Ask("REGISTER", (401,)), Ask("REGISTER", extra=(proof("alice"), "Expires: 60"), has=("Contact: .*;expires=60",))), ()),
    ("3262", "reliable 183, PRACK from end to end", "2001",
     (Ask("INVITE", (183,), sdp=OFFER, extra=(REL100,), has=("Require:.*100rel",), keep="RSeq"),
      Ask("PRACK", extra=("RAck: [$kept] 1 INVITE",)), Ask("", (200,)), Ack(), Ask("BYE", cseq=3)),
     (Hear("INVITE", 0, has=("Supported:.*100rel",)), Answer(183, OFFER, extra=RELIABLE, repeats=True),
      Hear("PRACK", has=("RAck: 1 1 INVITE",)), Answer(200, repeats=True), Hear("ACK"), HEAR_BYE)),
    ("3262", "reliable 180 for a caller who knows of none", "2001", (INVITE, Ack(), BYE),
     (Hear("INVITE", 0), Answer(180), Answer(200, OFFER, repeats=True), Hear("ACK"), HEAR_BYE)),
    ("3311", "UPDATE of an established call, both ways", "2001",
     (Ask("INVITE", sdp=OFFER, extra=(ALLOW,)), Ack(), Ask("UPDATE", sdp=HOLD, version=2, has=("a=recvonly",)),
      Hear("UPDATE", sdp=OFFER, version=3), BYE),
     (Hear("INVITE", 0), Answer(200, OFFER, extra=(ALLOW,), repeats=True),
      Hear("ACK"), Hear("UPDATE", sdp=HELD, version=2), Ask("UPDATE", sdp=OFFER, version=3), HEAR_BYE)),
    ("4028", "interval too small, then granted", "2001",
     (Ask("INVITE", (422,), sdp=OFFER, extra=("Session-Expires: 60", TIMER), has=("Min-SE: 90",)),
      Ack(refused=True),
      Ask("INVITE", sdp=OFFER, outside=True, extra=("Session-Expires: 100", TIMER), has=("Session-Expires: ",)),
      Ack(2), BYE), (*ANSWER, HEAR_BYE)),
    ("4028", "the caller refreshes by UPDATE", "2001",
     (Ask("INVITE", sdp=OFFER, extra=("Session-Expires: 100;refresher=uac", TIMER),
          has=("Session-Expires: 100;refresher=uac", "Require:.*timer")), Ack(),
      Ask("UPDATE", extra=("Session-Expires: 100;refresher=uac", TIMER), has=("Session-Expires: 100",)), BYE),
     (*ANSWER, HEAR_BYE)),
    ("3515", "blind transfer by the caller", "2001",
     (INVITE, Ack(), Ask("REFER", (202,), extra=(REFER,)), Hear("NOTIFY", has=("SIP/2.0 100",)),
      Hear("NOTIFY", has=("SIP/2.0 200", "Subscription-State: terminated")), BYE),
     (*ANSWER, Hear("INVITE", sdp=OFFER, version=2), HEAR_BYE),
     (Hear("INVITE", 0), Answer(200, OFFER, repeats=True), Hear("ACK"), Pause(300), BYE)),
    ("3327", "Path is kept and told", "bob",
     (Ask("REGISTER", (401,)),
      Ask("REGISTER", extra=(proof("bob"), "Supported: path", "Path: <sip:edge.example.com;lr>"),
          has=("Path: .*edge.example.com",))), ()),
    ("5627", "a public GRUU is given", "carol",
     (Ask("REGISTER", (401,)),
      Ask("REGISTER", extra=(proof("carol"), "Supported: gruu", "Contact: <sip:carol@[local_ip]:[local_port]>;"
                             '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'),
          has=("pub-gruu=",))), ()),
    ("5407", "3.1.4: re-INVITE of the callee before the caller's ACK", "2001",
     (INVITE, Pause(300), Ack(), BYE),
     (*ANSWER, Ask("INVITE", (491,), sdp=HOLD, version=2, may_ring=False), Ack(1, refused=True), HEAR_BYE)),
    ("5407", "3.1.5: the answer crosses the CANCEL", "2001",
     (Ask("INVITE", (180,), sdp=OFFER, may_ring=False), Ask("CANCEL"), Ask("", (487,)), Ack(refused=True)),
     (Hear("INVITE", 0), Answer(180), Hear("CANCEL", 481), Answer(200, OFFER, repeats=True), Hear("ACK"), HEAR_BYE)),
    ("5407", "3.1.1: the INVITE is repeated when the call is up", "2001",
     (INVITE, Ack(), Pause(100), BYE), (*ANSWER, HEAR_BYE)),
]


class Run:
    def __init__(self, gateway):
        self.gateway, self.n = gateway, 0

    def play(self, name, end, steps, ip, port, *options):
        """One SIPp, started."""
        path = self.gateway.path(f"{self.n}-{name}")
        with open(path + ".xml", "w") as file:
            file.write(write(name, end, steps))
        command = ["sipp", "-sf", path + ".xml", "-i", ip, "-mi", ip, "-p", str(port), "-nostdin", "-m", "1",
                   "-timeout", str(SECONDS), "-timeout_error", "-trace_err", "-error_file", path + ".errors",
                   "-trace_msg", "-message_file", path + ".messages", *options]
        with open(path + ".log", "w") as log:
            return path, subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TERM": "xterm"})

    def listens(self, ip, port):
        shown = subprocess.run(["ss", "-Hlun", f"src {ip}:{port}"], capture_output=True, text=True, check=True)
        return bool(shown.stdout.strip())

    def scenario(self, number, caller, callee=(), target=()):
        """Returns what went wrong, in words; None: nothing."""
        gateway, ends = self.gateway, {}
        self.n += 1
        for name, steps, port in (("callee", callee, 5060), ("target", target, 5085)):
            if steps:
                ends[name] = self.play(name, Callee(), steps, gateway.callee_ip, port)
                gateway.wait(lambda: self.listens(gateway.callee_ip, port), "SIPp to listen")
        ends["caller"] = self.play("caller", Caller(), caller, gateway.caller_ip, 5060, "-s", number, "-auth_uri", DOMAIN,
                                   f"{gateway.ip}:5060")
        wrong = []
        for name, (path, process) in ends.items():
            try:
                process.wait(SECONDS + 3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.returncode:
                wrong.append(f"{name} {self.complaint(path)}")
        for call in gateway.ctl("calls") if wrong else []:
            gateway.ctl("hangup", call["call"])
        return "; ".join(wrong) or self.left_over()

    def complaint(self, path):
        try:
            with open(path + ".errors") as file:
                return " ".join(file.read().split())[:400]
        except FileNotFoundError:
            return "failed: see " + path

    def left_over(self):
        try:
            self.gateway.wait(lambda: not self.gateway.ctl("calls") and not self.gateway.ctl("sessions"), "the end")
        except AssertionError:
            return f"something is left: {self.gateway.ctl('calls')}"
        return None


def configured(build):
    gateway = Gateway(build, 13)
    path = gateway.path("users.yaml")
    with open(path, "w") as file:
        file.write("users:\n" + "".join(f"  - {{user: {user}, password: {PASSWORD}}}\n"
                                        for user in ("alice", "bob", "carol")))
    os.chmod(path, 0o600)
    gateway.trunks = f"""\
  - name: target
    realm: lo
    peers: [{{address: {gateway.callee_ip}, port: 5085}}]
    codecs: [PCMU]
  - name: phones
    realm: lo
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, file: {path}, algorithms: [MD5]}}
"""
    gateway.routes = '  - {prefix: "85", trunk: target}\n'
    return gateway


def main():
    if not shutil.which("sipp"):
        print("skipped: no SIPp")
        return SKIPPED
    wanted = [row for row in SCENARIOS if not sys.argv[2:] or any(part in row[1] for part in sys.argv[2:])]
    gateway = configured(sys.argv[1])
    failed = 0
    try:
        gateway.start()
        run = Run(gateway)
        for rfc, what, *rest in wanted:
            wrong = run.scenario(*rest)
            failed += bool(wrong)
            print(f"RFC {rfc}  {what:<55} {wrong or 'ok'}", flush=True)
        failed += not gateway.alive()
    finally:
        gateway.stop(keep=bool(failed))
    print(f"{len(wanted)} scenarios, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
