"""SIP user agents on a network that loses packets: with the transactions of RFC 3261 17 and the
2xx of 13, so that they repeat what is lost, many calls at a time.

What is lost is chosen by what a message is ("> INVITE", "< 200 INVITE") and how often it has passed
before in that call, never by time: the same messages are lost in every run. A call is a coroutine.
"""
import asyncio
import collections

import capture
from sip_peer import Message, family_of, finish, host_of, new_branch

T1, T2 = 0.5, 4
GIVE_UP = 64 * T1


class GivenUp(AssertionError):
    pass


class Agent(asyncio.DatagramProtocol):
    """One socket. `number_of(request)` says which call an INVITE is of."""

    def __init__(self, side, ip, port, gateway, sdp):
        self.side, self.ip, self.port, self.gateway, self.sdp = side, ip, port, gateway, sdp
        self.calls = {}  # Call-ID: Half
        self.wanted = {}  # number: Half that waits for its INVITE
        self.clients, self.servers = {}, {}  # by (branch, method)
        self.n_lost = self.n_repeated = 0

    async def open(self):
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(self.ip, self.port), family=family_of(self.ip))
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    def contact(self):
        return f"<sip:me@{host_of(self.ip)}:{self.port}>"

    def send(self, half, text):
        if half.loses(">", Message(text.encode(), None)):
            self.n_lost += 1
            return
        capture.record(text.encode(), (self.ip, self.port), self.gateway, capture.THEIRS)
        self.transport.sendto(text.encode(), self.gateway)

    def datagram_received(self, data, source):
        capture.record(data, source, (self.ip, self.port), capture.OURS)
        message = Message(data, source)
        half = self.half_of(message)
        if half is None:
            pass  # of a test before, where the answer to a BYE has been lost
        elif half.loses("<", message):
            self.n_lost += 1
        elif message.status:
            self.take_response(half, message)
        else:
            self.take_request(half, message)

    def half_of(self, message):
        if message["call-id"] not in self.calls:
            if message.method != "INVITE" or ";tag=" in message["to"]:
                return None
            number = message.uri.partition("@")[0].partition(":")[2]
            self.calls[message["call-id"]] = self.wanted.pop(number)
        return self.calls[message["call-id"]]

    def take_response(self, half, message):
        client = self.clients.get((message.branch(), message.method))
        if client is None:
            raise GivenUp(f"{message.start} answers nothing")
        client.take(half, message)

    def take_request(self, half, message):
        if message.method == "ACK":
            half.acked.add(message.cseq)
            half.news.set()
            return
        key = message.branch(), message.method
        if key not in self.servers:
            self.servers[key] = None
            half.requests.put_nowait(message)
        elif self.servers[key]:  # answered: once more
            self.n_repeated += 1
            self.send(half, self.servers[key])


class Client:
    """A request until its final response; a 2xx or a refusal of an INVITE is acknowledged each time."""

    def __init__(self, half, text, method):
        self.half, self.text, self.method = half, text, method
        self.responses = asyncio.Queue()
        self.heard = self.done = False
        half.agent.clients[Message(text.encode(), None).branch(), method] = self
        asyncio.ensure_future(self.repeat())

    async def repeat(self):
        wait, waited = T1, 0
        while not self.done and not (self.heard and self.method == "INVITE") and waited < GIVE_UP:
            self.half.agent.send(self.half, self.text)
            await asyncio.sleep(wait)
            waited += wait
            wait = min(2 * wait, GIVE_UP if self.method == "INVITE" else T2)

    def take(self, half, message):
        is_repeated = self.done
        self.heard, self.done = True, message.status >= 200
        if self.done and self.method == "INVITE":
            half.acknowledge(self, message)
        if not is_repeated:
            self.responses.put_nowait(message)

    async def final(self):
        while True:
            response = await asyncio.wait_for(self.responses.get(), GIVE_UP)
            if response.status >= 200:
                return response


class Half:
    """One end of a call. `lost`: a function of a label and how often it has been seen."""

    def __init__(self, agent, number, lost):
        self.agent, self.number, self.lost = agent, number, lost
        self.seen, self.seqs = collections.Counter(), 0
        self.requests, self.acked, self.news = asyncio.Queue(), set(), asyncio.Event()
        self.labels = []

    def loses(self, direction, message):
        what = f"{message.status} {message.method}" if message.status else message.method
        label = f"{self.agent.side}{direction} {what}"
        self.seen[label] += 1
        self.labels.append(label)
        return self.lost(label, self.seen[label])

    # --- what we ask ---

    def call(self, extra=()):
        """The caller's INVITE."""
        agent = self.agent
        self.call_id = new_branch() + "@" + agent.ip
        agent.calls[self.call_id] = self
        self.local = f"<sip:alice@{host_of(agent.ip)}>;tag={new_branch()}"
        self.target = f"sip:{self.number}@{host_of(agent.gateway[0])}:{agent.gateway[1]}"
        self.remote = f"<{self.target}>"
        return self.request("INVITE", agent.sdp(agent.ip), extra)

    def request(self, method, body="", extra=()):
        self.seqs += 1
        client = Client(self, self.text(method, self.seqs, new_branch(), self.target, self.remote, body, extra),
                        method)
        client.branch, client.cseq, client.target = None, self.seqs, self.target
        return client

    def text(self, method, cseq, branch, target, remote, body="", extra=()):
        agent = self.agent
        lines = [f"{method} {target} SIP/2.0",
                 f"Via: SIP/2.0/UDP {host_of(agent.ip)}:{agent.port};rport;branch={branch}",
                 "Max-Forwards: 70", f"From: {self.local}", f"To: {remote}", f"Call-ID: {self.call_id}",
                 f"CSeq: {cseq} {method}", f"Contact: {agent.contact()}", *extra]
        return finish(lines, body)

    def cancel(self, client):
        branch = Message(client.text.encode(), None).branch()
        return Client(self, self.text("CANCEL", client.cseq, branch, client.target, self.remote), "CANCEL")

    def acknowledge(self, client, response):
        branch = Message(client.text.encode(), None).branch()
        target = client.target
        if response.status < 300:
            self.remote, self.target = response["to"], response.contact_uri()
            branch, target = new_branch(), self.target
        self.agent.send(self, self.text("ACK", client.cseq, branch, target, response["to"]))

    async def prack(self, client):
        """Acknowledge the first reliable response."""
        while True:
            response = await asyncio.wait_for(client.responses.get(), GIVE_UP)
            if response["rseq"]:
                break
        self.remote, self.target = response["to"], response.contact_uri()
        await self.ask("PRACK", extra=[f"RAck: {response['rseq']} {response['cseq']}"])

    async def ask(self, method, body="", want=200, extra=()):
        response = await self.request(method, body, extra).final()
        if response.status != want:
            raise GivenUp(f"{method} got {response.start}")
        return response

    # --- what we are asked ---

    async def asked(self, *methods):
        request = await asyncio.wait_for(self.requests.get(), GIVE_UP)
        if request.method not in methods:
            raise GivenUp(f"{request.method} instead of {methods}")
        if request.method == "INVITE" and ";tag=" not in request["to"]:
            self.local, self.remote = request["to"] + ";tag=b" + new_branch(), request["from"]
            self.call_id, self.target = request["call-id"], request.contact_uri()
        return request

    def reply(self, request, status, body="", extra=()):
        lines = [f"SIP/2.0 {status} Because", f"Via: {request['via']}", f"From: {request['from']}",
                 f"To: {self.local}", f"Call-ID: {request['call-id']}", f"CSeq: {request['cseq']}",
                 f"Contact: {self.agent.contact()}", *extra]
        text = finish(lines, body)
        self.agent.servers[request.branch(), request.method] = text
        self.agent.send(self, text)
        return text

    async def reply_until_acked(self, request, status, body=""):
        wait, text = T1, self.reply(request, status, body)
        end = asyncio.get_running_loop().time() + GIVE_UP
        while request.cseq not in self.acked:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), wait)
            except asyncio.TimeoutError:
                wait = min(2 * wait, T2)
                self.agent.send(self, text)
            if asyncio.get_running_loop().time() > end:
                raise GivenUp(f"no ACK for {status}")

    async def reply_until_pracked(self, request, status, body):
        """A reliable provisional response (RFC 3262 3)."""
        wait, text = T1, self.reply(request, status, body, ["Require: 100rel", "RSeq: 7"])
        while wait < GIVE_UP:
            try:
                self.reply(await asyncio.wait_for(self.asked("PRACK"), wait), 200)
                return
            except asyncio.TimeoutError:
                wait *= 2
                self.agent.send(self, text)
        raise GivenUp(f"no PRACK for {status}")

    async def is_asked(self, method, status=200):
        self.reply(await self.asked(method), status)
