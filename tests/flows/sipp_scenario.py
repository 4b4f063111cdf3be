"""SIPp scenarios as lists of steps: SIPp has no include, and its XML hides what happens.

A scenario is what one end does, in order: Ask() sends a request and takes its answers, Hear() takes
a request and answers it, Answer() answers the INVITE that the call began with. What is written here is
RFC 3261's grammar; what is tested is whether another stack than ours goes along.
"""
from dataclasses import dataclass
from html import escape

SDP = """v=0
o=- 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 40000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a={direction}
"""
REPEATED = '"500"'  # ms
DOMAIN = "flows.example.com"
VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"
CONTACT = "Contact: <sip:me@[local_ip]:[local_port]>\n"


def body_of(direction, version):
    return SDP.format(direction=direction, version=version) if direction else ""


def lines_of(extra):
    return "".join(line + "\n" for line in extra)


def finished(head, body):
    """A message with its body; SIPp counts the length."""
    if body:
        return head + "Content-Type: application/sdp\nContent-Length: [len]\n\n" + body
    return head + "Content-Length: 0\n\n"


def send(text, repeats):
    return f"<send{' retrans=' + REPEATED if repeats else ''}><![CDATA[\n{text}]]></send>\n"


def wanted(has, keep):
    """What must be in the message: regular expressions."""
    if not has and not keep:
        return ""
    checks = "".join(f'<ereg regexp="{escape(pattern)}" search_in="msg" check_it="true" assign_to="check{i}"/>'
                     for i, pattern in enumerate(has))
    if keep:
        checks += f'<ereg regexp="[0-9]+" search_in="hdr" header="{keep}:" assign_to="kept"/>'
    return f"<action>{checks}</action>"


def take(what, has=(), more="", keep=""):
    names = ",".join([*(f"check{i}" for i in range(len(has))), *(["kept"] if keep else [])])
    reference = f'<Reference variables="{names}"/>\n' if names else ""
    return f"<recv {what}{more}>{wanted(has, keep)}</recv>\n{reference}"


@dataclass
class Pause:
    ms: int

    def xml(self, end):
        return f'<pause milliseconds="{self.ms}"/>\n'


@dataclass
class Ask:
    """A request and the responses to it; 100 always, and 180 to INVITEs, may come. Without a method:
    another response to what was asked before."""
    method: str
    answers: tuple = (200,)
    sdp: str = ""
    version: int = 1
    extra: tuple = ()
    has: tuple = ()  # of the last answer
    cseq: int = 0
    outside: bool = False  # of no dialog yet
    may_ring: bool = True
    keep: str = ""  # a header whose number is wanted later, as [$kept]

    def xml(self, end):
        text = send(finished(end.head(self), body_of(self.sdp, self.version)), True) if self.method else ""
        for i, status in enumerate(self.answers):
            last = i == len(self.answers) - 1
            for maybe in ((100, 180) if self.may_ring else (100,)) if self.method == "INVITE" else ():
                text += take(f'response="{maybe}"', more=' optional="true"') if maybe not in self.answers[:i + 1] else ""
            more = ' auth="true"' if status in (401, 407) else ""
            more += ' rrs="true"' if self.method in ("INVITE", "") and status < 300 else ""
            text += take(f'response="{status}"', self.has if last else (), more=more, keep=self.keep if last else "")
        return text


@dataclass
class Ack:
    """Of a 2xx, or of a refusal (the same branch as its INVITE)."""
    cseq: int = 1
    refused: bool = False
    sdp: str = ""

    def xml(self, end):
        return send(finished(end.ack(self), body_of(self.sdp, 1)), False)


@dataclass
class Hear:
    """A request, answered with `status`; 0: not, or later by Answer()."""
    method: str
    status: int = 200
    has: tuple = ()
    sdp: str = ""
    version: int = 1
    extra: tuple = ()

    def xml(self, end):
        text = end.take_invite(self.has) if end.begins_with(self) else take(f'request="{self.method}"', self.has)
        if self.status and self.method != "ACK":
            head = f"SIP/2.0 {self.status} Fine\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n" \
                   f"[last_CSeq:]\n{CONTACT}{lines_of(self.extra)}"
            text += send(finished(head, body_of(self.sdp, self.version)), False)
        if self.method == "INVITE" and self.status >= 200:
            text += take('request="ACK"')
        return text


@dataclass
class Answer:
    """A response to the INVITE that the call began with, whatever was heard since."""
    status: int
    sdp: str = ""
    version: int = 1
    extra: tuple = ()
    repeats: bool = False

    def xml(self, end):
        head = f"SIP/2.0 {self.status} Fine\nVia:[$via]\nFrom:[$far]\nTo:[$near];tag=b[pid][call_number]\n" \
               f"Call-ID: [call_id]\nCSeq:[$cseq]\n{CONTACT}{lines_of(self.extra)}"
        return send(finished(head, body_of(self.sdp, self.version)), self.repeats)


class Caller:
    """Who begins."""

    def __init__(self):
        self.cseq = 0

    def begins_with(self, step):
        return False

    def head(self, step):
        self.cseq = step.cseq or self.cseq + (step.method != "CANCEL")
        registers, cancels = step.method == "REGISTER", step.method == "CANCEL"
        outside = step.outside or registers or cancels or self.cseq == 1
        where = "sip:[service]@[remote_ip]:[remote_port]" if outside else "[next_url]"
        host = f"{DOMAIN}" if registers else "[remote_ip]"
        lines = [f"{step.method} {'sip:' + DOMAIN if registers else where} SIP/2.0",
                 "[last_Via:]" if cancels else VIA,
                 "Max-Forwards: 70",
                 f"From: <sip:[service]@{DOMAIN}>;tag=a[pid][call_number]",
                 f"To: <sip:[service]@{host}>" + ("" if outside else "[peer_tag_param]"),
                 "Call-ID: [call_id]", f"CSeq: {self.cseq} {step.method}"]
        if step.method not in ("CANCEL", "BYE", "PRACK"):
            lines.append(CONTACT.strip())
        return lines_of([*lines, *([] if outside else ["[routes]"]), *step.extra])

    def ack(self, step):
        lines = ["ACK " + ("sip:[service]@[remote_ip]:[remote_port]" if step.refused else "[next_url]") + " SIP/2.0",
                 "[last_Via:]" if step.refused else VIA, "Max-Forwards: 70",
                 f"From: <sip:[service]@{DOMAIN}>;tag=a[pid][call_number]",
                 "To: <sip:[service]@[remote_ip]>[peer_tag_param]", "Call-ID: [call_id]", f"CSeq: {step.cseq} ACK"]
        return lines_of([*lines, *([] if step.refused else ["[routes]"])])


class Callee:
    """Who is called. Its own requests go where the INVITE's Contact says."""

    def __init__(self):
        self.cseq, self.known = 0, False

    def begins_with(self, step):
        known, self.known = self.known, True
        return not known and step.method == "INVITE"

    def take_invite(self, has):
        checks = "".join(f'<ereg regexp="{escape(pattern)}" search_in="msg" check_it="true" assign_to="check{i}"/>'
                         for i, pattern in enumerate(has))
        kept = {"far": "From:", "near": "To:", "cseq": "CSeq:", "via": "Via:"}
        keep = "".join(f'<ereg regexp=".*" search_in="hdr" header="{header}" assign_to="{name}"/>'
                       for name, header in kept.items())
        target = '<ereg regexp="&lt;(sip:[^&gt;]*)&gt;" search_in="hdr" header="Contact:" assign_to="all,target"/>'
        names = ",".join(["all", "target", *kept, *(f"check{i}" for i in range(len(has)))])
        return f'<recv request="INVITE"><action>{checks}{target}{keep}</action></recv>\n' \
               f'<Reference variables="{names}"/>\n'

    def head(self, step):
        self.cseq = step.cseq or self.cseq + 1
        return self.lines(step.method, VIA) + CONTACT + lines_of(step.extra)

    def ack(self, step):
        self.cseq = step.cseq
        return self.lines("ACK", "[last_Via:]" if step.refused else VIA)

    def lines(self, method, via):
        return lines_of([f"{method} [$target] SIP/2.0", via, "Max-Forwards: 70",
                         "From:[$near];tag=b[pid][call_number]", "To:[$far]", "Call-ID: [call_id]",
                         f"CSeq: {self.cseq} {method}"])


def write(name, end, steps):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{escape(name)}">\n' + \
        "".join(step.xml(end) for step in steps) + "</scenario>\n"
