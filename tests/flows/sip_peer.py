"""A SIP user agent under the full control of a test: it sends what the test says and nothing else.

No transactions, no timers, no automatic answers: a race happens exactly as it is written down.
"""
import re
import socket
import time
import uuid

import capture

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
           "c": "content-type", "k": "supported"}
PCMU = "0 101"
RTPMAP = {"0": "PCMU/8000", "8": "PCMA/8000", "96": "opus/48000/2", "101": "telephone-event/8000",
          "18": "G729/8000"}


class Message:
    """A received message: start line, headers, body."""

    def __init__(self, data, source):
        head, _, self.body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.text = data.decode("utf-8", "replace")
        self.source = source
        self.start = lines[0]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            self.headers.append((COMPACT.get(name, name), value.strip()))
        parts = self.start.split(" ", 2)
        self.status = int(parts[1]) if parts[0] == "SIP/2.0" else 0
        # What answers garbage may hold garbage.
        cseq = re.fullmatch(r"(\d+)\s+(\S+)", self["cseq"] or "") or re.match(r"()()", "")
        self.method = cseq.group(2) if self.status else parts[0]
        self.uri = "" if self.status else parts[1]
        self.cseq = int(cseq.group(1) or 0)

    def __getitem__(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def tag(self, name):
        found = re.search(r";tag=([^;>\s]+)", self[name])
        return found.group(1) if found else None

    def branch(self):
        return re.search(r";branch=([^;\s]+)", self["via"]).group(1)

    def contact_uri(self):
        return re.search(r"<([^>]+)>", self["contact"]).group(1)

    def sdp_direction(self):
        found = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", self.body, re.M)
        return found.group(1) if found else "sendrecv"

    def sdp_port(self):
        return int(re.search(r"^m=audio (\d+)", self.body, re.M).group(1))

    def sdp_version(self):
        return int(re.search(r"^o=\S+ \S+ (\d+)", self.body, re.M).group(1))

    def sdp_address(self):
        return re.search(r"^c=IN (IP[46] \S+)", self.body, re.M).group(1)

    def sdp_proto(self):
        return re.search(r"^m=audio \d+ (\S+)", self.body, re.M).group(1)

    def sdp_keys(self):
        """(tag, suite, key) of each a=crypto."""
        return re.findall(r"^a=crypto:(\d+) (\S+) inline:(\S+)", self.body, re.M)

    def sdp_formats(self):
        return re.search(r"^m=audio \d+ \S+ (.*)", self.body, re.M).group(1).split()

    def __repr__(self):
        return self.start


class Unexpected(AssertionError):
    pass


def host_of(ip):
    """As it stands in URIs and before a port."""
    return f"[{ip}]" if ":" in ip else ip


def family_of(ip):
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


class Peer:
    """One UDP socket; port 0 takes a free one. expect() takes the next message that counts.

    `numbers`: INVITEs to others, and what follows from them, are somebody else's leftovers.
    """

    transport = "UDP"
    media_ip = None  # in its descriptions, where it is not `ip`

    def __init__(self, ip, port, gateway, numbers=None):
        self.ip, self.gateway, self.numbers = ip, gateway, numbers
        self.open(port)
        self.port = self.socket.getsockname()[1]
        self.seen = set()
        self.calls = set()
        self.log = []

    def is_ours(self, message):
        if self.numbers is None:
            return True
        if message.method == "INVITE" and message.uri.partition("@")[0].partition(":")[2] in self.numbers:
            self.calls.add(message["call-id"])
        return message["call-id"] in self.calls

    def open(self, port):
        self.socket = socket.socket(family_of(self.ip), socket.SOCK_DGRAM)
        self.socket.bind((self.ip, port))

    def close(self):
        while self.socket.fileno() >= 0 and self.take_recorded(0):
            pass
        self.socket.close()

    def send(self, text):
        self.log.append((time.time(), ">", text))
        self.put(text.encode())
        capture.record(text.encode(), (self.ip, self.port), self.gateway, capture.THEIRS)

    def put(self, data):
        self.socket.sendto(data, self.gateway)

    def take(self, timeout):
        """The bytes of one message and its source, or None."""
        self.socket.settimeout(timeout)
        try:
            return self.socket.recvfrom(65535)
        except (socket.timeout, BlockingIOError):
            return None

    def take_recorded(self, timeout):
        taken = self.take(timeout)
        if taken:
            capture.record(taken[0], taken[1], (self.ip, self.port), capture.OURS)
        return taken

    def receive(self, timeout):
        """The next message of ours, repeated ones included; None where none comes in time."""
        end = time.time() + timeout
        while True:
            taken = self.take_recorded(max(end - time.time(), 0.001))
            if taken is None:
                return None
            message = Message(*taken)
            if self.is_ours(message):
                self.log.append((time.time(), "<", message.text))
                return message

    def expect(self, what, timeout=2, repeated=False):
        """The next message must be the method or status `what`. 100 and repetitions are skipped."""
        end = time.time() + timeout
        while True:
            message = self.receive(end - time.time())
            if message is None:
                raise Unexpected(f"{self.ip}: expected {what}, nothing came")
            key = message.text
            is_new = key not in self.seen
            self.seen.add(key)
            if message.status == 100 and what != 100:
                continue
            if not is_new and not repeated:
                continue
            if what in (message.status, message.method if not message.status else None):
                return message
            raise Unexpected(f"{self.ip}: expected {what}, got {message.start} "
                             f"({message['cseq']})")

    def expect_any(self, timeout=2):
        message = self.receive(timeout)
        if message is None:
            raise Unexpected(f"{self.ip}: expected anything, nothing came")
        return message

    def expect_nothing(self, seconds):
        message = self.receive(seconds)
        if message is not None and message.status != 100:
            raise Unexpected(f"{self.ip}: expected nothing, got {message.start}")

    def drain(self):
        while self.receive(0.001):
            pass

    def sdp(self, port=40000, formats=PCMU, direction="sendrecv", version=1, address=None,
            proto="RTP/AVP", extra=()):
        address = address or self.media_ip or self.ip
        where = f"IN {'IP6' if ':' in address else 'IP4'} {address}"
        lines = ["v=0", f"o=- 1 {version} {where}", "s=-", f"c={where}", "t=0 0",
                 f"m=audio {port} {proto} {formats}", *extra]
        lines += [f"a=rtpmap:{pt} {RTPMAP[pt]}" for pt in formats.split()]
        return "\r\n".join(lines + [f"a={direction}", ""])

    def request(self, method, uri, dialog, cseq, branch=None, body="", extra=()):
        """Text of a request. `dialog`: (call id, from, to)."""
        lines = [f"{method} {uri} SIP/2.0",
                 f"Via: SIP/2.0/{self.transport} {host_of(self.ip)}:{self.port};rport;branch={branch or new_branch()}"]
        if not any(line.lower().startswith("max-forwards") for line in extra):
            lines.append("Max-Forwards: 70")
        lines += [f"From: {dialog[1]}", f"To: {dialog[2]}", f"Call-ID: {dialog[0]}",
                  f"CSeq: {cseq} {method}", f"Contact: {self.contact()}", *extra]
        return finish(lines, body)

    def contact(self):
        return f"<sip:me@{host_of(self.ip)}:{self.port}>"

    def reply(self, request, status, to_tag=None, body="", extra=(), contact=True):
        """Answer a received request."""
        to = request["to"]
        if to_tag and ";tag=" not in to:
            to += f";tag={to_tag}"
        lines = [f"SIP/2.0 {status} Because"]
        lines += [f"Via: {via}" for via in request.all("via")]
        lines += [f"Record-Route: {route}" for route in request.all("record-route")]
        lines += [f"From: {request['from']}", f"To: {to}", f"Call-ID: {request['call-id']}",
                  f"CSeq: {request['cseq']}"]
        if contact:
            lines.append(f"Contact: {self.contact()}")
        self.send(finish([*lines, *extra], body))


class TcpPeer(Peer):
    """A listening socket, whose address is in Via and Contact, and the newest connection."""

    transport = "TCP"

    def open(self, port):
        self.socket = socket.create_server((self.ip, port), family=family_of(self.ip))
        self.connection, self.buffer = None, b""

    def connect(self):
        self.disconnect()
        self.connection = socket.create_connection(self.gateway, 2, (self.ip, 0))

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection, self.buffer = None, b""

    def accept(self, timeout=2):
        """The gateway is to connect to us."""
        self.disconnect()
        self.socket.settimeout(timeout)
        self.connection = self.socket.accept()[0]

    def close(self):
        self.disconnect()
        self.socket.close()

    def contact(self):
        return f"<sip:me@{host_of(self.ip)}:{self.port};transport=tcp>"

    def put(self, data):
        if not self.connection:
            self.connect()
        self.connection.sendall(data)

    def take(self, timeout):
        end = time.time() + timeout
        while True:
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            found = re.search(rb"^(?:content-length|l)\s*:\s*(\d+)", head, re.I | re.M)
            if blank and len(rest) >= int(found.group(1)):
                size = len(head) + 4 + int(found.group(1))
                data, self.buffer = self.buffer[:size], self.buffer[size:]
                return data, self.connection.getpeername()
            if not self.connection or not self.take_more(end - time.time()):
                return None

    def take_more(self, timeout):
        self.connection.settimeout(max(timeout, 0.001))
        try:
            more = self.connection.recv(65535)
        except (socket.timeout, BlockingIOError):
            return False
        self.buffer += more
        return bool(more)


def finish(lines, body):
    if body and not any(line.lower().startswith("content-type:") for line in lines):
        lines = [*lines, "Content-Type: application/sdp"]
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])


def new_branch():
    return "z9hG4bK" + uuid.uuid4().hex[:16]


class Dialog:
    """What a user agent remembers of a dialog, either side of it."""

    def __init__(self, peer, call_id, local, remote, target, cseq):
        self.peer, self.call_id, self.local, self.remote = peer, call_id, local, remote
        self.target, self.cseq = target, cseq
        self.branch = None

    def send(self, method, body="", extra=(), cseq=None):
        """A request in the dialog with the next number, or for ACK and CANCEL that of the last."""
        if cseq is None:
            self.cseq += method not in ("ACK", "CANCEL")
            cseq = self.cseq
        self.branch = new_branch()
        self.peer.send(self.peer.request(method, self.target, (self.call_id, self.local, self.remote),
                                         cseq, self.branch, body, extra))

    def bye(self):
        self.send("BYE")
        self.peer.expect(200)


class OutgoingCall:
    """The caller's INVITE."""

    def __init__(self, peer, number, body=None, extra=(), from_user="alice", scheme="sip",
                 parameters="", uri=None):
        self.peer = peer
        self.call_id = uuid.uuid4().hex + "@" + peer.ip
        self.tag = uuid.uuid4().hex[:8]
        self.uri = f"{scheme}:{number}@{host_of(peer.gateway[0])}:{peer.gateway[1]}{parameters}"
        target, self.uri = self.uri, uri or self.uri
        self.dialog_values = (self.call_id, f'"Alice" <sip:{from_user}@{host_of(peer.ip)}>;tag={self.tag}',
                              f"<{target}>")
        self.branch = new_branch()
        self.body = peer.sdp() if body is None else body
        self.text = peer.request("INVITE", self.uri, self.dialog_values, 1, self.branch, self.body,
                                 extra)
        peer.send(self.text)

    def cancel(self, extra=()):
        self.peer.send(self.peer.request("CANCEL", self.uri, self.dialog_values, 1, self.branch,
                                         extra=extra))
        self.peer.expect(200)

    def ack_refusal(self, response):
        values = (self.call_id, self.dialog_values[1], response["to"])
        self.peer.send(self.peer.request("ACK", self.uri, values, 1, self.branch))

    def refused(self, status, timeout=2):
        response = self.peer.expect(status, timeout)
        self.ack_refusal(response)
        return response

    def dialog(self, response):
        return Dialog(self.peer, self.call_id, self.dialog_values[1], response["to"],
                      response.contact_uri(), 1)

    def answered(self, ack_body=""):
        """Take the 200 and acknowledge it."""
        response = self.peer.expect(200)
        dialog = self.dialog(response)
        dialog.send("ACK", body=ack_body)
        dialog.answer = response
        return dialog


def incoming_dialog(peer, invite, to_tag):
    """The callee's view of a dialog that it accepted."""
    dialog = Dialog(peer, invite["call-id"], invite["to"] + f";tag={to_tag}", invite["from"],
                    invite.contact_uri(), 100)
    dialog.invite = invite
    return dialog
