#!/usr/bin/python3
"""Send every datagram back to where it came from: rtp_echo.py IP:PORT

SIPp has an echo too, but with a receive buffer that overflows as soon as the machine is busy, and
then it is the test that loses packets. Ends on SIGTERM.
"""
import socket
import sys

SO_RCVBUFFORCE = 33
host, port = sys.argv[1].split(":")
connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connection.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
connection.bind((host, int(port)))
while True:
    connection.sendto(*connection.recvfrom(2048))
