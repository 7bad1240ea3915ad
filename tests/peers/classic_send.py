"""A sender as course notes describe it: the name, an "ok" awaited, the content, the end of the stream.

Usage: classic_send.py HOST PORT FILE SIZE   (SIZE octets to a write; 0 is everything at once)
"""
import os
import socket
import sys

host, port, path, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with socket.create_connection((host, port)) as peer, open(path, "rb") as file:
    peer.sendall(os.path.basename(path).encode())
    answer = peer.recv(2)
    if answer != b"ok":
        sys.exit(f"refused: {answer + peer.recv(1024)!r}")
    if size == 0:
        peer.sendall(file.read())
    else:
        while block := file.read(size):
            peer.sendall(block)
