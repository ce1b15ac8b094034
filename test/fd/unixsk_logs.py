"""A journal, a syslog and a bus: writes down who has connected ([PID]) and what was said, in files of a folder.

unixsk_logs.py FOLDER"""
import os
import select
import socket
import sys


def bound(kind, path):
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(path)
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def take(sock, names):
    """What has come by it: (file, text)."""
    if sock.type == socket.SOCK_DGRAM:
        return names[sock], sock.recv(4096) + b"|"
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        new = sock.accept()[0]
        names[new] = names[sock]
        who = new.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return names[sock], b"[%d]" % int.from_bytes(who[:4], "little")
    text = sock.recv(4096)
    return (names[sock] if text else names.pop(sock)), text


def main(folder):
    names = {bound(socket.SOCK_STREAM, "/run/systemd/journal/stdout"): "journal",
             bound(socket.SOCK_STREAM, "/run/systemd/journal/syslog"): "stream",
             bound(socket.SOCK_STREAM, "/run/dbus/system_bus_socket"): "bus",
             bound(socket.SOCK_DGRAM, "/run/systemd/journal/dev-log"): "datagrams"}
    with open(os.path.join(folder, "served"), "wb"):
        pass
    while True:
        for sock in select.select(list(names), [], [])[0]:
            name, text = take(sock, names)
            with open(os.path.join(folder, name), "ab") as out:
                out.write(text)


main(sys.argv[1])
