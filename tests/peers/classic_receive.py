"""A receiver as course notes describe it: a name in one read, "ok", then content until the stream ends.

Usage: classic_receive.py FOLDER SIZE   (SIZE octets to a read; 0 reads until the end before it writes)
It prints its port, and then what it received.
"""
import os
import socket
import sys

folder, size = sys.argv[1], int(sys.argv[2])
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    peer, _ = server.accept()
    with peer:
        name = peer.recv(255).decode()
        peer.sendall(b"ok")
        content = []
        with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
            while block := peer.recv(size or 65536):
                if size == 0:
                    content.append(block)
                else:
                    file.write(block)
            file.write(b"".join(content))
    print("received", name, flush=True)
