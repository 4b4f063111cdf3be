#!/usr/bin/python3
"""Two nodes and a Redis: calls outlive the node that set them up.

  caller, callee ── shard s1 (one address) ── n1: sluice-control, sluice-dataplane ─┐
                                          └── n2: sluice-control, sluice-dataplane ─┴─ redis-server

usage: flows_cluster.py BUILD-FOLDER [PART OF A TEST'S NAME...]

Both nodes are on one host, so the address of the shard is there all the time, and a node that was
stopped keeps its sockets: the other has them when it has given them up.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import capture
import flows
from flows import Flow
from gateway import Gateway

PATIENCE = 20  # seconds for what takes a lease and some heartbeats on a machine that has time


class Redis:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-redis-")
        self.socket = os.path.join(self.folder, "socket")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder,
             "--save", "", "--daemonize", "no"], stdout=subprocess.DEVNULL)
        nodes[0].wait(lambda: self.ask("PING") == "PONG", "Redis", PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder)

    def ask(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def records(self):
        return int(self.ask("HLEN", "sluice:{s1}:calls") or 0)


class Node(Gateway):
    """The addresses of calls are the same for both; those of heartbeats and HTTP are not."""

    def __init__(self, number):
        super().__init__(flows.build, 3, max_duration_s=0)
        base = self.ip[:self.ip.rindex(".") + 1]
        self.node = f"n{number}"
        self.own_ip = f"{base}{200 + number}"
        key = self.path("cluster.key")
        with open(key, "w") as file:
            file.write("1 " + "5a" * 32 + "\n")
        os.chmod(key, 0o600)
        self.more = f"""\
http: {{address: {self.own_ip}, port: 9090}}
cluster:
  key_file: {key}
  nodes: [{{name: n1, address: {base}201}}, {{name: n2, address: {base}202}}]
  store: {{servers: ["unix:{redis.socket}"]}}
  shards:
    - {{name: s1, nodes: [n1, n2], addresses: [{{realm: lo, sip: {self.ip}}}]}}
"""

    def cluster(self):
        return self.ctl("cluster")

    def owns(self):
        return self.cluster()["shards"][0]["ours"] and self.ready()[0] == 200

    def others(self):
        return self.cluster()["shards"][0]["owner"] not in ("", self.node)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.own_ip}:9090/ready", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.own_ip}:9090/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return int(line.split()[1])
        return None

    def is_running(self):
        return "control" in self.processes

    def mark(self):
        self.seen = len(self.log("control"))

    def new_log(self):
        return self.log("control")[self.seen:]


redis = None
nodes = []


def setUpModule():
    global redis
    redis = Redis()
    nodes.extend((Node(1), Node(2)))
    flows.gateway = nodes[0]
    try:
        redis.start()
        for node in nodes:
            node.start()
    except AssertionError:
        tearDownModule()
        raise


def tearDownModule():
    for node in nodes:
        node.stop(keep=bool(flows.failed))
    redis.stop()


class Cluster(Flow):
    def setUp(self):
        for node in nodes:
            if not node.is_running():
                node.start_control()
        nodes[0].wait(lambda: sum(node.owns() for node in nodes) == 1, "an owner", PATIENCE)
        self.owner, self.other = nodes if nodes[0].owns() else reversed(nodes)
        flows.gateway = self.owner
        self.owner.wait(self.all_is_well, "both nodes to know each other", PATIENCE)
        for node in nodes:
            node.mark()
        super().setUp()

    def all_is_well(self):
        return (all(node.cluster()["nodes"][1]["state"] == "alive" for node in nodes)
                and self.other.others() and self.owner.cluster()["store"]["up"]
                and self.other.cluster()["store"]["up"])

    def wait(self, condition, what):
        flows.gateway.wait(condition, what, PATIENCE)

    def protected(self, n):
        self.wait(lambda: redis.records() == n
                  and self.owner.cluster()["store"]["unprotected"] == 0, f"{n} records in Redis")

    def fail_over(self):
        """The owner dies, the other takes over."""
        self.owner.kill("control")
        self.taken_over()

    def taken_over(self):
        self.owner, self.other = self.other, self.owner
        flows.gateway = self.owner
        self.wait(self.owner.owns, "the other node to own the shard")
        capture.restarted(self.owner.ip)

    def confirm(self, n=1):
        """Both ends of n calls are asked whether they know of the call."""
        for peer in (self.caller, self.callee):
            for _ in range(n):
                options = peer.expect("OPTIONS")
                self.assertIsNotNone(options.tag("to"))
                peer.reply(options, 200)

    def cdrs(self):
        return [cdr for node in nodes for cdr in node.cdrs() if cdr["to"] == self.number]

    def expect_one_cdr(self, **wanted):
        self.wait(self.cdrs, "a CDR")
        self.wait(lambda: not self.owner.ctl("calls"), "the call's end")
        cdr, = self.cdrs()
        self.assertEqual({key: cdr.get(key) for key in wanted}, wanted)
        self.protected(0)

    def test_call_outlives_its_node(self):
        caller, callee = self.establish()
        port = caller.answer.sdp_port()
        self.protected(1)
        self.fail_over()
        self.assertEqual(self.owner.new_log().count("event=adopted"), 1)
        self.confirm()
        for asker, other in ((caller, self.callee), (callee, self.caller)):
            invite, answer = self.reinvite(asker, other, "sendonly", "recvonly")
            self.assertEqual(answer.sdp_direction(), "recvonly")
            self.assertGreater(invite.cseq, 100)
            self.reinvite(asker, other, "sendrecv", "sendrecv")
        self.assertEqual(answer.sdp_address(), f"IP4 {self.owner.ip}")
        self.assertEqual(caller.answer.sdp_port(), port)
        sessions = self.owner.ctl("sessions")
        self.assertIn(port, [leg["local"]["port"] if isinstance(leg["local"], dict) else
                             int(leg["local"].rpartition(":")[2])
                             for session in sessions for leg in session["legs"]])
        self.end(caller, callee)
        self.expect_one_cdr(status=200, ended_by="a", adopted=True)

    def test_callee_hangs_up_after_the_death(self):
        caller, callee = self.establish()
        self.protected(1)
        self.fail_over()
        self.confirm()
        callee.bye()
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_one_cdr(status=200, ended_by="b", adopted=True)

    def test_call_outlives_two_deaths_and_a_hold(self):
        caller, callee = self.establish()
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.protected(1)
        self.fail_over()
        self.confirm()
        self.other.start_control()
        self.wait(self.other.others, "the node that was dead to see the new owner")
        self.assertEqual(self.other.ctl("calls"), [])
        self.wait(lambda: self.other.ctl("sessions") == [], "its sessions to be deleted")
        self.protected(1)
        self.fail_over()
        self.confirm()
        invite, _ = self.reinvite(caller, self.callee, "sendrecv", "sendrecv")
        self.assertEqual(invite.sdp_direction(), "sendrecv")
        self.assertGreater(invite.cseq, 200)
        self.end(caller, callee)
        self.expect_one_cdr(status=200, ended_by="a", adopted=True)

    def test_call_that_has_ended_meanwhile_ends_for_the_other_side(self):
        caller, callee = self.establish()
        self.protected(1)
        self.fail_over()
        options = self.callee.expect("OPTIONS")
        self.callee.reply(options, 481)
        self.caller.reply(self.caller.expect("OPTIONS"), 200)
        self.caller.reply(self.caller.expect("BYE"), 200)
        self.expect_one_cdr(status=481, why="gone_at_takeover", adopted=True)

    def test_what_rings_is_cancelled_and_the_caller_may_call_again(self):
        call, invite = self.ring()
        self.protected(1)
        self.fail_over()
        cancel = self.callee.expect("CANCEL")
        self.assertEqual((cancel.branch(), cancel["call-id"], cancel.uri),
                         (invite.branch(), invite["call-id"], invite.uri))
        self.callee.reply(cancel, 200)
        self.callee.reply(invite, 487, "b1")
        self.callee.expect("ACK")
        self.expect_one_cdr(status=503, why="node_lost", adopted=True, answered=None)
        self.dial_next()
        self.end(*self.establish())
        self.expect_one_cdr(status=200)

    def test_answer_that_crosses_the_cancel_of_another_node_is_ended(self):
        call, invite = self.ring()
        self.protected(1)
        self.fail_over()
        cancel = self.callee.expect("CANCEL")
        self.callee.reply(cancel, 200)
        self.callee.reply(invite, 200, "b1", self.callee.sdp())
        self.callee.expect("ACK")
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_one_cdr(status=503, why="node_lost", adopted=True, answered=None)

    def test_bye_in_the_moment_of_the_death_is_repeated_and_answered(self):
        caller, _ = self.establish()
        self.protected(1)
        self.owner.kill("control")
        caller.send("BYE")  # to nobody
        bye = self.caller.log[-1][2]
        self.taken_over()
        self.confirm()
        self.caller.send(bye)
        self.caller.expect(200)
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.expect_one_cdr(status=200, ended_by="a", adopted=True)

    def test_node_that_was_stopped_gives_up_and_says_nothing(self):
        caller, callee = self.establish()
        self.protected(1)
        stopped = self.owner
        stopped.processes["control"].send_signal(signal.SIGSTOP)
        caller.send("BYE")  # waits in its socket
        bye = self.caller.log[-1][2]
        flows.gateway = self.other
        self.wait(lambda: "event=adopted" in self.other.new_log(), "the other node to adopt")
        stopped.processes["control"].send_signal(signal.SIGCONT)
        self.wait(lambda: "event=shard_given_up" in stopped.new_log(), "the stopped one to give up")
        self.assertRegex(stopped.new_log(), r"event=shard_given_up \S+ calls=1")
        self.taken_over()
        self.confirm()
        self.assertEqual(self.other.ctl("calls"), [])
        self.caller.send(bye)
        self.caller.expect(200)  # once: the stopped one has not answered
        self.callee.reply(self.callee.expect("BYE"), 200)
        self.caller.expect_nothing(0.1)
        self.callee.expect_nothing(0.1)
        self.expect_one_cdr(status=200, ended_by="a", adopted=True)
        self.assertNotIn(self.number, [cdr["to"] for cdr in stopped.cdrs()])

    def test_calls_go_on_without_redis_and_are_protected_again(self):
        caller, callee = self.establish()
        first = self.number
        self.protected(1)
        redis.kill()
        self.wait(lambda: not self.owner.cluster()["store"]["up"], "the loss of Redis")
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.dial_next()
        other_caller, other_callee = self.establish()
        self.wait(lambda: "event=unprotected" in self.owner.new_log(), "a line in the log")
        self.assertGreaterEqual(self.owner.cluster()["store"]["unprotected"], 2)
        self.assertGreaterEqual(self.owner.metric("sluice_cluster_unprotected"), 2)
        self.assertEqual(self.owner.ready()[0], 200)
        redis.start()  # empty
        self.protected(2)
        self.wait(lambda: "event=protected" in self.owner.new_log(), "a line in the log")
        self.fail_over()
        self.assertEqual(self.owner.new_log().count("event=adopted"), 2)
        self.confirm(2)
        self.end(other_caller, other_callee)
        self.wait(self.cdrs, "a CDR")
        self.number = first
        self.end(caller, callee)
        self.expect_one_cdr(status=200, adopted=True)

    def test_control_is_killed_and_is_back_before_anybody_claims(self):
        caller, callee = self.establish()
        self.protected(1)
        self.other.kill("control")
        self.owner.kill("control")
        self.owner.start_control()
        self.wait(self.owner.owns, "the node to have its shard again")
        self.assertEqual(self.owner.new_log().count("event=recovered"), 1)
        self.assertNotIn("event=adopted", self.owner.new_log())
        self.reinvite(caller, self.callee, "sendonly", "recvonly")
        self.end(caller, callee)
        self.expect_one_cdr(status=200, ended_by="a")

    def test_who_owns_nothing_takes_no_calls_and_says_so(self):
        self.assertEqual(self.owner.ready(), (200, "ready"))
        self.assertEqual(self.other.ready(), (503, "no shard"))
        self.assertEqual(self.owner.metric("sluice_cluster_shards_owned"), 1)
        self.assertEqual(self.other.metric("sluice_cluster_shards_owned"), 0)
        status = self.other.ctl("status")["cluster"]
        self.assertEqual(status["shards"][0]["owner"], self.owner.node)
        shown = subprocess.run([os.path.join(flows.build, "control/cli/sluicectl"), "--socket",
                                self.owner.path("control.sock"), "cluster"],
                               check=True, capture_output=True, text=True).stdout
        self.assertIn("store: up", shown)
        self.assertIn("ours", shown)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
