#!/usr/bin/python3
"""Datagrams of UDPTL there and back: udptl.py BIND-IP:PORT REMOTE-IP:PORT

Sends what looks like UDPTL (ITU-T T.38: a sequence number, then anything) and fails unless every
datagram comes back as it was, from where it went to.
"""
import os
import socket
import struct
import sys
import time

PERIOD_S = 0.02
LENGTHS = (0, 1, 10, 60, 200, 400, 1400)


def address(text):
    host, port = text.split(":")
    return host, int(port)


near, far = address(sys.argv[1]), address(sys.argv[2])
connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connection.bind(near)
connection.settimeout(2)
sent = [struct.pack("!H", 0x8000 + number) + os.urandom(LENGTHS[number % len(LENGTHS)])
        for number in range(50)]
for datagram in sent:
    connection.sendto(datagram, far)
    time.sleep(PERIOD_S)
back = [connection.recvfrom(2048) for _ in sent]
if [datagram for datagram, _ in back] != sent or {source for _, source in back} != {far}:
    sys.exit("what came back is not what was sent")
