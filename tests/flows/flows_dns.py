#!/usr/bin/python3
"""Peers that are names: NAPTR, SRV and addresses from a real DNS server (dnsmasq) on loopback.

usage: flows_dns.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py. What the server says lives for a second, so that changes are seen soon.
"""
import ssl
import subprocess
import sys
import time

import flows
from flows import Flow
from flows_tls import TlsPeer, certificate_make
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

DOMAIN, SECURE = "sip.carrier.example", "secure.example"
server = None


class DnsServer:
    """dnsmasq with these options for records; another start has others."""

    def __init__(self, ip):
        self.ip, self.process = ip, None

    def serve(self, *records):
        self.stop()
        self.process = subprocess.Popen(
            ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
             "--no-hosts", "--pid-file=", "--user=", "--port=5353", f"--listen-address={self.ip}",
             "--bind-interfaces", "--local-ttl=1", "--local=/example/", *records],
            stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None


def srv(service, host, port, priority, weight=1):
    return f"--srv-host={service},{host},{port},{priority},{weight}"


def trunk(name, address):
    return (f"  - name: {name}\n    realm: lo\n    peers: [{address}]\n    codecs: [PCMU]\n"
            "    failover: {timeout_s: 1, backoff_s: 0}\n")


def setUpModule():
    global server
    flows.gateway = gateway = Gateway(flows.build, 6)
    server = DnsServer(gateway.ip.rpartition(".")[0] + ".68")
    certificate_make(gateway.path, "ca")
    certificate_make(gateway.path, "gateway", f"IP:{gateway.ip}")
    certificate_make(gateway.path, "domain", f"URI:sip:{SECURE}")
    certificate_make(gateway.path, "host", "DNS:a.example")
    certificate_make(gateway.path, "address", f"IP:{gateway.callee_ip}")
    gateway.realms = f"""\
  - name: secure
    sip: [{{transport: tls, address: {gateway.ip}}}]
    media_address: {gateway.ip}
    tls: {{certificate: {gateway.path("gateway.pem")}, key: {gateway.path("gateway.key")},
          ca: {gateway.path("ca.pem")}}}
"""
    gateway.trunks = (trunk("named", f"{{address: {DOMAIN}}}") +
                      trunk("services", "{address: services.example, transport: udp}") +
                      trunk("plain", "{address: host.example, port: 5073}") +
                      trunk("nothing", "{address: nothing.example}") +
                      trunk("secure", f"{{address: {SECURE}}}").replace("realm: lo", "realm: secure"))
    gateway.routes = "".join(
        f'  - {{prefix: "{prefix}", trunk: {name}}}\n' for prefix, name in (
            ("80", "named"), ("81", "services"), ("82", "plain"), ("83", "nothing"), ("84", "secure"))
    ) + f'dns: {{servers: ["{server.ip}:5353"]}}\n'
    server.serve(*records())
    flows.start(gateway)


def records(*more):
    """Two hosts; the first is the callee's address, the second the stranger's."""
    gateway = flows.gateway
    return [f"--host-record=a.example,{gateway.callee_ip}",
            f"--host-record=b.example,{gateway.stranger_ip}",
            f"--host-record=host.example,{gateway.callee_ip}",
            f"--naptr-record={DOMAIN},20,10,s,SIP+D2T,,_sip._tcp.{DOMAIN}",
            f"--naptr-record={DOMAIN},10,10,s,SIP+D2U,,_udp.{DOMAIN}",
            srv(f"_udp.{DOMAIN}", "a.example", 5071, 1), srv(f"_udp.{DOMAIN}", "b.example", 5072, 2),
            srv(f"_sip._tcp.{DOMAIN}", "a.example", 5079, 1),
            srv("_sip._udp.services.example", "b.example", 5074, 1),
            f"--host-record=two.example,{gateway.callee_ip}",
            f"--host-record=two.example,{gateway.stranger_ip}",
            srv(f"_sips._tcp.{SECURE}", "a.example", 5077, 1), *more]


def tearDownModule():
    flows.tearDownModule()
    server.stop()


def targets_of(name):
    return [(peer["address"], peer["transport"]) for one in flows.gateway.ctl("trunks")
            if one["trunk"] == name for peer in one["peers"]]


class Hops(Flow):
    """Names in Contact and Record-Route of the callee, whose trunk is an address."""

    def answer_with(self, **kwargs):
        call, invite = self.ring()
        self.callee.reply(invite, 200, "b1", self.callee.sdp(), contact=False, **kwargs)
        self.callee.expect("ACK")  # before the name is known
        return call.answered()

    def wait_for(self, host):
        flows.gateway.wait(lambda: f"event=hop_resolved host={host}" in flows.gateway.log("control"),
                           f"{host} to be resolved")

    def test_name_in_contact_is_where_requests_go(self):
        moved = Peer(flows.gateway.stranger_ip, 5076, flows.gateway.address)
        self.peers.append(moved)
        caller = self.answer_with(extra=["Contact: <sip:me@b.example:5076>"])
        self.wait_for("b.example")
        caller.send("BYE")
        bye = moved.expect("BYE")
        self.assertEqual(bye.uri, "sip:me@b.example:5076")
        moved.reply(bye, 200)
        self.caller.expect(200)

    def test_service_in_record_route_is_asked_for(self):
        proxy = Peer(flows.gateway.stranger_ip, 5074, flows.gateway.address)
        self.peers.append(proxy)
        caller = self.answer_with(extra=["Record-Route: <sip:services.example;lr>",
                                         f"Contact: {self.callee.contact()}"])
        self.wait_for("services.example")
        caller.send("BYE")
        bye = proxy.expect("BYE")
        self.assertEqual(bye["route"], "<sip:services.example;lr>")
        proxy.reply(bye, 200)
        self.caller.expect(200)

    def test_name_of_where_it_is_changes_nothing(self):
        caller = self.answer_with(extra=["Contact: <sip:me@two.example:5060>"])
        self.end(caller, None)

    def test_name_that_leads_nowhere_changes_nothing(self):
        caller = self.answer_with(extra=["Contact: <sip:me@nowhere.example>"])
        self.end(caller, None)


class NamedTls(Flow):
    """RFC 5922: whoever DNS leads to must prove to be the name that is configured."""

    prefix = "84"

    def setUp(self):
        super().setUp()
        flows.gateway.wait(lambda: targets_of("secure"), "the domain to be resolved")

    def call(self, certificate):
        peer = TlsPeer(flows.gateway.callee_ip, 5077, certificate, self.numbers)
        self.peers.append(peer)
        self.dial_next()
        return OutgoingCall(self.caller, self.number), peer

    def test_name_is_proved(self):
        call, peer = self.call("domain")
        peer.accept()
        invite = peer.expect("INVITE")
        peer.reply(invite, 486, "b1")
        peer.expect("ACK")
        call.refused(486)

    def test_where_dns_leads_is_no_proof(self):
        for certificate in ("host", "address"):
            with self.subTest(certificate=certificate):
                call, peer = self.call(certificate)
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    peer.accept()
                    if not peer.connection.recv(1):
                        raise ConnectionError
                call.refused(503)
                self.peers.remove(peer)
                peer.close()


class Named(Flow):
    prefix, callee_port = "80", 5071

    def setUp(self):
        super().setUp()
        self.second = Peer(flows.gateway.stranger_ip, 5072, flows.gateway.address, self.numbers)
        self.peers.append(self.second)

    def wait_for(self, name, wanted):
        flows.gateway.wait(lambda: sorted(targets_of(name)) == sorted(wanted), f"{wanted}")

    def refuse(self, peer, call, status=486):
        invite = peer.expect("INVITE")
        peer.reply(invite, status, "b1")
        peer.expect("ACK")
        if call:
            call.refused(status)
        return invite

    def test_naptr_and_srv_say_where_it_goes_and_where_next(self):
        gateway = flows.gateway
        self.wait_for("named", [(f"{gateway.callee_ip}:5071", "udp"),
                                (f"{gateway.stranger_ip}:5072", "udp"),
                                (f"{gateway.callee_ip}:5079", "tcp")])
        call = OutgoingCall(self.caller, self.number)
        first = self.refuse(self.callee, None, 503)
        second = self.refuse(self.second, call)
        for invite in (first, second):  # the domain, not what it leads to
            self.assertEqual(invite.uri, f"sip:{self.number}@{DOMAIN}")

    def test_silent_target_is_left_for_the_next(self):
        call = OutgoingCall(self.caller, self.number)
        self.callee.expect("INVITE")
        self.refuse(self.second, call)
        self.callee.drain()

    def test_call_from_an_address_of_the_name_is_of_its_trunk(self):
        flows.gateway.wait(lambda: f"{flows.gateway.stranger_ip}:5072" in
                           [address for address, _ in targets_of("named")], "the name to be resolved")
        self.second.calls.add("none")
        call = OutgoingCall(self.second, "2" + self.number)
        self.second.calls.add(call.call_id)
        callee = self.peer(5060)
        self.numbers.add("2" + self.number)
        invite = callee.expect("INVITE")
        callee.reply(invite, 486, "b1")
        callee.expect("ACK")
        call.refused(486)
        cdr = flows.gateway.cdr_of("2" + self.number)
        self.assertEqual(cdr["legs"][0]["trunk"], "named")

    def test_srv_without_naptr_and_addresses_without_srv(self):
        gateway = flows.gateway
        self.wait_for("services", [(f"{gateway.stranger_ip}:5074", "udp")])
        self.wait_for("plain", [(f"{gateway.callee_ip}:5073", "udp")])
        self.assertEqual(targets_of("nothing"), [])
        self.number = "83" + self.number
        OutgoingCall(self.caller, self.number).refused(503)

    def test_changes_are_followed_and_silence_is_not(self):
        gateway = flows.gateway
        before = targets_of("services")
        server.stop()
        time.sleep(2.5)  # longer than the records live
        self.assertEqual(targets_of("services"), before)
        changed = [record.replace("b.example,5074", "a.example,5075") for record in records()]
        server.serve(*changed)
        flows.gateway.wait(lambda: targets_of("services") == [(f"{gateway.callee_ip}:5075", "udp")],
                           "the new target", 15)
        callee = self.peer(5075)
        self.dial_next()
        number = "81" + self.number
        self.numbers.add(number)
        call = OutgoingCall(self.caller, number)
        self.refuse(callee, call)
        server.serve(*records())
        self.wait_for("services", before)


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
