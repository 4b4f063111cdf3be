"""SRTP and SRTCP as RFC 3711, 6188 and 7714 say it, on Python's AES and HMAC. It shares nothing with the
code under test; it is written for reading, and slow.
"""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# suite of SDP: bytes of key, of salt, and of the tag of SRTP (0: AEAD)
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14, 10),
    "AES_CM_128_HMAC_SHA1_32": (16, 14, 4),
    "AES_256_CM_HMAC_SHA1_80": (32, 14, 10),
    "AES_256_CM_HMAC_SHA1_32": (32, 14, 4),
    "AEAD_AES_128_GCM": (16, 12, 0),
    "AEAD_AES_256_GCM": (32, 12, 0),
}
GCM_TAG = 16
SRTCP_TAG = 10  # of the HMAC suites, always (RFC 3711 5.2, RFC 4568 6.2)


def counter_mode(key, block, data):
    """AES in counter mode from a block of 16 bytes (RFC 3711 4.1.1)."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(block)).encryptor()
    return cipher.update(data)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


class SessionKeys:
    """What a master key and salt become (RFC 3711 4.3; the short salt of AEAD is padded, RFC 7714 11)."""

    def __init__(self, key, salt, first_label):
        def derive(label, size):
            block = int.from_bytes(salt.ljust(14, b"\0") + bytes(2), "big") ^ label << 64
            return counter_mode(key, block.to_bytes(16, "big"), bytes(size))

        self.cipher = derive(first_label, len(key))
        self.auth = derive(first_label + 1, 20)
        self.salt = derive(first_label + 2, len(salt))


def header_bytes(packet):
    """How much of RTP is sent in the clear."""
    size = 12 + 4 * (packet[0] & 0x0f)
    if packet[0] & 0x10:
        size += 4 + 4 * int.from_bytes(packet[size + 2:size + 4], "big")
    return size


class Srtp:
    """A suite and a master key: protect and unprotect, RTP under its ROC, RTCP under its index."""

    def __init__(self, suite, text):
        key_size, salt_size, self.tag_size = SUITES[suite]
        material = bytes.fromhex(text)
        assert len(material) == key_size + salt_size, f"{suite} takes {key_size + salt_size} bytes"
        self.rtp = SessionKeys(material[:key_size], material[key_size:], 0)
        self.rtcp = SessionKeys(material[:key_size], material[key_size:], 3)

    def block(self, keys, ssrc, index):
        """Where the counter starts (RFC 3711 4.1.1); index: ROC and sequence number, or of SRTCP."""
        value = int.from_bytes(keys.salt, "big") << 16 ^ ssrc << 64 ^ index << 16
        return value.to_bytes(16, "big")

    @staticmethod
    def nonce(keys, ssrc, index):
        """RFC 7714 8.1 and 9.1: both put the index into the last six bytes."""
        return xor(struct.pack(">HI", 0, ssrc) + index.to_bytes(6, "big"), keys.salt)

    @staticmethod
    def tag(keys, data, size):
        return hmac.new(keys.auth, data, hashlib.sha1).digest()[:size]

    def protect_rtp(self, packet, roc):
        keys, size = self.rtp, header_bytes(packet)
        sequence, ssrc = struct.unpack(">2xH4xI", packet[:12])
        index = roc << 16 | sequence
        if not self.tag_size:
            return packet[:size] + AESGCM(keys.cipher).encrypt(
                self.nonce(keys, ssrc, index), packet[size:], packet[:size])
        sent = packet[:size] + counter_mode(keys.cipher, self.block(keys, ssrc, index), packet[size:])
        return sent + self.tag(keys, sent + struct.pack(">I", roc), self.tag_size)

    def protect_rtcp(self, packet, index):
        keys, head = self.rtcp, packet[:8]
        ssrc, trailer = int.from_bytes(packet[4:8], "big"), struct.pack(">I", 1 << 31 | index)
        if not self.tag_size:
            return head + AESGCM(keys.cipher).encrypt(
                self.nonce(keys, ssrc, index), packet[8:], head + trailer) + trailer
        sent = head + counter_mode(keys.cipher, self.block(keys, ssrc, index), packet[8:]) + trailer
        return sent + self.tag(keys, sent, SRTCP_TAG)

    def protect(self, packet, index):
        """Whether it is RTCP is said by its second byte (RFC 5761 4)."""
        return (self.protect_rtcp if 192 <= packet[1] <= 223 else self.protect_rtp)(packet, index)

    def plain_rtcp(self, packet):
        """What SRTCP says, not verified: for filling in what was not known before."""
        keys, ssrc = self.rtcp, int.from_bytes(packet[4:8], "big")
        end = len(packet) - 4 - (SRTCP_TAG if self.tag_size else 0)
        index = int.from_bytes(packet[end:end + 4], "big") & 0x7fffffff
        if self.tag_size:
            return packet[:8] + counter_mode(keys.cipher, self.block(keys, ssrc, index), packet[8:end])
        # Counter 1 is the tag's, data begin at 2 (NIST SP 800-38D 7.1).
        return packet[:8] + counter_mode(keys.cipher, self.nonce(keys, ssrc, index) + b"\0\0\0\2",
                                         packet[8:end - GCM_TAG])
