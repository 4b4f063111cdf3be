"""Frames, from the bytes of the RFCs up, and pcap files. It shares nothing with the code under test.

A packet of a case is "FROM > TO KIND NAME=VALUE...". Values are numbers, or bytes as hexadecimal
("80ff"), repeated ("ff*160"), or of a law ("alaw(00..ff)": what G.711 makes of these mu-law bytes). In a
packet that is expected a number may be a range ("320~8000": from 320 up to 8000 more) and bytes may be
any ("any*16"): it is then filled in from the packet that came, so that sums are compared all the same.
Before FROM, "srtp=KEY:INDEX" has the packet protected: KEY of the case, INDEX the ROC of RTP or the index
of SRTCP; "damage=N" inverts bit 0 of byte N of the payload, counted from the end if negative.
"""
import ipaddress
import struct

OURS = [bytes.fromhex("020000000100"), bytes.fromhex("020000000101")]
THEIRS = [bytes.fromhex("020000000200"), bytes.fromhex("020000000201")]


class Hole:
    """Bytes that are not known before: `allowed` says of those that came whether they may be."""

    def __init__(self, size, allowed):
        self.size, self.allowed = size, allowed


class Parts:
    """Bytes with holes in them."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def __add__(self, other):
        return Parts(*self.parts, *(other.parts if isinstance(other, Parts) else [other]))

    def __len__(self):
        return sum(part.size if isinstance(part, Hole) else len(part) for part in self.parts)

    def fill(self, actual):
        """All bytes; a hole has the actual ones where these are allowed, and zeros elsewhere."""
        out = b""
        for part in self.parts:
            if isinstance(part, Hole):
                came = actual[len(out):len(out) + part.size]
                part = came if len(came) == part.size and part.allowed(came) else bytes(part.size)
            out += part
        return out


def number(text, size):
    """A number of so many bytes, or a range."""
    text = str(text)
    if "~" not in text:
        return Parts(int(text, 0).to_bytes(size, "big"))
    least, more = (int(part, 0) for part in text.split("~"))
    mask = (1 << 8 * size) - 1
    return Parts(Hole(size, lambda came: (int.from_bytes(came, "big") - least) & mask <= more))


def alaw_of_ulaw(code):
    """G.711: the A-law code of what a mu-law code stands for."""
    code = ~code & 0xff
    magnitude = ((((code & 0x0f) * 2 + 33) << (code >> 4 & 7)) - 33) >> 1  # of 12 bits
    chord = max(magnitude.bit_length() - 5, 0)
    step = magnitude >> max(chord, 1) & 0x0f
    return ((0 if code & 0x80 else 0x80) | chord << 4 | step) ^ 0x55


def octets(text):
    """Bytes of a value."""
    if text.startswith("alaw("):
        return Parts(bytes(alaw_of_ulaw(code) for code in octets(text[5:-1]).fill(b"")))
    if text.startswith("any*"):
        return Parts(Hole(int(text[4:]), lambda came: True))
    if ".." in text:
        first, last = (int(part, 16) for part in text.split(".."))
        return Parts(bytes(range(first, last + 1)))
    digits, _, times = text.partition("*")
    return Parts(bytes.fromhex(digits) * int(times or 1))


def text_of(text):
    return Parts(Hole(int(text[4:]), lambda came: True)) if text.startswith("any*") else Parts(text.encode())


# ---- payloads ----

def rtp(pt="0", seq="1", ts="0", ssrc="0", payload="", marker="0", csrc="", extension="", padding="0"):
    """RFC 3550 5.1. `csrc`: comma between; `extension`: profile:data; `padding`: how many bytes."""
    sources = [source for source in csrc.split(",") if source]
    padding = int(padding)
    first = 0x80 | bool(padding) << 5 | bool(extension) << 4 | len(sources)
    parts = Parts(bytes([first, int(marker) << 7 | int(pt)])) + number(seq, 2) + number(ts, 4) + number(ssrc, 4)
    for source in sources:
        parts += number(source, 4)
    if extension:
        profile, _, data = extension.partition(":")
        data = octets(data)
        parts += Parts(bytes.fromhex(profile), struct.pack(">H", len(data) // 4)) + data
    parts += octets(payload)
    if padding:
        parts += bytes(padding - 1) + bytes([padding])
    return parts


def rtcp_packet(count, pt, body):
    assert len(body) % 4 == 0
    return Parts(struct.pack(">BBH", 0x80 | count, pt, len(body) // 4)) + body


def block(text):
    """ssrc:fraction:lost:sequence:jitter:lsr:dlsr (RFC 3550 6.4.1)."""
    ssrc, fraction, lost, sequence, jitter, lsr, dlsr = text.split(":")
    return (number(ssrc, 4) + number(fraction, 1) + number(lost, 3) + number(sequence, 4) +
            number(jitter, 4) + number(lsr, 4) + number(dlsr, 4))


def sr(ssrc, ntp="0", ts="0", packets="0", bytes_sent="0", blocks=""):
    listed = [item for item in blocks.split(",") if item]
    body = number(ssrc, 4) + number(ntp, 8) + number(ts, 4) + number(packets, 4) + number(bytes_sent, 4)
    for item in listed:
        body += block(item)
    return rtcp_packet(len(listed), 200, body)


def rr(ssrc, blocks=""):
    listed = [item for item in blocks.split(",") if item]
    body = number(ssrc, 4)
    for item in listed:
        body += block(item)
    return rtcp_packet(len(listed), 201, body)


def sdes(ssrc, cname):
    """One chunk, ended by one to four zeros (RFC 3550 6.5)."""
    name = text_of(cname)
    body = number(ssrc, 4) + bytes([1, len(name)]) + name
    return rtcp_packet(1, 202, body + bytes(4 - len(body) % 4))


def bye(ssrc, reason=""):
    body = number(ssrc, 4)
    if reason:
        said = bytes([len(reason)]) + reason.encode()
        body += said + bytes(-len(said) % 4)
    return rtcp_packet(1, 203, body)


def raw(payload=""):
    return octets(payload)


KINDS = {"rtp": rtp, "sr": sr, "rr": rr, "sdes": sdes, "bye": bye, "raw": raw}


def payload_of(words):
    """KIND NAME=VALUE... and, for a compound, + KIND NAME=VALUE..."""
    parts, options = Parts(), {}
    kind = None
    for word in [*words, "+"]:
        if word == "+":
            parts += KINDS[kind](**options)
            kind, options = None, {}
        elif kind is None:
            kind = word
        else:
            name, _, value = word.partition("=")
            options[name] = value
    return parts


# ---- frames ----

def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    host, _, port = text.rpartition(":")
    return ipaddress.ip_address(host.strip("[]")), int(port)


def udp_datagram(source, target, payload):
    (from_ip, from_port), (to_ip, to_port) = source, target
    length = 8 + len(payload)
    header = struct.pack(">HHHH", from_port, to_port, length, 0)
    if from_ip.version == 4:
        pseudo = from_ip.packed + to_ip.packed + struct.pack(">BBH", 0, 17, length)
    else:
        pseudo = from_ip.packed + to_ip.packed + struct.pack(">IHBB", length, 0, 0, 17)
    return struct.pack(">HHHH", from_port, to_port, length, checksum(pseudo + header + payload) or 0xffff) + payload


def ip_packet(source, target, datagram, tos, ttl, label):
    if source.version == 6:
        return 0x86dd, struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(datagram), 17, ttl) + \
            source.packed + target.packed + datagram
    header = struct.pack(">BBHHHBBH", 0x45, tos, 20 + len(datagram), 0, 0x4000, ttl, 17, 0) + \
        source.packed + target.packed
    return 0x0800, header[:10] + struct.pack(">H", checksum(header)) + header[12:] + datagram


flow_labels = {}  # by source and target, as first seen


class Packet:
    """One line of a case: where it goes, and how its frame is made."""

    def __init__(self, port, words, outgoing, keys):
        self.port, self.outgoing = port, outgoing
        self.options = {"tos": "0" if not outgoing else "0xb8", "ttl": "64", "vlan": "0", "srtp": "", "damage": ""}
        while words and words[0].partition("=")[0] in self.options:
            name, _, value = words.pop(0).partition("=")
            self.options[name] = value
        self.source, arrow, self.target = address(words[0]), words[1], address(words[2])
        assert arrow == ">", "a packet is FROM > TO ..."
        self.payload = payload_of(words[3:])
        key, _, index = self.options["srtp"].partition(":")
        self.key, self.index = (keys[key], int(index)) if key else (None, 0)
        self.line = " ".join(words)

    def flow_label(self, actual):
        """Of IPv6; the sender's choice, but the same in all packets of a flow (RFC 6437)."""
        at = 15 + 4 * bool(int(self.options["vlan"]))
        if not actual or self.source[0].version == 4:
            return 0
        came = int.from_bytes(actual[at:at + 3], "big") & 0xfffff
        return flow_labels.setdefault((self.source, self.target), came)

    def datagram_payload(self, actual):
        """What UDP carries; `actual`: what came, for the holes."""
        if not self.key:
            return self.payload.fill(actual)
        is_rtcp = len(actual) > 1 and 192 <= actual[1] <= 223
        payload = bytearray(self.key.protect(self.payload.fill(self.key.plain_rtcp(actual) if is_rtcp else actual),
                                             self.index))
        if self.options["damage"]:
            payload[int(self.options["damage"])] ^= 1
        return bytes(payload)

    def frame(self, actual=b""):
        """Its bytes, holes filled from a frame that came."""
        vlan = int(self.options["vlan"])
        header = 14 + 4 * bool(vlan) + (20 if self.source[0].version == 4 else 40) + 8
        datagram = udp_datagram(self.source, self.target, self.datagram_payload(actual[header:]))
        ethertype, packet = ip_packet(self.source[0], self.target[0], datagram,
                                      int(self.options["tos"], 0), int(self.options["ttl"]),
                                      self.flow_label(actual))
        macs = THEIRS[self.port] + OURS[self.port] if self.outgoing else OURS[self.port] + THEIRS[self.port]
        tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
        return macs + tag + struct.pack(">H", ethertype) + packet


def write_pcap(path, frames):
    """For people, and for tshark: link type Ethernet."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for at, frame in enumerate(frames):
            file.write(struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame)
