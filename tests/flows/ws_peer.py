"""A SIP user agent as a browser has it: SIP over WebSocket (RFC 7118), frames written by hand."""
import base64
import hashlib
import os
import socket
import ssl
import struct

from sip_peer import TcpPeer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WsPeer(TcpPeer):
    """Its Via and Contact say a host that nobody can find. `ca`: over TLS, believing that file."""

    transport = "WS"
    origin = "https://phone.example.com"
    opcode = TEXT

    def __init__(self, ip, gateway, numbers=None, ca=None):
        self.host, self.ca = f"{os.urandom(6).hex()}.invalid", ca
        self.transport = "WSS" if ca else "WS"
        super().__init__(ip, 0, gateway, numbers)

    def contact(self):
        return f"<sip:me@{self.host};transport=ws;ob>"

    def request(self, *args, **kwargs):
        text = super().request(*args, **kwargs)
        return text.replace(f"Via: SIP/2.0/{self.transport} {self.ip}:{self.port};rport",
                            f"Via: SIP/2.0/{self.transport} {self.host}", 1)

    def upgrade(self):
        """Ask for WebSocket. Returns the answer's status."""
        super().connect()
        if self.ca:
            self.connection = ssl.create_default_context(cafile=self.ca).wrap_socket(
                self.connection, server_hostname=self.gateway[0])
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {self.gateway[0]}:{self.gateway[1]}\r\n"
            "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: {self.origin}\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            "Sec-WebSocket-Protocol: sip\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer and self.take_more(2):
            pass
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.answer = {name.lower(): value.strip()
                       for name, _, value in (line.partition(":") for line in lines[1:])}
        self.accept_key = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        return int(lines[0].split()[1])

    def connect(self):
        status = self.upgrade()
        assert status == 101, f"{status} instead of an upgrade"
        assert self.answer["sec-websocket-accept"] == self.accept_key
        assert self.answer["sec-websocket-protocol"] == "sip"
        assert "sec-websocket-extensions" not in self.answer

    def frame(self, opcode, payload, last=True):
        mask = os.urandom(4)
        size = len(payload)
        head = struct.pack("!BB", last << 7 | opcode, 0x80 | size) if size < 126 else \
            struct.pack("!BBH", last << 7 | opcode, 0x80 | 126, size)
        self.connection.sendall(
            head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def put(self, data):
        if not self.connection:
            self.connect()
        self.frame(self.opcode, data)

    def take_frame(self, timeout):
        """(opcode, payload), or None."""
        while True:
            if len(self.buffer) >= 2:
                assert self.buffer[0] & 0x80 and not self.buffer[1] & 0x80
                at, size = 2, self.buffer[1]
                if size == 126 and len(self.buffer) >= 4:
                    at, size = 4, struct.unpack("!H", self.buffer[2:4])[0]
                if (size != 126 or at == 4) and len(self.buffer) >= at + size:
                    opcode, payload = self.buffer[0] & 15, self.buffer[at:at + size]
                    self.buffer = self.buffer[at + size:]
                    return opcode, payload
            if not self.connection or not self.take_more(timeout):
                return None

    def take(self, timeout):
        while True:
            frame = self.take_frame(timeout)
            if frame is None or frame[0] == CLOSE:
                return None
            if frame[0] == PING:
                self.frame(PONG, frame[1])
            elif frame[0] in (TEXT, BINARY):
                return frame[1], self.gateway

    def close(self):
        try:
            super().close()
        except (OSError, socket.timeout):
            pass
