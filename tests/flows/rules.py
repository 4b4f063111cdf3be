"""Rules that every message of the gateway must keep, whoever it is for and whatever was asked.

A Judge hears all messages of one run in their order, ours and the peers', and says of each of ours
which rules it breaks. Rules are methods: those of one message, those of a transaction, those of a
dialog, those of descriptions. What the peers send is not judged: they test by breaking rules.
"""
import re

from sip_peer import Message

ONCE = ("from", "to", "call-id", "cseq", "content-length")
ONCE_AT_MOST = ("max-forwards", "content-type", "expires", "min-expires", "rseq", "rack", "session-expires",
                "min-se", "refer-to", "referred-by", "replaces", "retry-after", "event", "subject",
                "priority", "privacy", "user-agent", "server", "p-early-media", "session-id")
# Requests and 2xx whose Contact is where the dialog's next requests go (RFC 3261 12.1, 3311 5.1, 3515).
TARGETED = ("INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY")
# RFC 3261 20.5, 21.4, 3262, 4028, and others: a status that says nothing without its header.
EXPLAINED = {401: "www-authenticate", 405: "allow", 407: "proxy-authenticate", 420: "unsupported",
             421: "require", 422: "min-se", 423: "min-expires", 469: "recv-info", 489: "allow-events"}
COOKIE = "z9hG4bK"


def tag_of(value):
    found = re.search(r";\s*tag=([^;>\s]+)", (value or "").rpartition(">")[2])
    return found.group(1) if found else None


def branch_of(via):
    found = re.search(r";\s*branch=([^;,\s]+)", via)
    return found.group(1) if found else None


def listed(values):
    """A header's values one by one; commas within <> and quotes separate nothing."""
    text = ",".join(values)
    return [part.strip() for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+', text)]


def lines_of(body, kind):
    return re.findall(rf"^{kind}=(.*?)\r?$", body, re.M)


class Judge:
    """`hosts`: the addresses of the peers of this run, which nobody else may hear of."""

    def __init__(self, hosts=()):
        self.hosts = set(hosts)
        self.received = {}  # (Call-ID, CSeq number, method, branch): the peers' requests
        self.refused = set()  # branches of our INVITEs that the peer refused
        self.sent = {}  # (branch, method, receiver): our request
        self.numbers = {}  # (Call-ID, our tag, the peer's): highest CSeq of ours
        self.answers = {}  # (request's key, receiver): our final response
        self.descriptions = {}  # (Call-ID, our tag, receiver): our last one
        self.offers = {}  # the same and CSeq: number of media lines of the peer's offer

    def restarted(self):
        """A gateway that comes back counts up from what it last wrote down, not from what it last said."""
        self.descriptions.clear()

    def hear(self, ours, source, destination, data):
        """What is wrong with this message, in words."""
        try:
            message = Message(data, source)
        except (ValueError, IndexError):
            return ["is no message"] if ours else []
        message.raw, message.peer = data, destination if ours else source
        if not ours:
            self.remember(message)
            return []
        rules = [self.shape, self.hidden]
        rules += [self.response] if message.status else [self.request]
        if message.body and (message["content-type"] or "").startswith("application/sdp"):
            rules.append(self.description)
        return [complaint for rule in rules for complaint in rule(message)]

    def remember(self, message):
        via = (listed(message.all("via")) or [""])[0]
        branch = branch_of(via)
        if not message.status:
            self.received[message["call-id"], message.cseq, message.method, branch] = message
            if message["content-type"] and message.body:
                key = message["call-id"], message.cseq, message.peer
                self.offers[key] = len(lines_of(message.body, "m"))
        elif message.method == "INVITE" and message.status >= 300:
            self.refused.add(branch)

    # --- one message ---

    def shape(self, message):
        head, blank, body = message.raw.partition(b"\r\n\r\n")
        if not blank:
            yield "has no end of its headers"
        if b"\n" in head.replace(b"\r\n", b"") or b"\r" in head.replace(b"\r\n", b""):
            yield "has a bare CR or LF among its headers"
        if re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", head):
            yield "has a control character among its headers"
        for name in ONCE:
            if len(message.all(name)) != 1:
                yield f"has {len(message.all(name))} {name}"
        for name in ONCE_AT_MOST:
            if len(message.all(name)) > 1:
                yield f"has {len(message.all(name))} {name}"
        if message["content-length"] != str(len(body)):
            yield f"says Content-Length {message['content-length']} before {len(body)} bytes"
        if bool(message["content-type"]) != bool(body):
            yield "has a body or Content-Type, not both"
        for name, value in message.headers:
            if not value and name not in ("supported", "accept", "allow", "allow-events", "recv-info"):
                yield f"has an empty {name}"

    def hidden(self, message):
        """Nothing of the other side's network (RFC 5853 3.1)."""
        for host in self.hosts - {message.peer}:
            if re.search(rf"(?<![\d.]){re.escape(host)}(?![\d.])", self.own_words(message)):
                yield f"tells {message.peer} of {host}"

    def own_words(self, message):
        """Without what a response repeats of its request, and a request of its dialog."""
        repeated = ("via", "from", "to", "call-id", "record-route") if message.status else \
            ("from", "to", "call-id", "route")
        start = "" if not message.status and tag_of(message["to"]) else message.start
        # Other bodies are the far ends' own.
        body = message.body if (message["content-type"] or "").startswith("application/sdp") else ""
        return "\n".join([start, *(value for name, value in message.headers if name not in repeated), body])

    # --- transactions ---

    def request(self, message):
        vias = listed(message.all("via"))
        branch = branch_of(vias[0]) if vias else None
        if len(vias) != 1:
            yield f"has {len(vias)} Via: a B2BUA begins"
        if not branch or not branch.startswith(COOKIE) or len(branch) < len(COOKIE) + 8:
            yield f"has the branch {branch}"
        if len(message.all("max-forwards")) != 1:
            yield "has no Max-Forwards"
        if not tag_of(message["from"]):
            yield "has no From tag"
        if (message["cseq"] or "").split()[-1:] != [message.start.split()[0]]:
            yield f"has CSeq {message['cseq']}"
        yield from self.contacts(message, message.method in TARGETED)
        yield from self.branch_is_its_own(message, branch)
        yield from self.number_rises(message, branch)

    def contacts(self, message, wanted):
        n = len(listed(message.all("contact")))
        if wanted and n != 1:
            yield f"has {n} Contact"

    def branch_is_its_own(self, message, branch):
        """RFC 3261 8.1.1.7, 9.1, 17.1.1.3, 13.2.2.4."""
        key = branch, message.method, message.peer
        before = self.sent.setdefault(key, message)
        if before is not message and before.raw != message.raw:
            yield "has the branch of another request"
        invite = self.sent.get((branch, "INVITE", message.peer))
        if message.method == "CANCEL" and not invite:
            yield "has not the branch of its INVITE"
        if message.method == "ACK" and bool(invite) != (branch in self.refused):
            yield "has the INVITE's branch" if invite else "has not the branch of the refused INVITE"
        if message.method == "ACK" and not any(
                (other["call-id"], other.cseq, tag_of(other["from"])) ==
                (message["call-id"], message.cseq, tag_of(message["from"]))
                for (_, method, _), other in self.sent.items() if method == "INVITE"):
            yield "acknowledges no INVITE of ours"
        if message.method in ("CANCEL", "ACK") and invite:
            for name in ("call-id", "from", "cseq"):
                if message[name].split()[0] != invite[name].split()[0]:
                    yield f"has not its INVITE's {name}"
            if message.uri != invite.uri or message.all("route") != invite.all("route"):
                yield "has not its INVITE's URI or Route"
        if message.method not in ("CANCEL", "ACK"):
            others = [key for key in self.sent if key[0] == branch and key[1] not in
                      ("CANCEL", "ACK", message.method)]
            if others:
                yield f"has the branch of a {others[0][1]}"

    def number_rises(self, message, branch):
        """RFC 3261 12.2.1.1. What is repeated, sent to the next peer or over TCP has the number again."""
        if message.method in ("ACK", "CANCEL") or \
                self.sent[branch, message.method, message.peer] is not message:
            return
        begun = message["call-id"], tag_of(message["from"]), None  # what all forks have begun with
        dialog = *begun[:2], tag_of(message["to"])
        initial = dialog == begun
        highest = max(self.numbers.get(begun, -1), self.numbers.get(dialog, -1))
        if message.cseq < highest or (message.cseq == highest and not initial):
            yield f"has CSeq {message.cseq} after {highest}"
        self.numbers[dialog] = max(message.cseq, highest)

    def response(self, message):
        via = (listed(message.all("via")) or [""])[0]
        request = self.received.get((message["call-id"], message.cseq, message.method, branch_of(via)))
        if not request:
            yield "answers nothing that was asked"
            return
        if self.without_received(message) != self.without_received(request):
            yield "has other Vias than its request"
        for name in ("from", "cseq"):
            if (message[name] or "").split() != (request[name] or "").split():
                yield f"has another {name} than its request"
        theirs, ours = tag_of(request["to"]), tag_of(message["to"])
        if theirs and theirs != ours:
            yield "has another To tag than its request"
        if message.status > 100 and not ours:
            yield "has no To tag"
        if message.status == 100 and message["contact"]:
            yield "has a Contact in a 100"
        if message.status in EXPLAINED and message[EXPLAINED[message.status]] is None:
            yield f"has no {EXPLAINED[message.status]}"
        if message.method in TARGETED and message.method != "NOTIFY" and message.status // 100 == 2:
            yield from self.contacts(message, True)
        if message.method == "INVITE" and 100 < message.status < 200:
            yield from self.contacts(message, True)
        if message.method == "INVITE" and 100 < message.status < 300 and not theirs and \
                listed(message.all("record-route")) != listed(request.all("record-route")):
            yield "has not its request's Record-Route"
        yield from self.is_final_once(message, branch_of(via))
        yield from self.is_reliable_by_rule(message, request)

    def without_received(self, message):
        return [re.sub(r"\s|;(received|rport)(=[^;,]*)?", "", via) for via in listed(message.all("via"))]

    def is_final_once(self, message, branch):
        key = message["call-id"], message.cseq, message.method, branch, message.peer
        before = self.answers.get(key)
        if before and before.status != message.status:
            yield f"comes after {before.start}"
        if message.status >= 200:
            self.answers[key] = message

    def is_reliable_by_rule(self, message, request):
        """RFC 3262 3 and 4: asked for, numbered, never the 100."""
        reliable = "100rel" in listed(message.all("require")) and message.status < 200
        if reliable != bool(message["rseq"]):
            yield "has RSeq or Require: 100rel, not both"
        asked = listed(request.all("supported")) + listed(request.all("require"))
        if reliable and (message.status == 100 or "100rel" not in asked):
            yield "is reliable for somebody who did not ask"

    # --- descriptions (RFC 3264 5 to 8, RFC 8866) ---

    def description(self, message):
        body = message.body
        if not body.startswith("v=0\r\n") or re.search(r"(?<!\r)\n", body) or not body.endswith("\r\n"):
            yield "describes in lines that do not end as they must"
        origins, lines = lines_of(body, "o"), lines_of(body, "m")
        if len(origins) != 1 or len(lines_of(body, "s")) != 1 or not lines_of(body, "t"):
            yield "describes without o=, s= or t="
            return
        yield from self.formats(body)
        name, session, version, *where = origins[0].split()
        dialog = message["call-id"], tag_of(message["to" if message.status else "from"]), message.peer
        before = self.descriptions.get(dialog)
        self.descriptions[dialog] = session, int(version), body, len(lines)
        offered = self.offers.get((message["call-id"], message.cseq, message.peer))
        if message.status and offered is not None and message.method != "PRACK" and offered != len(lines):
            yield f"answers {offered} media lines with {len(lines)}"
        if not before:
            return
        if before[0] != session:
            yield "describes another session (o=) than before"
        if before[1] == int(version) and before[2] != body:
            yield "describes something else with the same version (o=)"
        if int(version) - before[1] not in (0, 1):
            yield f"has version {version} after {before[1]}"
        if before[3] > len(lines):
            yield "has fewer media lines than before"

    def formats(self, body):
        """Each payload type once, each attribute of one that is on the line (RFC 8866 6.6, 6.15)."""
        for media in re.split(r"^(?=m=)", body, flags=re.M)[1:]:
            _, port, proto, *types = media.split("\r\n")[0].split()
            if len(types) != len(set(types)) or not types:
                yield f"names formats twice or none: {types}"
            if "RTP" not in proto:
                continue
            maps = [value.split()[0] for value in re.findall(r"^a=rtpmap:(.*?)\r", media, re.M)]
            if len(maps) != len(set(maps)):
                yield "maps a payload type twice"
            described = maps + [value.split()[0] for value in re.findall(r"^a=fmtp:(.*?)\r", media, re.M)]
            if set(described) - set(types):
                yield f"describes formats that the line does not name: {described} of {types}"
            dynamic = {pt for pt in types if pt.isdigit() and int(pt) >= 96}
            if int(port) and dynamic - set(maps):
                yield f"does not say what {dynamic - set(maps)} is"
            if len(re.findall(r"^a=(?:sendrecv|sendonly|recvonly|inactive)\r", media, re.M)) > 1:
                yield "has two directions"
