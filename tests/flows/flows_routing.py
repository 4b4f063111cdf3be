#!/usr/bin/python3
"""Where calls go, and where next: peers, their health, limits, routes.

usage: flows_routing.py BUILD-FOLDER [PART OF A TEST'S NAME...]

As flows.py, with trunks of its own; each test uses those that no other one spoils.
"""
import sys
import time

import flows
from flows import Flow
from gateway import Gateway
from sip_peer import OutgoingCall, Peer

GERMAN = """
      country_code: "49"
      area_code: "30"
      national_prefix: "0"
      international_prefix: "00"
      in: {normalise: yes, portability: yes}
      out: {format: national, user_phone: yes, portability: yes, rules: [{prefix: "030", strip: 3, prepend: "9"}]}"""
tearDownModule = flows.tearDownModule


def trunk(name, ports, **more):
    """YAML of a trunk with peers on these ports of the callee's address."""
    peers = ", ".join(f"{{address: {gateway().callee_ip}, port: {port}}}" for port in ports)
    lines = [f"  - name: {name}", "    realm: lo", f"    peers: [{peers}]", "    codecs: [PCMU]"]
    return "\n".join(lines + [f"    {key}: {value}" for key, value in more.items()]) + "\n"


def gateway():
    return flows.gateway


def hours(difference):
    """The hour before or after this one, in UTC."""
    return time.strftime("%H:%M", time.gmtime(time.time() + difference * 3600))


def setUpModule():
    flows.gateway = Gateway(flows.build, 7)
    flows.gateway.trunks = (
        trunk("closing", [5071, 5072]) +
        trunk("failing", [5073, 5074], failover="{timeout_s: 1, backoff_s: 60}") +
        trunk("picky", [5075, 5076], failover="{codes: [480, 6xx], backoff_s: 0}") +
        trunk("watched", [5077, 5078],
              health="{interval_s: 1, timeout_s: 1, fails: 2, successes: 2, alive: [200]}") +
        trunk("narrow", [5079], limits="{out: {calls: 1}}") +
        trunk("rated", [5080], limits="{out: {calls_per_s: 1}}") +
        trunk("first", [5081], failover="{backoff_s: 0}") +
        trunk("second", [5082], failover="{backoff_s: 0}").replace("[PCMU]", "[opus]") +
        trunk("third", [5083], failover="{backoff_s: 0}") +
        trunk("german", [5085], numbers=GERMAN) +
        trunk("rescue", [5084], limits="{calls: 1}"))
    flows.gateway.routes = "".join(
        f'  - {{prefix: "{prefix}", trunk: {name}}}\n' for prefix, name in (
            ("80", "closing"), ("81", "failing"), ("82", "picky"), ("83", "watched"),
            ("84", "narrow"), ("85", "rated"))) + f"""\
  - {{prefix: "86", trunks: [first, second, third]}}
  - {{prefix: "87", trunk: third, cost: 2, strip: 2}}
  - {{prefix: "870", trunk: first, cost: 3}}
  - {{prefix: "88", caller: alice, trunk: first}}
  - {{prefix: "88", caller_prefix: bo, trunk: second}}
  - {{pattern: "^88[0-9]*7$", trunk: third}}
  - {{prefix: "89", trunk: first, when: {{hours: ["{hours(-2)}-{hours(-1)}"]}}}}
  - {{prefix: "89", trunk: third, when: {{hours: ["{hours(-1)}-{hours(1)}"]}}}}
  - {{prefix: "+49", trunk: german}}
  - {{prefix: "+1", caller_prefix: "+49", trunk: first}}
  - {{prefix: "+1999", trunk: third}}
  - {{number: "112", trunk: rescue, emergency: yes}}
"""
    flows.start(flows.gateway)


def peers_of(name):
    trunks = gateway().ctl("trunks")
    return {peer["address"].rpartition(":")[2]: peer["state"]
            for one in trunks if one["trunk"] == name for peer in one["peers"]}


class Routed(Flow):
    """`ports`: those of the trunk that `prefix` leads to."""

    ports = ()

    def setUp(self):
        self.callee_port = self.ports[0]
        super().setUp()
        self.callees = [self.callee, *[self.peer(port) for port in self.ports[1:]]]

    def call_goes_to(self, index, timeout=2):
        """A call that ends with 486 there."""
        self.dial_next()
        call = OutgoingCall(self.caller, self.number)
        self.refuse_at(index, call, timeout=timeout)

    def refuse_at(self, index, call, status=486, timeout=2, passed_on=None):
        invite = self.callees[index].expect("INVITE", timeout)
        self.callees[index].reply(invite, status, "b1")
        self.callees[index].expect("ACK")
        call.refused(passed_on or status)

    def decline(self, index, status, extra=(), timeout=2):
        invite = self.callees[index].expect("INVITE", timeout)
        self.callees[index].reply(invite, status, "b1", extra=extra)
        self.callees[index].expect("ACK")


class RetryAfter(Routed):
    prefix, ports = "80", (5071, 5072)

    def test_peer_that_wants_to_be_left_alone_is(self):
        call = OutgoingCall(self.caller, self.number)
        self.decline(0, 503, extra=["Retry-After: 2 (overload);duration=60"])
        self.refuse_at(1, call)
        self.assertEqual(peers_of("closing"), {"5071": "closed", "5072": "up"})
        self.call_goes_to(1)
        self.callees[0].expect_nothing(0.1)
        gateway().wait(lambda: peers_of("closing")["5071"] == "up", "the end of Retry-After")
        self.call_goes_to(0)


class BackOff(Routed):
    prefix, ports = "81", (5073, 5074)

    def test_peer_that_did_not_answer_is_tried_last(self):
        call = OutgoingCall(self.caller, self.number)
        self.callees[0].expect("INVITE")
        self.refuse_at(1, call, timeout=3)
        self.callees[0].drain()
        self.assertEqual(peers_of("failing"), {"5073": "failing", "5074": "up"})
        self.dial_next()
        call = OutgoingCall(self.caller, self.number)
        self.decline(1, 503)
        self.refuse_at(0, call)  # better than nothing; and it has answered now
        self.assertEqual(peers_of("failing"), {"5073": "up", "5074": "failing"})

    def test_peer_that_cannot_be_reached_is_given_up_at_once(self):
        self.callees[1].close()  # an ICMP error
        gateway().wait(lambda: peers_of("failing")["5073"] == "up", "the first peer")
        call = OutgoingCall(self.caller, self.number)
        self.decline(0, 504)
        call.refused(503)
        self.assertEqual(peers_of("failing")["5074"], "failing")


class Codes(Routed):
    prefix, ports = "82", (5075, 5076)

    def test_configured_statuses_send_a_call_on(self):
        for status in (480, 604):
            self.dial_next()
            call = OutgoingCall(self.caller, self.number)
            self.decline(0, status)
            self.refuse_at(1, call)

    def test_others_do_not(self):
        for status in (486, 503, 408):
            self.dial_next()
            self.refuse_at(0, OutgoingCall(self.caller, self.number), status)
            self.callees[1].expect_nothing(0.05)


class Health(Routed):
    """Both peers get OPTIONS each second."""

    prefix, ports = "83", (5077, 5078)

    def setUp(self):
        super().setUp()
        for callee in self.callees:
            callee.numbers = None  # OPTIONS count, too

    def serve(self, statuses, until, seconds=12):
        """Answer OPTIONS with each peer's status (0: not at all) until the trunk is so."""
        end = time.time() + seconds
        while peers_of("watched") != until:
            self.assertLess(time.time(), end, peers_of("watched"))
            for callee, status in zip(self.callees, statuses):
                request = callee.receive(0.02)
                if request and status:
                    self.assertEqual(request.method, "OPTIONS")
                    callee.reply(request, status, "o1")

    def call_with_options(self, index):
        self.dial_next()
        call = OutgoingCall(self.caller, self.number)
        while True:
            request = self.callees[index].receive(2)
            self.assertIsNotNone(request)
            if request.method == "INVITE":
                break
        self.callees[index].reply(request, 486, "b1")
        call.refused(486)

    def test_peers_go_down_and_come_up_by_their_answers(self):
        self.serve((200, 200), {"5077": "up", "5078": "up"})
        before = gateway().log("control")
        self.serve((404, 200), {"5077": "down", "5078": "up"})
        self.call_with_options(1)
        self.serve((0, 0), {"5077": "down", "5078": "down"})
        call = OutgoingCall(self.caller, self.number)
        call.refused(503)
        self.serve((200, 0), {"5077": "up", "5078": "down"})
        self.call_with_options(0)
        log = gateway().log("control")[len(before):]
        self.assertEqual(log.count("event=peer_down trunk=watched"), 2)
        self.assertEqual(log.count("event=peer_up trunk=watched"), 1)


class Limits(Routed):
    prefix, ports = "84", (5079,)

    def test_calls_at_the_same_time_are_limited_one_way(self):
        caller, callee = self.establish()
        OutgoingCall(Peer(gateway().caller_ip, 0, gateway().address), self.number).refused(503)
        self.callees[0].expect_nothing(0.1)
        narrow = next(one for one in gateway().ctl("trunks") if one["trunk"] == "narrow")
        self.assertEqual((narrow["out"]["calls"], narrow["out"]["refused"]), (1, 1))
        self.end(caller, callee)
        self.call_goes_to(0)


class Rates(Routed):
    prefix, ports = "85", (5080,)

    def test_calls_a_second_are_limited_one_way(self):
        self.call_goes_to(0)
        OutgoingCall(Peer(gateway().caller_ip, 0, gateway().address), self.number).refused(503)
        time.sleep(1.05)
        self.call_goes_to(0)


class NextRoute(Routed):
    """The second trunk has other codecs."""

    prefix, ports = "86", (5081, 5082, 5083)

    def test_call_goes_down_the_list_and_each_trunk_gets_its_own_offer(self):
        call = OutgoingCall(self.caller, self.number)
        first = self.callees[0].expect("INVITE")
        self.callees[0].reply(first, 503, "b1")
        self.callees[0].expect("ACK")
        second = self.callees[1].expect("INVITE")
        self.assertEqual(first.sdp_formats()[0], "0")
        self.assertIn("opus/48000/2", second.body)
        self.assertNotIn("PCMU", second.body)
        self.assertNotEqual(first["call-id"], second["call-id"])
        self.callees[1].reply(second, 200, "b2", self.callees[1].sdp(formats="96").replace(
            "96", second.sdp_formats()[0]))
        self.callees[1].expect("ACK")
        caller = call.answered()
        self.assertIn("PCMU", caller.answer.body)
        legs = gateway().ctl("calls")[0]["legs"]
        self.assertEqual([leg["trunk"] for leg in legs], ["caller", "second"])
        caller.bye()
        self.callees[1].reply(self.callees[1].expect("BYE"), 200)
        cdr = self.expect_cdr(status=200, ended_by="a")
        self.assertEqual([leg["codec"] for leg in cdr["legs"]], ["PCMU", "opus"])
        gateway().wait(lambda: gateway().ctl("sessions") == [], "the end of all sessions")

    def test_late_offer_goes_down_the_list(self):
        call = OutgoingCall(self.caller, self.number, body="")
        self.decline(0, 503)
        self.decline(1, 502)
        invite = self.callees[2].expect("INVITE")
        self.callees[2].reply(invite, 200, "b3", self.callees[2].sdp())
        self.callees[2].expect("ACK")
        caller = call.answered(ack_body=self.caller.sdp())
        caller.bye()
        self.callees[2].reply(self.callees[2].expect("BYE"), 200)
        self.expect_cdr(status=200, ended_by="a")

    def test_last_refusal_is_that_of_the_last_route(self):
        call = OutgoingCall(self.caller, self.number)
        self.decline(0, 503)
        self.decline(1, 503)
        self.refuse_at(2, call, 504)
        cdr = self.expect_cdr(status=504, far_status=504)
        self.assertEqual([leg["trunk"] for leg in cdr["legs"]], ["caller", "third"])

    def test_caller_gives_up_at_the_second_route(self):
        call = OutgoingCall(self.caller, self.number)
        self.decline(0, 503)
        invite = self.callees[1].expect("INVITE")
        self.callees[1].reply(invite, 100)
        call.cancel()
        self.callees[1].reply(self.callees[1].expect("CANCEL"), 200)
        self.callees[1].reply(invite, 487, "b2")
        self.callees[1].expect("ACK")
        call.refused(487)
        self.callees[2].expect_nothing(0.1)


class Choice(Routed):
    prefix, ports = "87", (5081, 5082, 5083)

    def dial(self, number, **kwargs):
        self.numbers |= {number, number[2:]}
        return OutgoingCall(self.caller, number, **kwargs)

    def test_cheapest_goes_first_whatever_the_prefix(self):
        digits = self.number[2:]
        call = self.dial("870" + digits)
        invite = self.callees[2].expect("INVITE")
        self.assertIn(f"sip:0{digits}@", invite.uri)  # stripped
        self.callees[2].reply(invite, 503, "b3")
        self.callees[2].expect("ACK")
        self.refuse_at(0, call)

    def test_caller_and_pattern(self):
        digits = self.number[2:]
        self.refuse_at(0, self.dial(f"88{digits}0"))
        self.refuse_at(1, self.dial(f"88{digits}0", from_user="bob"))
        self.refuse_at(2, self.dial(f"88{digits}7"))
        self.dial(f"88{digits}0", from_user="carol").refused(404)

    def test_hours(self):
        self.refuse_at(2, self.dial("89" + self.number[2:]))


class Numbers(Routed):
    """One trunk writes numbers as they are dialled in Berlin, all others as they are."""

    prefix, ports = "+4930", (5085, 5081, 5083)

    def take(self, index, call):
        invite = self.callees[index].expect("INVITE")
        self.callees[index].reply(invite, 486, "b1")
        self.callees[index].expect("ACK")
        call.refused(486)
        return invite

    def dial(self, peer, number, *seen, **kwargs):
        self.numbers |= {number, *seen}
        call = OutgoingCall(peer, number, **kwargs)
        peer.calls.add(call.call_id)
        return call

    def test_numbers_go_out_as_the_trunk_writes_them(self):
        digits = self.number.removeprefix("+4930")
        call = self.dial(self.caller, self.number, "9" + digits, from_user="+4940123")
        invite = self.take(0, call)
        self.assertEqual(invite.uri, f"sip:9{digits}@{gateway().callee_ip}:5085;user=phone")
        self.assertIn(f"<sip:040123@{gateway().ip}:5060;user=phone>", invite["from"])

    def test_numbers_come_in_as_the_trunk_writes_them(self):
        digits = self.number.removeprefix("+4930")
        call = self.dial(self.callees[0], f"001{digits}", f"+1{digits}", from_user="555123")
        invite = self.take(1, call)
        self.assertIn(f"sip:+1{digits}@", invite.uri)
        self.assertIn("<sip:+4930555123@", invite["from"])
        self.assertEqual(gateway().cdr_of(f"+1{digits}")["from"], "+4930555123")

    def test_ported_number_is_routed_by_where_it_is(self):
        digits = self.number.removeprefix("+4930")
        ported = f"001{digits};npdi;rn=+1-999-5"
        call = self.dial(self.callees[0], ported, f"+1{digits}", from_user="555123")
        invite = self.take(2, call)
        self.assertIn(f"sip:+1{digits}@", invite.uri)  # that trunk wants to know nothing of it
        own = f"+4930{digits};npdi;rn=+4930777;cic=+49123"
        call = self.dial(self.callees[0], own, f"9{digits};npdi;rn=+4930777;cic=+49123")
        self.assertIn(f"sip:9{digits};npdi;rn=+4930777;cic=+49123@", self.take(0, call).uri)


class Emergency(Routed):
    prefix, ports = "112", (5084,)

    def test_emergency_calls_are_marked_and_know_no_limit(self):
        self.numbers.add("112")
        ringing = []
        for status in (486, 603):
            peer = Peer(gateway().caller_ip, 0, gateway().address)
            self.peers.append(peer)
            call = OutgoingCall(peer, "112")
            invite = self.callees[0].expect("INVITE")
            self.assertEqual(invite["priority"], "emergency")
            ringing.append((call, invite, status))
        self.assertEqual([one["emergency"] for one in gateway().ctl("calls")], [True, True])
        for call, invite, status in ringing:
            self.callees[0].reply(invite, status, "b1")
            self.callees[0].expect("ACK")
            call.refused(status)
        gateway().wait(lambda: sum(cdr["to"] == "112" for cdr in gateway().cdrs()) == 2, "the CDRs")
        self.assertTrue(all(cdr.get("emergency") for cdr in gateway().cdrs() if cdr["to"] == "112"))


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
