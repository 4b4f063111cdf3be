#!/usr/bin/python3
"""Three nodes, a shard each, and a load balancer that knows nothing: every message goes to any of
them, and the one whose call it is about deals with it.

  caller, callee ── any of three addresses ─┬─ n1 (s1): sluice-control, sluice-dataplane ─┐
                                            ├─ n2 (s2)                                    ├─ redis-server
                                            └─ n3 (s3)                                    ┘

usage: flows_nodes.py BUILD-FOLDER [PART OF A TEST'S NAME...]
"""
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid

import digest
import flows
from flows import Flow
from flows_register import DOMAIN, USERS, PhoneMixin, users_write
from gateway import Gateway
from sip_peer import Dialog, OutgoingCall, Peer, TcpPeer, incoming_dialog

PATIENCE = 30  # seconds for what takes leases and heartbeats on a machine that has time
NODES = (1, 2, 3)
OWNERS = {1: "n1", 2: "n2", 3: "n3, n1"}  # of each shard, in turn
redis = None
nodes = []


class Redis:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-redis-")
        self.socket = os.path.join(self.folder, "socket")

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder,
             "--save", "", "--daemonize", "no"], stdout=subprocess.DEVNULL)
        nodes[0].wait(self.answers, "Redis", PATIENCE)

    def answers(self):
        return subprocess.run(["redis-cli", "-s", self.socket, "PING"], capture_output=True,
                              text=True).stdout.strip() == "PONG"

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


class Node(Gateway):
    def __init__(self, number):
        super().__init__(flows.build, 3)
        base = self.ip[:-1]
        self.number, self.node, self.shard = number, f"n{number}", f"s{number}"
        self.shard_ips = [base + "1", base + "4", base + "5"]
        self.media_ips = self.shard_ips
        self.hop_address = (f"{base}{5 + number}", 7947)
        self.own_address = (self.shard_ips[number - 1], 5060)
        key = self.path("cluster.key")
        with open(key, "w") as file:
            file.write("1 " + "5a" * 32 + "\n")
        os.chmod(key, 0o600)
        named = ", ".join(f"{{name: n{other}, address: {base}{5 + other}}}" for other in NODES)
        self.trunks = f"""\
  - name: phones
    realm: lo
    codecs: [PCMU]
    users: {{domain: {DOMAIN}, file: {users_write(self)}}}
"""
        self.routes = f"""\
  - {{prefix: "84", trunk: phones, strip: 2}}

cluster:
  key_file: {key}
  nodes: [{named}]
  store: {{servers: ["unix:{redis.socket}"]}}
  shards:
""" + "".join(f"    - {{name: s{shard}, nodes: [{OWNERS[shard]}], "
              f"addresses: [{{realm: lo, sip: {self.shard_ips[shard - 1]}}}]}}\n" for shard in NODES)

    def write_configurations(self):
        super().write_configurations()
        with open(self.path("control.yaml")) as file:
            text = file.read()
        listeners = ", ".join(f"{{address: {ip}}}, {{transport: tcp, address: {ip}}}"
                              for ip in self.shard_ips)
        text = text.replace("node: flows", f"node: {self.node}", 1)
        text = re.sub(r"sip: \[.*\]", f"sip: [{listeners}]", text, count=1)
        with open(self.path("control.yaml"), "w") as file:
            file.write(text)

    def shards(self):
        return [shard["name"] for shard in self.ctl("cluster")["shards"] if shard["ours"]]

    def sees(self, owners):
        found = {shard["name"]: self.node if shard["ours"] else shard["owner"]
                 for shard in self.ctl("cluster")["shards"]}
        return found == owners

    def counter(self, name):
        return self.ctl("counters")[name]

    def is_open(self):
        run = self.log("control").rpartition("event=started")[2]
        return f"event=shard_open shard={self.shard} " in run

    def is_running(self):
        return "control" in self.processes


def setUpModule():
    global redis
    redis = Redis()
    nodes.extend(Node(number) for number in NODES)
    flows.gateway = nodes[0]
    try:
        redis.start()
        for node in nodes:
            node.write_configurations()
            node.start_dataplane()
    except AssertionError:
        tearDownModule()
        raise


def start_missing():
    """Each node has its shard. Who is first takes what it may, so n1 is last."""
    if nodes[0].is_running() and "s3" in nodes[0].shards():
        nodes[0].kill("control")
    for node in reversed(nodes):
        if not node.is_running():
            node.start_control()
        if node is not nodes[2]:
            node.wait(lambda: nodes[2].shards() == ["s3"], "n3 to have its shard", PATIENCE)
    owners = {f"s{number}": f"n{number}" for number in NODES}
    for node in nodes:
        node.wait(lambda node=node: node.sees(owners), "a shard for each", PATIENCE)
        node.wait(lambda node=node: node.is_open(), "an open shard", PATIENCE)


def tearDownModule():
    for node in nodes:
        node.stop(keep=bool(flows.failed))
    redis.stop()


class AnyPeer(Peer):
    """Behind a load balancer that sends each message to any node that runs."""

    to = None  # the next message goes to this node

    def put(self, data):
        node = self.to or random.choice([node for node in nodes if node.is_running()])
        self.to = None
        self.socket.sendto(data, node.own_address)


class AnyPhone(PhoneMixin, AnyPeer):
    pass


class TcpPhone(PhoneMixin, TcpPeer):
    pass


class Nodes(Flow):
    def setUp(self):
        start_missing()
        super().setUp()
        for peer in self.peers:
            peer.close()
        self.caller = AnyPeer(nodes[0].caller_ip, 0, nodes[0].own_address)
        self.callee = AnyPeer(nodes[0].callee_ip, self.callee_port, nodes[0].own_address, self.numbers)
        self.peers = [self.caller, self.callee]

    def hops(self):
        return sum(node.counter("hop.received") for node in nodes if node.is_running())

    def call_on(self, node):
        """A call on that node's shard: both ends."""
        self.caller.to = node
        call = OutgoingCall(self.caller, self.number)
        invite = self.callee.expect("INVITE")
        self.assertIn(node.own_address[0], invite.contact_uri())
        return call, invite


class AnyNode(Nodes):
    def settle(self):
        """An ACK may come later than what is sent after it by another way."""
        nodes[0].wait(lambda: [call["state"] for node in nodes for call in node.ctl("calls")
                               if call["to"] == self.number] == ["up"], "the call to be up")

    def test_every_message_to_any_node(self):
        before = self.hops()
        for _ in range(10):
            self.dial_next()
            caller, callee = self.establish()
            self.settle()
            for asker, other in ((caller, self.callee), (callee, self.caller)):
                self.reinvite(asker, other, "sendonly", "recvonly")
                self.settle()
                self.reinvite(asker, other, "sendrecv", "sendrecv")
                self.settle()
            self.end(caller, callee)
        self.assertGreater(self.hops(), before)
        for node in nodes:
            node.wait(lambda node=node: not any(call["to"] in self.numbers for call in node.ctl("calls")),
                      f"the calls' end: {node.ctl('calls')}")
            self.assertEqual([node.counter("hop." + name) for name in ("refused", "repeated", "no_owner")],
                             [0, 0, 0])

    def test_in_dialog_requests_go_to_the_owner_and_answers_come_back_the_same_way(self):
        a, b, c = nodes
        call, invite = self.call_on(a)
        self.callee.to = b
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        ack = self.callee.expect("ACK")
        self.assertEqual(ack.source[0], a.own_address[0])
        callee = incoming_dialog(self.callee, invite, "b1")
        caller = call.answered()
        self.callee.to = c
        callee.send("BYE")
        answer = self.callee.expect(200)
        self.assertEqual(answer.source, c.own_address)  # from whom it was spoken to
        bye = self.caller.expect("BYE")
        self.assertEqual(bye.source, a.own_address)
        self.caller.to = b
        self.caller.reply(bye, 200)
        del caller

    def test_cancel_finds_its_invite(self):
        for node in nodes[1:]:
            self.dial_next()
            call, invite = self.call_on(nodes[0])
            self.callee.reply(invite, 180, "b1")
            self.caller.expect(180)
            self.caller.to = node
            self.caller.send(self.caller.request("CANCEL", call.uri, call.dialog_values, 1, call.branch))
            cancelled = {self.caller.expect_any().status, self.caller.expect_any().status}
            self.assertEqual(cancelled, {200, 487})
            self.callee.reply(self.callee.expect("CANCEL"), 200)
            refusal = next(text for _, way, text in reversed(self.caller.log)
                           if way == "<" and " 487 " in text)
            to = re.search(r"^To: (.*)\r$", refusal, re.M).group(1)
            acks = node.counter("hop.messages_out")
            self.caller.to = node
            self.caller.send(self.caller.request("ACK", call.uri, (call.call_id, call.dialog_values[1], to),
                                                 1, call.branch))
            node.wait(lambda: node.counter("hop.messages_out") == acks + 1, "the ACK to be sent on")
            self.callee.reply(invite, 487, "b1")
            self.callee.expect("ACK")

    def test_cancel_of_nothing_is_asked_for_once_and_not_answered(self):
        before = [node.counter("hop.cancels_asked") for node in nodes]
        received = self.hops()
        values = (uuid.uuid4().hex, "<sip:a@a>;tag=1", f"<sip:{self.number}@b>")
        self.caller.to = nodes[0]
        self.caller.send(self.caller.request("CANCEL", f"sip:{self.number}@b", values, 1))
        nodes[0].wait(lambda: self.hops() == received + 2, "both others to be asked")
        self.assertEqual([node.counter("hop.cancels_asked") for node in nodes],
                         [before[0] + 1, before[1], before[2]])
        self.caller.expect_nothing(0.1)

    def test_tags_that_nobody_of_us_made_stay_where_they_are(self):
        received = self.hops()
        for tag in ("abcdefghijklmnop", "x" * 40, "aaaaaaaaaaaaaaaa"):
            self.caller.to = nodes[1]
            dialog = Dialog(self.caller, uuid.uuid4().hex, "<sip:a@a>;tag=1", f"<sip:b@b>;tag={tag}",
                            f"sip:{nodes[1].own_address[0]}", 1)
            dialog.send("BYE")
            self.assertEqual(self.caller.expect(481).source, nodes[1].own_address)
        self.assertEqual(self.hops(), received)

    def test_what_is_no_message_between_nodes_is_counted_and_dropped(self):
        refused = nodes[0].counter("hop.refused")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((nodes[0].stranger_ip, 0))
            for data in (b"", b"x", b"SH\x01\x00\x00\x00\x00\x01" + bytes(200), os.urandom(60000)):
                stranger.sendto(data, nodes[0].hop_address)
        nodes[0].wait(lambda: nodes[0].counter("hop.refused") == refused + 4, "four refusals")

    def test_call_of_a_node_that_died_is_found_where_it_lives_now(self):
        call, invite = self.call_on(nodes[2])
        callee = self.answer(invite)
        caller = call.answered()
        nodes[2].wait(lambda: nodes[2].ctl("cluster")["store"]["unprotected"] == 0
                      and nodes[2].ctl("cluster")["store"]["records"] == 1, "the record", PATIENCE)
        nodes[2].kill("control")
        nodes[0].wait(lambda: sorted(nodes[0].shards() + nodes[1].shards()) == ["s1", "s2", "s3"],
                      "another owner", PATIENCE)
        heir, other = (nodes[0], nodes[1]) if "s3" in nodes[0].shards() else (nodes[1], nodes[0])
        heir.wait(lambda: "event=adopted" in heir.log("control"), "the call", PATIENCE)
        other.wait(lambda: {shard["name"]: shard["owner"] for shard in other.ctl("cluster")["shards"]}["s3"]
                   == heir.node, "the other one to know", PATIENCE)
        for peer in (self.caller, self.callee):
            peer.reply(peer.expect("OPTIONS", PATIENCE), 200)  # the new owner asks who is there
        self.caller.to = other
        caller.send("BYE")
        self.assertEqual(self.caller.expect(200).source, other.own_address)
        self.callee.reply(self.callee.expect("BYE"), 200)
        del callee


class Users(Nodes):
    def bindings(self, node):
        return [binding for binding in node.ctl("bindings") if binding["aor"] == f"100@{DOMAIN}"]

    def known(self, wanted):
        for node in nodes:
            node.wait(lambda node=node: len(self.bindings(node)) == wanted, f"{wanted} bindings on {node.node}", PATIENCE)

    def call_to(self, phone, node, way):
        """A call that comes to a node goes to the phone by the node that has it."""
        self.caller.to = node
        call = OutgoingCall(self.caller, "84100")
        invite = phone.expect("INVITE")
        self.assertEqual(invite.source, way.own_address)
        phone.reply(invite, 200, "p1", phone.sdp())
        phone.expect("ACK")
        caller = call.answered()
        return caller, incoming_dialog(phone, invite, "p1")

    def test_user_of_one_node_is_called_from_any(self):
        a, b, c = nodes
        phone = AnyPhone(a.stranger_ip, 0, a.own_address).prepare("100")
        self.peers.append(phone)
        contacts = [phone.contact_text()]
        for node, status, proof in ((a, 401, False), (b, 200, True)):  # a nonce is good on all nodes
            if proof:
                extra = ["Authorization: " + digest.authorization(
                    refusal["www-authenticate"], "100", USERS["100"], "REGISTER", phone.registrar)]
            phone.to = node
            phone.register_send(contacts, extra if proof else (), 60)
            refusal = phone.expect(status)
        self.known(1)
        for node in nodes:
            caller, _ = self.call_to(phone, node, b)
            caller.send("BYE")
            self.caller.expect(200)
            bye = phone.expect("BYE")
            self.assertEqual(bye.source, b.own_address)
            phone.reply(bye, 200)
        phone.to = b
        phone.register_send(["*"], extra, 0)
        refusal = phone.expect_any()
        if refusal.status == 401:  # a nonce for each
            phone.to = b
            phone.register_send(["*"], ["Authorization: " + digest.authorization(
                refusal["www-authenticate"], "100", USERS["100"], "REGISTER", phone.registrar)], 0)
            phone.expect(200)
        self.known(0)

    def test_connection_stays_where_it_is(self):
        a, b, c = nodes
        phone = TcpPhone(a.stranger_ip, 0, b.own_address).prepare("100")
        self.peers.append(phone)
        phone.connect()
        phone.register()
        self.known(1)
        caller, callee = self.call_to(phone, c, b)
        callee.send("BYE")  # on its connection, to b; the call is c's
        phone.expect(200)
        self.caller.reply(self.caller.expect("BYE"), 200)
        caller, callee = self.call_to(phone, a, b)
        caller.send("BYE")
        self.caller.expect(200)
        phone.reply(phone.expect("BYE"), 200)
        del callee
        phone.unregister()
        self.known(0)

    def test_node_that_starts_knows_who_is_registered(self):
        phone = AnyPhone(nodes[0].stranger_ip, 0, nodes[0].own_address).prepare("100")
        self.peers.append(phone)
        phone.register()
        self.known(1)
        for node in nodes[:2]:  # one of them may be the one that has it
            node.kill("control")
            node.start_control()
            self.known(1)
        phone.unregister()
        self.known(0)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
