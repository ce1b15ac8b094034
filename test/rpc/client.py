#!/usr/bin/env python3
"""A client as runc and libcriu are: sends requests one after the other, answers notifications, prints what comes.

    client.py [OPTIONS] swrk|SOCKET REQUEST...

A request is JSON, {"type": "DUMP", "opts": {...}}; fields that end in _fd and are paths become numbers of open descriptors.
"raw:HEX" is sent as it is, "big:N" is N bytes of nothing. Printed is a line for each response ('notify NAME [pid]',
'TYPE ok|failed NAME=VALUE...') and 'exit STATUS' of swrk, or 'end' of the connection.
"""
import argparse
import array
import json
import os
import signal
import socket
import subprocess
import sys

import wire

NAMES = {number: name for name, number in wire.TYPES.items()}


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--refuse", help="the notification that is refused")
    p.add_argument("--leave", help="the client ends at this notification")
    p.add_argument("--kill", help="SIGKILL to the other side at this notification")
    p.add_argument("--external", help="the answer to query-ext-files")
    p.add_argument("--run", help="a command that is run at each notification, with its name")
    p.add_argument("--user", type=int, help="be this user first")
    p.add_argument("--stray", action="store_true", help="leave descriptors open for the other side")
    p.add_argument("--pass-fd", type=int, action="append", default=[], help="this one stays open for the other side")
    p.add_argument("--talk", action="store_true", help="to whoever is behind the last descriptor that came")
    p.add_argument("--plain", action="store_true", help="send one more packet without waiting for a response")
    p.add_argument("where")
    p.add_argument("request", nargs="*")
    return p.parse_args()


class Client:
    def __init__(self, args):
        self.args = args
        self.child = None
        self.open = []
        if args.where == "swrk":
            self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            os.set_inheritable(theirs.fileno(), True)
            passed = [theirs.fileno()] + args.pass_fd
            if args.stray:
                passed.append(os.dup(0))
            for fd in passed:
                os.set_inheritable(fd, True)
            self.child = subprocess.Popen([os.environ["STASIS"], "swrk", str(theirs.fileno())], close_fds=True, pass_fds=passed,
                                          stdin=subprocess.DEVNULL)
            theirs.close()
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.sock.connect(args.where)

    def encode(self, text):
        kind, _, rest = text.partition(":")
        if kind == "raw":
            return bytes.fromhex(rest)
        if kind == "big":
            return bytes(int(rest))
        request = json.loads(text)
        kind = request["type"]
        request["type"] = wire.TYPES.get(kind, kind)
        for name, value in request.get("opts", {}).items():
            if name.endswith("_fd") and isinstance(value, str):
                self.open.append(os.open(value, os.O_RDONLY | os.O_DIRECTORY))
                request["opts"][name] = self.open[-1]
        return wire.pack(wire.REQ, request)

    def receive(self):
        data, ancillary, _, _ = self.sock.recvmsg(1 << 16, socket.CMSG_SPACE(4))
        for _, kind, content in ancillary:
            fd = array.array("i", content)[0]
            print("descriptor", kind == socket.SCM_RIGHTS, os.readlink(f"/proc/self/fd/{fd}"), flush=True)
            self.open.append(fd)
        return wire.unpack(wire.RESP, data) if data else None

    def answer(self, notify):
        name = notify["script"]
        print("notify", name, *(["pid", notify["pid"]] if "pid" in notify else []), flush=True)
        if self.args.run:
            subprocess.run([self.args.run, name, str(notify.get("pid", ""))], check=True)
        if name == self.args.leave:
            os._exit(0)
        if name == self.args.kill:
            os.kill(self.child.pid, signal.SIGKILL)
            return
        reply = {"type": 6, "notify_success": name != self.args.refuse}
        if name == "query-ext-files" and self.args.external:
            reply["opts"] = {"images_dir_fd": -1, "external": [self.args.external]}
        try:
            self.sock.send(wire.pack(wire.REQ, reply))
        except BrokenPipeError:
            pass  # what the other side has said before it left can still be read

    def respond(self, response):
        words = [NAMES[response.pop("type")], "ok" if response.pop("success") else "failed"]
        for name, value in response.items():
            if isinstance(value, dict):
                words += [f"{name}.{key}={one}" for key, one in value.items()]
            else:
                words.append(f"{name}={value}".rstrip("\n"))
        print(*words, flush=True)

    def one(self, text):
        self.sock.send(self.encode(text))
        while True:
            try:
                response = self.receive()
            except ConnectionResetError:
                response = None
            if response is None:
                return False
            if response["type"] != wire.TYPES["NOTIFY"] or "notify" not in response:
                self.respond(response)
                return True
            self.answer(response["notify"])

    def run(self):
        for text in self.args.request:
            if not self.one(text):
                break
        if self.args.talk and self.open:
            os.write(self.open[-1], b"answer\n")
            print("it says", os.read(self.open[-1], 100))
        self.sock.shutdown(socket.SHUT_WR)
        if self.child:
            print("exit", self.child.wait())
        else:
            self.sock.close()
            print("end")


def main():
    args = arguments()
    if args.user is not None:
        os.setgroups([])
        os.setgid(args.user)
        os.setuid(args.user)
    try:
        Client(args).run()
    except BrokenPipeError:
        print("closed")
        sys.exit(0)


main()
