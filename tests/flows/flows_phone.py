#!/usr/bin/python3
"""A real phone, baresip, as a registered user.

usage: flows_phone.py BUILD-FOLDER [PART OF A TEST'S NAME...]

Its stack (libre) knows MD5 alone and gives up where another algorithm is offered as well, so MD5 is
all that the users of this gateway are offered.
"""
import os
import shutil
import subprocess
import sys
import unittest

import flows
import flows_register
from flows_register import DOMAIN, USERS, Registered
from sip_peer import OutgoingCall

tearDownModule = flows.tearDownModule


def setUpModule():
    flows_register.more = ", algorithms: [MD5]"
    flows_register.setUpModule()


@unittest.skipUnless(shutil.which("baresip"), "there is no baresip")
class Baresip(Registered):
    def setUp(self):
        super().setUp()
        self.number = self.prefix + "100"
        self.folder = flows.gateway.path("baresip")
        os.makedirs(self.folder, exist_ok=True)
        self.write("config", f"""\
poll_method epoll
sip_listen {flows.gateway.phone_ip}:5060
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
audio_source aubridge,none
audio_player aubridge,none
module_app account.so
module_app contact.so
module_app menu.so
""")
        self.write("accounts", f'<sip:100@{DOMAIN}>;auth_pass={USERS["100"]};regint=60;answermode=auto;'
                               f'outbound="sip:{flows.gateway.ip}";audio_codecs=PCMU/8000/1\n')
        self.write("contacts", "")
        with open(flows.gateway.path("baresip.log"), "w") as log:
            self.baresip = subprocess.Popen(["baresip", "-4", "-f", self.folder], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        flows.gateway.wait(self.bindings, "baresip to register")

    def tearDown(self):
        if self.baresip.poll() is None:
            self.baresip.kill()
        self.baresip.wait()
        super().tearDown()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def test_registers_answers_and_goes(self):
        binding, = self.bindings()
        self.assertEqual((binding["aor"], binding["nat"]), (f"100@{DOMAIN}", False))
        self.assertIn("baresip", binding["agent"])
        call = OutgoingCall(self.caller, self.number)
        response = self.caller.receive(2)
        while response.status < 200:
            response = self.caller.receive(2)
        self.assertEqual(response.status, 200)
        dialog = call.dialog(response)
        dialog.send("ACK")
        dialog.bye()
        self.baresip.terminate()
        flows.gateway.wait(lambda: not self.bindings(), "baresip to take its registration back")
        self.assertIn("event=unregistered", flows.gateway.log("control"))


if __name__ == "__main__":
    sys.exit(flows.run(sys.modules["__main__"]))
