#!/usr/bin/python3
"""Give baresip (module ctrl_tcp, in the same network namespace) one command and print its answer.

usage: phone_command.py COMMAND [PARAMETER]

ctrl_tcp speaks netstrings of JSON and mixes events with answers: the answer is the message that
repeats our token.
"""
import json
import socket
import sys

ADDRESS = ("127.0.0.1", 4444)


def messages(connection):
    buffer = b""
    while True:
        data = connection.recv(65536)
        if not data:
            return
        buffer += data
        while b":" in buffer:
            length, rest = buffer.split(b":", 1)
            if len(rest) <= int(length):
                break
            yield json.loads(rest[:int(length)])
            buffer = rest[int(length) + 1:]


def main():
    command, parameter = (sys.argv[1:] + [""])[:2]
    request = json.dumps({"command": command, "params": parameter, "token": "sluice"}).encode()
    with socket.create_connection(ADDRESS, timeout=5) as connection:
        connection.sendall(b"%d:%s," % (len(request), request))
        for message in messages(connection):
            if message.get("token") == "sluice":
                print(json.dumps(message))
                return 0 if message.get("ok") else 1
    print("phone_command.py: baresip closed the connection", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
