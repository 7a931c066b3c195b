#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server of a first lesson in Python: a thread for each connection.   lesson.py PORT"""

import socket
import sys
import threading


def serve(client):
    with client:
        while data := client.recv(65536):
            client.sendall(data)


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
